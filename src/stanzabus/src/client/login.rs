use std::fs;
use std::net::SocketAddr;

use jid::Jid;

use crate::cli::ActAs;
use crate::client::xmpp::XmppError;
use crate::config::user_password;
use crate::failure::Failure;

/// What it takes to log in as an XMPP user.
pub(crate) struct Login {
    /// Who.
    pub(crate) jid: Jid,
    /// The password.
    pub(crate) password: String,
    /// Where.
    pub(crate) server: Server,
}

/// Where the user's server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Server {
    /// Where DNS says (RFC 6120 §3.2); with TLS.
    Dns,
    /// At `HOST:PORT`; on this machine without TLS if the server allows it, elsewhere with TLS.
    Address(String),
}

impl Login {
    /// What `--as` and its companions say; `None` without `--as`.
    pub(crate) fn from_arguments(act_as: &ActAs) -> Result<Option<Self>, Failure> {
        let Some(jid) = act_as.jid.clone() else { return Ok(None) };
        if jid.node().is_none() {
            return Err(Failure::Usage(format!("--as: {jid} names no user; write for example alice@{jid}")));
        }
        let password = password(act_as)?;
        let server = act_as.xmpp_server.clone().map_or(Server::Dns, Server::Address);
        Ok(Some(Self { jid, password, server }))
    }
}

impl Server {
    /// Resolves an explicit address with the system's resolver, `/etc/hosts` included.
    pub(crate) async fn resolve(&self) -> Result<Option<SocketAddr>, XmppError> {
        let Self::Address(text) = self else { return Ok(None) };
        let unknown = |message: String| XmppError::UnknownServer { server: text.clone(), message };
        let mut found = tokio::net::lookup_host(text).await.map_err(|error| unknown(error.to_string()))?;
        found.next().map(Some).ok_or_else(|| unknown("the name has no address".to_owned()))
    }
}

fn password(act_as: &ActAs) -> Result<String, Failure> {
    if let Some(path) = &act_as.password_file {
        let text =
            fs::read_to_string(path).map_err(|source| Failure::Unreadable { path: path.clone(), source })?;
        return Ok(text.lines().next().unwrap_or_default().to_owned());
    }
    user_password().ok_or_else(|| {
        Failure::Usage("--as needs the user's password: --password-file, or STANZABUS_PASSWORD".to_owned())
    })
}
