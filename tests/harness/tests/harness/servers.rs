use std::time::Duration;

use harness::{RawStream, ServerKind, XmppServer};

const PATIENCE: Duration = Duration::from_mins(1);

/// Each server in one test after the other: what they share is the harness's promise.
const KINDS: [ServerKind; 3] = [ServerKind::Prosody, ServerKind::Ejabberd, ServerKind::Jabberd2];

fn server(kind: ServerKind) -> XmppServer {
    let server = XmppServer::new(kind).expect("it is installed").component("events.localhost", "secret");
    server.user("alice", "wonderland").user("bob", "builder")
}

#[tokio::test]
async fn a_message_goes_from_user_to_user() {
    for kind in KINDS {
        let mut server = server(kind);
        server.start().await.unwrap();
        let port = server.client_port();
        let mut alice = RawStream::login(port, XmppServer::HOST, "alice", "wonderland", "a").await.unwrap();
        let mut bob = RawStream::login(port, XmppServer::HOST, "bob", "builder", "b").await.unwrap();
        alice.send("<message to='bob@localhost/b'><body>hi bob</body></message>").await.unwrap();
        let heard = bob.read_until_contains(PATIENCE, "hi bob").await.unwrap();
        assert!(heard.contains("alice@localhost/a"), "{kind:?}: {heard}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    for kind in KINDS {
        let mut server = server(kind);
        server.start().await.unwrap();
        let refused = RawStream::login(server.client_port(), XmppServer::HOST, "alice", "wrong", "a").await;
        let error = format!("{:#}", refused.unwrap_err());
        assert!(error.contains("</failure>"), "{kind:?}: {error}");
    }
}

#[tokio::test]
async fn a_component_without_the_secret_is_refused() {
    for kind in KINDS {
        let mut server = server(kind);
        server.start().await.unwrap();
        let refused = RawStream::attach(server.component_port(), "events.localhost", "wrong").await;
        let error = format!("{:#}", refused.unwrap_err());
        assert!(error.contains("not-authorized"), "{kind:?}: {error}");
    }
}

#[tokio::test]
async fn accounts_and_ports_outlive_a_stop_and_a_kill() {
    for kind in KINDS {
        let mut server = server(kind);
        let ports = (server.client_port(), server.component_port());
        server.start().await.unwrap();
        server.stop().await.unwrap();
        assert!(RawStream::connect(ports.0).await.is_err(), "{kind:?}: nobody listens after the stop");
        server.start().await.unwrap();
        server.kill9().await.unwrap();
        server.start().await.unwrap();
        assert_eq!(ports, (server.client_port(), server.component_port()));
        RawStream::login(ports.0, XmppServer::HOST, "alice", "wonderland", "a").await.unwrap();
    }
}

#[tokio::test]
async fn a_suspended_server_answers_when_it_is_resumed() {
    for kind in KINDS {
        let mut server = server(kind);
        server.start().await.unwrap();
        let port = server.client_port();
        let mut alice = RawStream::login(port, XmppServer::HOST, "alice", "wonderland", "a").await.unwrap();
        server.suspend().await.unwrap();
        alice.send("<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>").await.unwrap();
        let silence = alice.read_until_contains(Duration::from_millis(300), "</iq>").await;
        assert!(silence.is_err(), "{kind:?}: {silence:?}");
        server.resume().await.unwrap();
        alice.read_until_contains(PATIENCE, "id='p'").await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_does_not_start_is_reported_with_its_log() {
    let mut prosody = server(ServerKind::Prosody).global_options("this is no Lua");
    let error = format!("{:#}", prosody.start().await.unwrap_err());
    assert!(error.contains("ended by itself") && error.contains("prosody.cfg.lua"), "{error}");
    let mut ejabberd = server(ServerKind::Ejabberd).global_options("no_such_option: 1");
    let error = format!("{:#}", ejabberd.start().await.unwrap_err());
    assert!(error.contains("ended by itself") && error.contains("no_such_option"), "{error}");
}

#[tokio::test]
async fn options_of_a_test_win_over_the_harness() {
    let mut prosody = server(ServerKind::Prosody).global_options("allow_unencrypted_plain_auth = false");
    prosody.start().await.unwrap();
    let login = RawStream::login(prosody.client_port(), XmppServer::HOST, "alice", "wonderland", "a");
    assert!(login.await.is_err(), "PLAIN is not offered any more");
}
