use jid::{BareJid, Jid};
use thiserror::Error;
use tokio_xmpp::error::{AuthError, ProtocolError};
use tokio_xmpp::parsers::stanza_error::StanzaError;

use crate::client::login::{Login, Server};

/// Why acting as an XMPP user did not work.
#[derive(Debug, Error)]
pub(crate) enum XmppError {
    /// `--xmpp-server` cannot be resolved.
    #[error(
        "--xmpp-server: {server:?} cannot be resolved: {message}; write HOST:PORT, for example 127.0.0.1:5222"
    )]
    UnknownServer {
        /// As given.
        server: String,
        /// What the resolver says.
        message: String,
    },
    /// No stream.
    #[error(
        "cannot reach the XMPP server of {jid} {place}: {message}; check that it runs there, and for TLS, that its \
         certificate is valid for {}", jid.domain()
    )]
    Unreachable {
        /// Who wanted to log in.
        jid: Jid,
        /// At which address.
        place: String,
        /// What happened.
        message: String,
    },
    /// The server does not take the password.
    #[error("the XMPP server refuses to log {jid} in: {reason}; check the JID and the password")]
    WrongPassword {
        /// Who wanted to log in.
        jid: Jid,
        /// The condition (RFC 6120 §6.5).
        reason: String,
    },
    /// The server wants TLS, or has no TLS.
    #[error("{jid} cannot log in: {message}")]
    NoCommonGround {
        /// Who wanted to log in.
        jid: Jid,
        /// What does not fit, and what to do.
        message: &'static str,
    },
    /// The server does not go on.
    #[error("logging in as {jid} takes too long; is this the XMPP server's port for clients?")]
    LoginTimeout {
        /// Who wanted to log in.
        jid: Jid,
    },
    /// The library's error, before it is known whose it is.
    #[error("{0}")]
    Library(#[from] tokio_xmpp::Error),
    /// The stream ended.
    #[error("the connection to the XMPP server is lost; run the command again")]
    Lost,
    /// Too many messages came at once.
    #[error("too many messages came while an answer was awaited; run the command again")]
    TooMany,
    /// No answer in time.
    #[error("{to} does not answer the request to {what}; is stanzabus running and connected?")]
    NoAnswer {
        /// Who should have answered.
        to: BareJid,
        /// What was asked.
        what: String,
    },
    /// An error as answer.
    #[error("{to} refuses to {what}: {condition}{}", text.as_deref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Refused {
        /// Who answered.
        to: BareJid,
        /// What was asked.
        what: String,
        /// The defined condition (RFC 6120 §8.3.3), and the one of XEP-0060 if there is one.
        condition: String,
        /// The explanation.
        text: Option<String>,
    },
    /// An answer that is none.
    #[error("{to} answers the request to {what} with something else")]
    Unexpected {
        /// Who answered.
        to: BareJid,
        /// What was asked.
        what: String,
    },
    /// The payload to publish.
    #[error("the payload is not acceptable: {0}")]
    Payload(#[from] bus_xml::DocumentError),
    /// A string that cannot stand in XML.
    #[error("{0}: {1}")]
    Text(&'static str, #[source] bus_domain::TextError),
}

impl XmppError {
    /// Says whose login failed and what can be done.
    pub(super) fn login(login: &Login, error: Self) -> Self {
        let Self::Library(error) = error else { return error };
        let jid = login.jid.clone();
        match error {
            tokio_xmpp::Error::Auth(AuthError::NoMechanism) => Self::NoCommonGround {
                jid,
                message: "the XMPP server offers no way to log in that we know, which are SCRAM and PLAIN; it may be \
                          that it offers them with TLS only",
            },
            tokio_xmpp::Error::Auth(AuthError::Fail(condition)) => {
                Self::WrongPassword { jid, reason: kebab_case(&format!("{condition:?}")) }
            }
            tokio_xmpp::Error::Auth(error) => Self::WrongPassword { jid, reason: error.to_string() },
            tokio_xmpp::Error::Protocol(ProtocolError::NoTls) => {
                Self::NoCommonGround { jid, message: "the XMPP server offers no TLS, and nothing without" }
            }
            other => {
                let place = match &login.server {
                    Server::Dns => "where DNS says (--xmpp-server names another place)".to_owned(),
                    Server::Address(address) => format!("at {address}"),
                };
                Self::Unreachable { jid, place, message: other.to_string() }
            }
        }
    }

    pub(super) fn refused(to: &BareJid, what: &str, error: &StanzaError) -> Self {
        let mut condition = kebab_case(&format!("{:?}", error.defined_condition));
        let mut text = error.texts.values().next().cloned();
        // What servers answer for a component that is not connected (Prosody, ejabberd).
        if matches!(
            condition.as_str(),
            "remote-server-timeout" | "remote-server-not-found" | "service-unavailable"
        ) {
            text = Some("is stanzabus running and connected to the XMPP server?".to_owned());
        }
        if let Some(other) = &error.other {
            condition = format!("{condition}, {}", other.name());
        }
        Self::Refused { to: to.clone(), what: what.to_owned(), condition, text }
    }
}

/// `ItemNotFound` as `item-not-found`; fields behind the name are left out.
fn kebab_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for letter in name.chars().take_while(char::is_ascii_alphanumeric) {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}
