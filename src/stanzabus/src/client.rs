//! How the client commands reach the bus: over gRPC, or as an XMPP user.

pub(crate) mod grpc;
pub(crate) mod http;
mod login;
pub(crate) mod output;
pub(crate) mod pubsub;
pub(crate) mod xmpp;

use std::path::Path;

use jid::BareJid;

use crate::cli::ActAs;
use crate::client::grpc::GrpcClient;
use crate::client::login::Login;
use crate::client::pubsub::PubsubUser;
use crate::client::xmpp::XmppSession;
use crate::config;
use crate::failure::Failure;

/// Connects to the daemon that the configuration describes.
pub(crate) async fn connect_grpc(path: &Path) -> Result<GrpcClient, Failure> {
    let loaded = config::load(path)?;
    let address = loaded.config.grpc.client_address()?;
    let token = loaded.config.grpc.client_token(&loaded.folder)?;
    let tls = loaded.config.grpc.client_tls(&loaded.folder)?;
    Ok(GrpcClient::connect(address, &token, tls).await?)
}

/// Logs in as the user that `--as` names; `None` without it.
pub(crate) async fn connect_xmpp(path: &Path, act_as: &ActAs) -> Result<Option<PubsubUser>, Failure> {
    let Some(login) = Login::from_arguments(act_as)? else { return Ok(None) };
    let service = service_domain(path, act_as)?;
    let session = XmppSession::open(login).await?;
    Ok(Some(PubsubUser::new(session, service)))
}

/// `--service`, or the domain of the configuration.
pub(crate) fn service_domain(path: &Path, act_as: &ActAs) -> Result<BareJid, Failure> {
    match &act_as.service {
        Some(service) => Ok(service.clone()),
        None => Ok(config::load(path)?.config.xmpp.domain()?),
    }
}
