use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use xmpp_component::{DownReason, LinkState, StreamCondition};

use super::Report;
use super::daemon::RunningDaemon;
use crate::config::Loaded;
use crate::failure::Failure;

const CONNECT_TIME: Duration = Duration::from_secs(5);
const HANDSHAKE_TIME: Duration = Duration::from_secs(15);

/// Whether anybody listens where the XMPP server should, and then, whether it takes us.
pub(super) async fn check(
    report: &mut Report,
    loaded: &Loaded,
    daemon: Option<&RunningDaemon>,
) -> Result<(), Failure> {
    let failed = report.failed;
    check_server(report, loaded).await?;
    // A handshake with nobody would fail for the same reason.
    if report.failed == failed { check_handshake(report, loaded, daemon).await } else { Ok(()) }
}

async fn check_server(report: &mut Report, loaded: &Loaded) -> Result<(), Failure> {
    let server = match loaded.config.xmpp.server() {
        Ok(server) => server,
        Err(error) => return report.failed("xmpp server", &error),
    };
    let connecting = TcpStream::connect((server.host(), server.port()));
    let problem = match timeout(CONNECT_TIME, connecting).await {
        Ok(Ok(_)) => return report.ok("xmpp server", &format!("{server} accepts connections")),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it does not answer".to_owned(),
    };
    let advice = format!(
        "{server}: {problem}; start the XMPP server, or set xmpp.server to where it listens for components"
    );
    report.failed("xmpp server", &advice)
}

/// Whether the server takes us as the component. A running daemon is asked instead: two links would fight.
async fn check_handshake(
    report: &mut Report,
    loaded: &Loaded,
    daemon: Option<&RunningDaemon>,
) -> Result<(), Failure> {
    match daemon {
        Some(RunningDaemon { not_ready: None }) => report.ok("handshake", "the running daemon's link is up"),
        Some(RunningDaemon { not_ready: Some(reasons) }) => report
            .failed("handshake", &format!("the running daemon says: {reasons}; its log says what to do")),
        None => try_handshake(report, loaded).await,
    }
}

async fn try_handshake(report: &mut Report, loaded: &Loaded) -> Result<(), Failure> {
    let config = match loaded.config.xmpp.component(&loaded.folder, loaded.config.limits.link()) {
        Ok(config) => config,
        Err(error) => return report.failed("handshake", &error),
    };
    let domain = config.domain.clone();
    let shutdown = CancellationToken::new();
    let (link, mut events) = xmpp_component::spawn(config, &shutdown);
    let mut states = link.watch();
    let settled = |state: &LinkState| !matches!(state, LinkState::Down { last_error: None });
    let state = timeout(HANDSHAKE_TIME, states.wait_for(settled))
        .await
        .ok()
        .and_then(Result::ok)
        .map(|state| state.clone());
    shutdown.cancel();
    // Until the stream is closed, so that the daemon may connect right after.
    while events.recv().await.is_some() {}
    match state {
        Some(LinkState::Up { .. }) => {
            report.ok("handshake", &format!("the XMPP server accepts us as {domain}"))
        }
        Some(LinkState::Down { last_error: Some(reason) }) => {
            report.failed("handshake", &explain(&domain, &reason))
        }
        _ => report
            .failed("handshake", &"the XMPP server does not answer in time; is this its component port?"),
    }
}

fn explain(domain: &str, reason: &DownReason) -> String {
    let what = match reason {
        DownReason::StreamError { condition: StreamCondition::NotAuthorized, .. } => {
            format!("wrong secret for {domain} (on ejabberd also: the domain is not configured)")
        }
        DownReason::StreamError { condition: StreamCondition::HostUnknown, .. } => {
            format!("the XMPP server does not know the domain {domain}")
        }
        DownReason::StreamError { condition: StreamCondition::Conflict, .. } => {
            format!("the domain {domain} is taken")
        }
        other => other.to_string(),
    };
    format!("{what}; {}", reason.advice().unwrap_or("try again, and look at the XMPP server's log"))
}
