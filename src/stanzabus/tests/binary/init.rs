use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::bus::Bus;

#[test]
fn what_init_writes_passes_the_check() {
    let bus = Bus::initialised();
    let said = bus.run(&["config", "check"]);
    assert_eq!((said.status, said.stdout.as_str()), (Some(0), "stanzabus.toml: ok\n"), "{said:?}");
}

#[test]
fn secrets_are_for_their_owner_only() {
    let bus = Bus::initialised();
    for name in ["stanzabus.secret", "stanzabus.token"] {
        let mode = fs::metadata(bus.path(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
        assert_eq!(fs::read_to_string(bus.path(name)).unwrap().trim().len(), 64, "256 bits");
    }
    let config = fs::read_to_string(bus.path("stanzabus.toml")).unwrap();
    for name in ["stanzabus.secret", "stanzabus.token"] {
        let word = fs::read_to_string(bus.path(name)).unwrap();
        assert!(!config.contains(word.trim()), "the configuration holds neither");
    }
}

#[test]
fn a_configuration_with_a_password_is_for_its_owner_only() {
    let bus = Bus::empty();
    let store = ["--store", "postgres://bus:pass@localhost/bus"];
    assert_eq!(bus.init(&store).status, Some(0));
    let mode = fs::metadata(bus.path("stanzabus.toml")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    assert_eq!(bus.run(&["config", "check"]).status, Some(0));
}

#[test]
fn init_prints_what_the_servers_need() {
    let bus = Bus::empty();
    let said = bus.init(&[]);
    let secret = fs::read_to_string(bus.path("stanzabus.secret")).unwrap();
    let secret = secret.trim();
    for expected in [
        "Component \"events.example.org\"",
        &format!("component_secret = \"{secret}\""),
        "module: ejabberd_service",
        "global_routes: false",
        &format!("password: \"{secret}\""),
    ] {
        assert!(said.stdout.contains(expected), "{expected} is missing in {}", said.stdout);
    }
    assert!(!said.stdout.contains('@'), "everything is filled in: {}", said.stdout);
}

#[test]
fn init_replaces_nothing_unless_forced() {
    let bus = Bus::initialised();
    let names = ["stanzabus.toml", "stanzabus.secret", "stanzabus.token"];
    let read = || names.map(|name| fs::read_to_string(bus.path(name)).unwrap());
    let before = read();
    let said = bus.init(&[]);
    assert_eq!(said.status, Some(2));
    assert!(said.stderr.contains("is there already") && said.stderr.contains("--force"), "{said:?}");
    assert_eq!(read(), before);

    assert_eq!(bus.init(&["--force"]).status, Some(0));
    assert_ne!(read(), before);
    assert_eq!(bus.run(&["config", "check"]).status, Some(0));
    let mode = fs::metadata(bus.path("stanzabus.secret")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

#[test]
fn init_refuses_what_serve_would_refuse() {
    for (arguments, expected) in [
        (["--domain", "example"], "for example events.example"),
        (["--domain", "a@b.example"], "is not a domain"),
        (["--server", "xmpp.example.org:5347"], "--server: "),
        (["--server", "localhost"], "write `host:port`"),
        (["--grpc-listen", "0.0.0.0:50051"], "--grpc-listen: "),
        (["--store", "mysql://x"], "is not a store"),
    ] {
        let bus = Bus::empty();
        let domain = ["--domain", "events.example.org"];
        let domain = if arguments[0] == "--domain" { &[][..] } else { &domain[..] };
        let said = bus.run(&[&["init"], domain, &arguments].concat());
        assert_eq!(said.status, Some(2), "{arguments:?}: {said:?}");
        assert!(said.stderr.contains(expected), "{arguments:?}: {said:?}");
        assert!(!bus.path("stanzabus.secret").exists(), "{arguments:?}: nothing is written");
    }
}
