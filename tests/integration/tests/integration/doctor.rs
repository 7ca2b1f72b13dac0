//! `stanzabus doctor` on a set-up that is right, and on each that is not.

use std::fs;
use std::process::Output;

use harness::{Daemon, ServerKind, XmppServer};

use crate::peers::{PASSWORD, SECRET, init, on_prosody, prosody};

async fn doctor(daemon: &Daemon, arguments: &[&str]) -> (bool, Vec<String>) {
    let arguments: Vec<String> = ["doctor"].iter().chain(arguments).map(ToString::to_string).collect();
    let Output { status, stdout, .. } = daemon.cli_output(&arguments).await.expect("it ends");
    let lines = String::from_utf8(stdout).expect("UTF-8").lines().map(str::to_owned).collect();
    (status.success(), lines)
}

/// The lines that fail.
fn failures(lines: &[String]) -> Vec<&str> {
    lines.iter().filter(|line| line.starts_with("FAIL")).map(String::as_str).collect()
}

#[tokio::test]
async fn a_user_is_walked_from_discovery_to_a_notification() {
    let (prosody, daemon) = on_prosody().await;
    let server = format!("127.0.0.1:{}", prosody.client_port());
    let password = daemon.folder().join("password");
    fs::write(&password, PASSWORD).unwrap();
    let password = password.to_str().unwrap();
    let user = ["--as", "alice@localhost", "--password-file", password, "--xmpp-server", &server];
    let (well, lines) = doctor(&daemon, &user).await;
    assert!(well, "{lines:#?}");
    for step in ["disco", "subscri", "publish", "notification"] {
        assert!(lines.iter().any(|line| line.starts_with("ok") && line.contains(step)), "{step}: {lines:#?}");
    }
}

#[tokio::test]
async fn without_a_daemon_it_tries_the_handshake_itself() {
    let mut prosody = prosody();
    prosody.start().await.unwrap();
    let daemon = init(prosody.component_port()).await;
    let (_, lines) = doctor(&daemon, &[]).await;
    assert!(!failures(&lines).iter().any(|line| line.contains("handshake")), "{lines:#?}");

    for (secret, expected) in [("wrong", "component_secret"), (SECRET, "")] {
        fs::write(daemon.folder().join("stanzabus.secret"), secret).unwrap();
        let (_, lines) = doctor(&daemon, &[]).await;
        let refused: Vec<_> =
            failures(&lines).into_iter().filter(|line| line.contains("handshake")).collect();
        assert_eq!(refused.is_empty(), expected.is_empty(), "{lines:#?}");
        assert!(refused.iter().all(|line| line.contains(expected)), "{refused:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_named_with_what_to_do() {
    let server = XmppServer::new(ServerKind::Prosody).expect("Prosody is installed");
    let mut server = server.component("other.localhost", SECRET);
    server.start().await.unwrap();
    let unknown = init(server.component_port()).await;
    let (well, lines) = doctor(&unknown, &[]).await;
    assert!(!well);
    let named = |what: &str| failures(&lines).iter().any(|line| line.contains(what));
    assert!(named("add the component's domain"), "{lines:#?}");

    let nobody = init(harness::free_port()).await;
    fs::remove_file(nobody.folder().join("stanzabus.token")).unwrap();
    fs::remove_file(nobody.folder().join("stanzabus.secret")).unwrap();
    let (well, lines) = doctor(&nobody, &[]).await;
    assert!(!well);
    for what in ["stanzabus.secret", "stanzabus.token", "listens for components"] {
        assert!(failures(&lines).iter().any(|line| line.contains(what)), "{what}: {lines:#?}");
    }
}
