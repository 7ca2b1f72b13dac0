use std::time::Duration;

use harness::{RawStream, ScriptedServer, ServerKind, XmppServer};

const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_component_attaches_to_a_scripted_server_and_each_hears_the_other() {
    let server = ScriptedServer::start().await.unwrap();
    let port = server.port();
    let (component, accepted) =
        tokio::join!(RawStream::attach(port, "peer.localhost", "any"), server.accept_component());
    let (mut component, mut accepted) = (component.unwrap(), accepted.unwrap());
    component.send("<message id='up'/>").await.unwrap();
    accepted.read_until_contains(PATIENCE, "<message id='up'/>").await.unwrap();
    accepted.send("<message id='down'/>").await.unwrap();
    component.read_until_contains(PATIENCE, "<message id='down'/>").await.unwrap();
}

#[tokio::test]
async fn a_component_attaches_to_prosody_with_the_secret_of_the_last_start() {
    let mut prosody = XmppServer::new(ServerKind::Prosody)
        .expect("Prosody is installed")
        .component("peer.localhost", "old");
    prosody.start().await.unwrap();
    let port = prosody.component_port();
    RawStream::attach(port, "peer.localhost", "old").await.unwrap();
    prosody.stop().await.unwrap();
    let mut prosody = prosody.component("peer.localhost", "new");
    prosody.start().await.unwrap();
    let refused = RawStream::attach(port, "peer.localhost", "old").await.unwrap_err();
    assert!(format!("{refused:#}").contains("not-authorized"), "{refused:#}");
    RawStream::attach(port, "peer.localhost", "new").await.unwrap();
}
