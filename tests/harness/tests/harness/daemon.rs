use harness::{Daemon, ServerKind, XmppServer, http_get};

#[tokio::test]
async fn a_daemon_comes_back_on_its_folder_and_ports_after_kill_and_restart() {
    let mut prosody = XmppServer::new(ServerKind::Prosody).unwrap().component("events.localhost", "secret");
    prosody.start().await.unwrap();
    let server = format!("127.0.0.1:{}", prosody.component_port());
    let mut daemon = Daemon::init("events.localhost", &server, "secret").await.unwrap();

    daemon.start().unwrap();
    daemon.wait_ready().await.unwrap();
    daemon.cli(["node", "create", "orders"]).await.unwrap();
    let first = daemon.process_id();

    daemon.kill9().await.unwrap();
    assert!(http_get(daemon.http_port(), "/readyz").await.is_err(), "nobody listens any more");
    daemon.start().unwrap();
    daemon.wait_ready().await.unwrap();
    assert_ne!(daemon.process_id(), first);

    daemon.restart().await.unwrap();
    let listed = daemon.cli(["node", "list"]).await.unwrap();
    assert!(listed.contains("orders"), "{listed}");
    daemon.terminate().await.unwrap();
}

#[tokio::test]
async fn a_daemon_that_ends_by_itself_is_reported_with_its_log() {
    let mut daemon = Daemon::init("events.localhost", "127.0.0.1:1", "secret").await.unwrap();
    std::fs::write(daemon.config_path(), "nonsense").unwrap();
    daemon.start().unwrap();
    let error = format!("{:#}", daemon.wait_ready().await.unwrap_err());
    assert!(error.contains("ended by itself") && error.contains("daemon.log"), "{error}");
}
