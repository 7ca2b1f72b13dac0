//! `stanzabus token`, and a daemon that notices.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::bus::{Bus, Said};
use crate::site::Site;

const READ_ANEW: &str = "tokens and certificates are read anew";

/// A daemon without tokens of its configuration but that of the command line.
fn create(bus: &Bus, arguments: &[&str]) -> String {
    let said = bus.run(&[&["token", "create"], arguments].concat());
    assert_eq!(said.status, Some(0), "{said:?}");
    let token = said.stdout.trim().to_owned();
    assert_eq!(token.len(), 64, "{said:?}");
    token
}

fn list(bus: &Bus) -> Vec<Value> {
    let said = bus.run(&["token", "list"]);
    assert_eq!(said.status, Some(0), "{said:?}");
    said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Asks the daemon for something with a token.
fn call(bus: &Bus, token: &str) -> Said {
    bus.write("stanzabus.token", token);
    bus.run(&["node", "list"])
}

#[test]
fn a_token_counts_from_when_it_is_made_until_it_is_revoked() {
    let bus = Bus::initialised();
    let mut daemon = bus.serve();
    let token = create(&bus, &["shop"]);
    daemon.wait_for_another(READ_ANEW);
    assert_eq!(call(&bus, &token).status, Some(0));
    // Whoever runs the daemon may be somebody else.
    let mode = std::fs::metadata(bus.path("stanzabus.tokens")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);

    let listed = list(&bus);
    assert_eq!(listed.len(), 2, "with that of the command line: {listed:?}");
    assert_eq!((&listed[0]["principal"], &listed[0]["listed_in"]), (&"cli".into(), &"configuration".into()));
    let (shop, id) = (&listed[1], listed[1]["id"].as_str().unwrap());
    assert_eq!((&shop["principal"], &shop["listed_in"]), (&"shop".into(), &"file".into()));
    assert!(!format!("{listed:?}").contains(&token), "the token itself is not kept");
    assert_eq!(bus.run(&["token", "revoke", id]).status, Some(0));
    daemon.wait_for_another(READ_ANEW);
    let refused = call(&bus, &token);
    assert_eq!(refused.status, Some(1));
    assert!(refused.stderr.contains("the daemon does not accept the token"), "{refused:?}");
    assert_eq!(list(&bus).len(), 1);
}

#[test]
fn a_token_that_an_issuer_has_signed_counts_as_long_as_its_key_does() {
    let bus = Bus::initialised();
    let keys = include_str!("../../../bus-admission/src/jwt/fixtures/rsa.jwks.json");
    let token = include_str!("../../../bus-admission/src/jwt/fixtures/rs256.jwt");
    let issuer = "[[grpc.jwt]]\nissuer = \"https://login.example.org\"\naudience = \"stanzabus\"\njwks_file = \"login.json\"";
    bus.edit("# [[grpc.certificates]]", &format!("{issuer}\n# [[grpc.certificates]]"));
    let unreadable = bus.run(&["config", "check"]);
    assert!(unreadable.stderr.contains("grpc.jwt: cannot read jwks_file"), "{unreadable:?}");
    bus.write("login.json", "{\"keys\":[]}");
    let without_keys = bus.run(&["config", "check"]);
    assert!(without_keys.stderr.contains("has no public key for signatures"), "{without_keys:?}");
    bus.write("login.json", keys);
    assert_eq!(bus.run(&["config", "check"]).status, Some(0));

    let mut daemon = bus.serve();
    assert_eq!(call(&bus, token).status, Some(0));
    bus.write("login.json", &keys.replace("\"rsa\"", "\"another\""));
    daemon.wait_for_another(READ_ANEW);
    let refused = call(&bus, token);
    assert!(refused.stderr.contains("no key of its kid and algorithm"), "{refused:?}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn the_keys_of_an_issuer_are_brought_from_where_it_publishes_them() {
    let keys = include_str!("../../../bus-admission/src/jwt/fixtures/rsa.jwks.json");
    let token = include_str!("../../../bus-admission/src/jwt/fixtures/rs256.jwt");
    let bus = Bus::initialised();
    let site = Site::start(&bus, &keys.replace("\"rsa\"", "\"older\""));
    let issuer = format!(
        "[[grpc.jwt]]\nissuer = \"https://login.example.org\"\naudience = \"stanzabus\"\njwks_file = \"login.json\"\n\
         jwks_url = \"{}\"",
        site.url
    );
    bus.edit("# [[grpc.certificates]]", &format!("{issuer}\n# [[grpc.certificates]]"));
    let guarded = bus.run(&["config", "check"]);
    assert!(guarded.status == Some(2) && guarded.stderr.contains("grpc.jwt: jwks_url"), "{guarded:?}");
    let outbound = "[outbound]\nallow_addresses = [\"127.0.0.1\"]\nauthorities_file = \"site.pem\"\n";
    bus.edit("[limits]", &format!("{outbound}[limits]"));
    assert_eq!(bus.run(&["config", "check"]).status, Some(0), "before there is a file");

    let mut daemon = bus.serve();
    daemon.wait_for("an issuer has other keys");
    daemon.wait_for_another(READ_ANEW);
    site.publish(keys);
    // The token of a key that is not here has it looked for where it is published.
    let refused = call(&bus, token);
    assert!(refused.stderr.contains("no key of its kid and algorithm"), "{refused:?}");
    daemon.wait_for_another("an issuer has other keys");
    daemon.wait_for_another(READ_ANEW);
    assert_eq!(call(&bus, token).status, Some(0));
    assert_eq!(daemon.stop(), Some(0));

    drop(site);
    let mut daemon = bus.serve();
    daemon.wait_for("the keys of an issuer stay as they were");
    assert_eq!(call(&bus, token).status, Some(0), "by the file");
    assert_eq!(daemon.stop(), Some(0));
    // A file that was damaged is to be brought anew, and keeps the daemon from nothing else.
    bus.write("login.json", "");
    let _daemon = bus.serve();
    let refused = call(&bus, token);
    assert!(refused.stderr.contains("no key of its kid and algorithm"), "{refused:?}");
}

#[test]
fn a_token_is_revoked_though_the_keys_of_an_issuer_cannot_be_read() {
    let bus = Bus::initialised();
    let issuer = "[[grpc.jwt]]\nissuer = \"https://login.example.org\"\naudience = \"stanzabus\"\njwks_file = \"login.json\"";
    bus.edit("# [[grpc.certificates]]", &format!("{issuer}\n# [[grpc.certificates]]"));
    bus.write("login.json", include_str!("../../../bus-admission/src/jwt/fixtures/rsa.jwks.json"));
    let mut daemon = bus.serve();
    let token = create(&bus, &["shop"]);
    daemon.wait_for_another(READ_ANEW);
    bus.write("login.json", "<html>");
    daemon.wait_for_another("stay as they were");
    let id = list(&bus)[1]["id"].as_str().unwrap().to_owned();
    assert_eq!(bus.run(&["token", "revoke", &id]).status, Some(0));
    daemon.wait_for_another("stay as they were");
    assert_eq!(call(&bus, &token).status, Some(1));
    let signed = include_str!("../../../bus-admission/src/jwt/fixtures/rs256.jwt");
    assert_eq!(call(&bus, signed).status, Some(0), "by the keys that were there");
}

#[test]
fn a_configuration_that_is_read_anew_at_sighup_counts() {
    let bus = Bus::initialised();
    let mut daemon = bus.serve();
    assert_eq!(bus.run(&["node", "list"]).status, Some(0));
    bus.edit("principal = \"cli\"", "principal = \"cli\"\nexpires = \"2020-01-01T00:00:00Z\"");
    daemon.signal("HUP");
    daemon.wait_for_another(READ_ANEW);
    let refused = bus.run(&["node", "list"]);
    assert!(refused.stderr.contains("the token has expired"), "{refused:?}");

    bus.edit("2020-01-01", "2020");
    daemon.signal("HUP");
    daemon.wait_for_another("stay as they were");
    assert!(daemon.is_alive());
}

#[test]
fn a_token_may_end_by_itself() {
    let bus = Bus::initialised();
    create(&bus, &["shop", "--expires-days", "30"]);
    let listed = list(&bus);
    assert_eq!(listed[1]["is_expired"], false);
    assert!(listed[1]["expires"].as_str().unwrap() > listed[1]["created"].as_str().unwrap());
    for days in ["0", "36501", "x"] {
        assert_eq!(bus.run(&["token", "create", "shop", "--expires-days", days]).status, Some(2), "{days}");
    }
}

#[test]
fn what_cannot_be_done_is_said_with_what_can() {
    let bus = Bus::initialised();
    let refused = |arguments: &[&str], words: &str| {
        let said = bus.run(&[&["token"], arguments].concat());
        assert!(said.status == Some(2) && said.stderr.contains(words), "{arguments:?}: {said:?}");
    };
    refused(&["create", "a b"], "use letters, digits");
    refused(&["revoke", "0123456789ab"], "`stanzabus token list` shows them");
    refused(&["revoke", ""], "`stanzabus token list` shows them");
    let of_configuration = list(&bus)[0]["id"].as_str().unwrap().to_owned();
    refused(&["revoke", &of_configuration], "remove it from [[grpc.tokens]]");
    bus.write("stanzabus.tokens", "[[tokens]]\nprincipal = 7\n");
    refused(&["create", "shop"], "stanzabus.tokens: line 2");
}

#[test]
fn tokens_made_at_the_same_time_are_all_kept() {
    const TOKENS: usize = 8;
    let bus = Bus::initialised();
    std::thread::scope(|scope| {
        for _ in 0..TOKENS {
            scope.spawn(|| create(&bus, &["shop"]));
        }
    });
    assert_eq!(list(&bus).len(), 1 + TOKENS);
}
