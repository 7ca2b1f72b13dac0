use std::fs;

use harness::{Daemon, ScriptedServer, ServerKind, XmppServer, http_get, wait_until};

use super::{DOMAIN, PATIENCE, SECRET, XmppPeer, server};

/// A server and a daemon on it, ready.
pub(crate) async fn on_server(kind: ServerKind) -> (XmppServer, Daemon) {
    let mut server = server(kind);
    server.start().await.expect("the server starts");
    let daemon = attached(server.component_port()).await;
    (server, daemon)
}

/// For tests where the server does not matter, or only this one does it.
pub(crate) async fn on_prosody() -> (XmppServer, Daemon) {
    on_server(ServerKind::Prosody).await
}

/// A server that says what the test says, a daemon on it, ready, and the server's end of their stream.
pub(crate) async fn on_script() -> (ScriptedServer, Daemon, XmppPeer) {
    let server = ScriptedServer::start().await.expect("a free port");
    let (daemon, accepted) = tokio::join!(attached(server.port()), server.accept_daemon());
    let peer = XmppPeer::new(accepted.expect("the daemon attaches"));
    (server, daemon, peer)
}

/// A daemon for the component port of a server; not started yet.
pub(crate) async fn init(component_port: u16) -> Daemon {
    Daemon::init(DOMAIN, &format!("127.0.0.1:{component_port}"), SECRET).await.expect("`init` succeeds")
}

/// A daemon on a server that runs, ready.
pub(crate) async fn attached(component_port: u16) -> Daemon {
    let mut daemon = init(component_port).await;
    impatient(&mut daemon);
    daemon.start().expect("the daemon starts");
    daemon.wait_ready().await.expect("the daemon attaches");
    daemon
}

/// Lets the daemon try again at once whatever has happened, so that no test waits for a back-off.
pub(crate) fn impatient(daemon: &mut Daemon) {
    for (key, value) in [("MIN", "5"), ("MAX", "50"), ("FAULT", "50")] {
        daemon.set_env(format!("STANZABUS_LIMITS__LINK_BACKOFF_MS_{key}"), value);
    }
}

/// Waits until `/readyz` is red for a reason that holds `needle`; the process answers, so it lives.
pub(crate) async fn wait_not_ready(daemon: &Daemon, needle: &str) -> String {
    let port = daemon.http_port();
    let mut last = String::from("no answer");
    let reason = wait_until("a red /readyz", PATIENCE, async || {
        let response = http_get(port, "/readyz").await.ok()?;
        last = format!("{}: {}", response.status, response.body);
        (response.status == 503 && response.body.contains(needle)).then_some(response.body)
    });
    match reason.await {
        Ok(reason) => reason,
        Err(error) => panic!("{error:#} for {needle:?}; last: {last}"),
    }
}

/// Waits until the daemon has logged `needle` so many times, and returns the log.
pub(crate) async fn wait_for_log(daemon: &Daemon, needle: &str, times: usize) -> String {
    let path = daemon.log_path();
    let read = || fs::read_to_string(&path).unwrap_or_default();
    let log = wait_until("a line in the log", PATIENCE, async || {
        Some(read()).filter(|log| log.matches(needle).count() >= times)
    });
    log.await.unwrap_or_else(|error| panic!("{error:#}: {needle:?} {times} times in\n{}", read()))
}

/// Waits until the server has proved that it took every notification.
pub(crate) async fn wait_until_proven(daemon: &Daemon) {
    let proven = wait_until("the proof of every delivery", PATIENCE, async || {
        (metric(daemon, "stanzabus_nodes_undelivered").await == 0).then_some(())
    });
    proven.await.unwrap_or_else(|error| panic!("{error:#}"));
}

/// The value of a metric.
pub(crate) async fn metric(daemon: &Daemon, name: &str) -> u64 {
    let body = http_get(daemon.http_port(), "/metrics").await.expect("the daemon lives").body;
    let value = body.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in\n{body}"))
}
