use std::time::Duration;

use harness::{Prosody, RawStream};

const PATIENCE: Duration = Duration::from_secs(10);

fn prosody() -> Prosody {
    let prosody = Prosody::new().expect("Prosody is installed").component("events.localhost", "secret");
    prosody.user("alice", "wonderland").user("bob", "builder")
}

#[tokio::test]
async fn a_message_goes_from_user_to_user() {
    let mut prosody = prosody();
    prosody.start().await.unwrap();
    let port = prosody.client_port();
    let mut alice = RawStream::login(port, Prosody::HOST, "alice", "wonderland", "a").await.unwrap();
    let mut bob = RawStream::login(port, Prosody::HOST, "bob", "builder", "b").await.unwrap();
    alice.send("<message to='bob@localhost/b'><body>hi bob</body></message>").await.unwrap();
    let heard = bob.read_until_contains(PATIENCE, "hi bob").await.unwrap();
    assert!(heard.contains("alice@localhost/a"), "{heard}");
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let mut prosody = prosody();
    prosody.start().await.unwrap();
    let refused = RawStream::login(prosody.client_port(), Prosody::HOST, "alice", "wrong", "a").await;
    let error = format!("{:#}", refused.unwrap_err());
    assert!(error.contains("not-authorized"), "{error}");
}

#[tokio::test]
async fn a_component_without_the_secret_is_refused() {
    let mut prosody = prosody();
    prosody.start().await.unwrap();
    let mut stream = RawStream::connect(prosody.component_port()).await.unwrap();
    let namespaces = "xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'";
    stream.send(format!("<stream:stream to='events.localhost' {namespaces}>")).await.unwrap();
    stream.read_until_contains(PATIENCE, "id=").await.unwrap();
    stream.send("<handshake>0000</handshake>").await.unwrap();
    let refusal = stream.read_to_close(PATIENCE).await.unwrap();
    assert!(refusal.contains("not-authorized"), "{refusal}");
}

#[tokio::test]
async fn accounts_and_ports_outlive_a_stop_and_a_kill() {
    let mut prosody = prosody();
    let ports = (prosody.client_port(), prosody.component_port());
    prosody.start().await.unwrap();
    prosody.stop().await.unwrap();
    assert!(RawStream::connect(ports.0).await.is_err(), "nobody listens after the stop");
    prosody.start().await.unwrap();
    prosody.kill9().await.unwrap();
    prosody.start().await.unwrap();
    assert_eq!(ports, (prosody.client_port(), prosody.component_port()));
    RawStream::login(ports.0, Prosody::HOST, "alice", "wonderland", "a").await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_start_is_reported_with_its_log() {
    let mut prosody = prosody().global_options("this is no Lua");
    let error = format!("{:#}", prosody.start().await.unwrap_err());
    assert!(error.contains("ended by itself") && error.contains("prosody.cfg.lua"), "{error}");
}

#[tokio::test]
async fn options_of_a_test_win_over_the_harness() {
    let mut prosody = prosody().global_options("allow_unencrypted_plain_auth = false");
    prosody.start().await.unwrap();
    let refused = RawStream::login(prosody.client_port(), Prosody::HOST, "alice", "wonderland", "a").await;
    assert!(refused.is_err(), "PLAIN is not offered any more");
}
