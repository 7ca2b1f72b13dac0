//! `compose.yaml`: that it is written as it should be, and that its services work together.

use std::fs;
use std::path::Path;

use bridge_grpc::v1;
use harness::{Compose, ComposeFile, http_get};

use crate::peers::{GrpcCaller, Notification, TO_US, XmppPeer, ping};

#[test]
fn compose_yaml_keeps_the_rules() {
    let file = ComposeFile::read().unwrap();
    for image in file.images.lines().filter_map(|line| line.trim().strip_prefix("FROM ")) {
        let image = image.split(' ').next().unwrap();
        let is_stage = file.images.contains(&format!(" AS {image}\n"));
        let version = image.split_once(':').map_or("", |(_, tag)| tag);
        let is_pinned = version.split('-').next().is_some_and(|number| number.split('.').count() >= 2);
        assert!(is_stage || is_pinned, "{image} is not pinned to a full version");
    }
    for (name, service) in &file.services {
        assert!(file.images.contains(&format!(" AS {}\n", service.build.target)), "{name}: no such stage");
        for (variable, value) in &service.environment {
            let is_secret = ["SECRET", "PASSWORD", "TOKEN"].iter().any(|word| variable.contains(word));
            assert!(!is_secret || value.starts_with("/run/secrets/"), "{name}: {variable} is written out");
            let has_password = value
                .split_once("://")
                .is_some_and(|(_, rest)| rest.split_once('@').is_some_and(|(user, _)| user.contains(':')));
            assert!(!has_password, "{name}: {variable} has a password in its URL");
        }
        for secret in &service.secrets {
            assert!(file.secrets[secret].file.starts_with(".secrets"), "{name}: {secret}");
        }
        for port in &service.ports {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port} is published beyond this machine");
        }
        for (needed, dependency) in &service.depends_on {
            assert_eq!(dependency.condition, "service_healthy", "{name} waits for {needed}");
        }
        for volume in &service.volumes {
            assert!(file.volumes.contains_key(volume.split_once(':').unwrap().0), "{name}: {volume}");
        }
        assert_eq!(service.restart, "unless-stopped", "{name}");
        assert_eq!(service.healthcheck.test[0], "CMD", "{name}: without a shell in between");
    }
    assert_eq!(file.start_order().last().map(String::as_str), Some("stanzabus"));
    let bus = &file.services["stanzabus"];
    let drain_ms: u128 = bus.environment["STANZABUS_LIMITS__DRAIN_MS"].parse().unwrap();
    assert!(bus.stop_grace().unwrap().as_millis() > drain_ms, "it is killed while it drains");
    let ignored = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.gitignore")).unwrap();
    assert!(ignored.lines().any(|line| line == "/.secrets"));
}

#[test]
fn an_unknown_key_is_refused() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../compose.yaml")).unwrap();
    let wrong = text.replace("    restart:", "    restarts:");
    assert_ne!(text, wrong);
    assert!(ComposeFile::parse(&wrong).is_err());
}

#[tokio::test]
async fn an_event_goes_through_the_stack_and_outlives_a_restart_of_it() {
    let mut compose = Compose::new().await.unwrap();
    compose.up().await.unwrap();
    let grpc = GrpcCaller::at(compose.port(50051), &compose.secret("grpc-token").unwrap());
    let open = v1::NodeConfig { access_model: v1::AccessModel::Open.into(), ..v1::NodeConfig::default() };
    grpc.create_node_with("orders", open).await.unwrap();

    let registered = compose.run_in("prosody", &["prosodyctl", "register", "alice", "localhost", "password"]);
    registered.await.unwrap();
    let mut alice = XmppPeer::user_at(compose.port(5222), "alice").await;
    alice.subscribe("orders", "alice@localhost").await;
    alice.send("<presence/>").await;
    grpc.publish("orders", "order-1", "<order xmlns='urn:x'/>").await.unwrap();
    let is_order = |stanza: &bus_xml::Element| {
        Notification::of(stanza).is_some_and(|notification| notification.item_id == "order-1")
    };
    alice.receive_until(|stanzas| stanzas.iter().any(is_order)).await;

    compose.stop("stanzabus").await.unwrap();
    compose.stop("postgres").await.unwrap();
    compose.up().await.unwrap();
    let items = grpc.items("orders").await.unwrap();
    assert_eq!(items.iter().map(|item| item.item_id.as_str()).collect::<Vec<_>>(), ["order-1"]);
    alice.ask(&ping(TO_US, "still-there"), TO_US).await;
    let metrics = http_get(compose.port(9464), "/metrics").await.unwrap().body;
    assert!(metrics.contains("\nstanzabus_link_up 1\n"), "{metrics}");
    compose.down().await.unwrap();
}
