use super::Report;
use crate::client::grpc::GrpcClient;
use crate::client::http::get;
use crate::config::Loaded;
use crate::failure::Failure;

/// A daemon that runs on this configuration's HTTP port.
#[derive(Debug)]
pub(super) struct RunningDaemon {
    /// What keeps it from being ready; nothing when it is.
    pub(super) not_ready: Option<String>,
}

/// Asks `/livez` and `/readyz` of the configured address.
pub(super) async fn find(loaded: &Loaded) -> Option<RunningDaemon> {
    let address = loaded.config.http.listen().ok()?;
    let (status, _) = get(address, "/livez").await?;
    if status != 200 {
        return None;
    }
    let (status, text) = get(address, "/readyz").await?;
    let not_ready = (status != 200).then(|| text.lines().collect::<Vec<_>>().join("; "));
    Some(RunningDaemon { not_ready })
}

/// Whether the token of the command line is there, listed, and accepted.
pub(super) async fn check_token(
    report: &mut Report,
    loaded: &Loaded,
    daemon: Option<&RunningDaemon>,
) -> Result<(), Failure> {
    let grpc = &loaded.config.grpc;
    let (token, address) =
        match grpc.client_token(&loaded.folder).and_then(|token| Ok((token, grpc.client_address()?))) {
            Ok(found) => found,
            Err(error) => return report.failed("token", &error),
        };
    let principal = match grpc.principal_of(&loaded.folder, &token) {
        Ok(Some(principal)) => principal,
        Ok(None) => {
            let advice = "its SHA-256 is not in [[grpc.tokens]]; add it, or put a token of `stanzabus token create` there";
            return report.failed("token", &advice);
        }
        Err(error) => return report.failed("token", &error),
    };
    if daemon.is_none() {
        return report.ok("token", &format!("stands for {principal}; no daemon runs that could be asked"));
    }
    let tls = match grpc.client_tls(&loaded.folder) {
        Ok(tls) => tls,
        Err(error) => return report.failed("token", &error),
    };
    let asked = async { GrpcClient::connect(address, &token, tls).await?.list(String::new()).await };
    match asked.await {
        Ok(_) => report.ok("token", &format!("the daemon accepts it as {principal}")),
        Err(error) => report.failed("token", &error),
    }
}
