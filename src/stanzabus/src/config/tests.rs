use std::fs;
use std::path::Path;

use super::*;

const MINIMAL: &str = "[xmpp]\ndomain = 'events.example.org'\nsecret = 's3cret'\n";

fn read_with(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let config = read(Path::new("stanzabus.toml"), text, variables)?;
    Ok(Loaded { config, folder: std::env::temp_dir() })
}

/// What `config check` says; nothing if all is well.
fn complaint(text: &str, variables: &[(&str, &str)]) -> String {
    let checked = read_with(text, variables).and_then(|loaded| loaded.check());
    checked.err().map(|error| error.to_string()).unwrap_or_default()
}

#[track_caller]
fn check(addition: &str, expected: &str) {
    let found = complaint(&format!("{MINIMAL}{addition}"), &[]);
    assert!(
        found.contains(expected) && found.is_empty() == expected.is_empty(),
        "{addition}\n says {found:?}"
    );
    assert!(!found.contains('\n'), "one line: {found:?}");
}

#[test]
fn a_domain_and_a_secret_are_enough() {
    check("", "");
    let loaded = read_with(MINIMAL, &[]).unwrap();
    assert_eq!(loaded.config.xmpp.host().unwrap().as_str(), "example.org");
    assert_eq!(loaded.config.grpc.listen().unwrap().to_string(), "127.0.0.1:50051");
    assert_eq!(loaded.config.http.listen().unwrap().to_string(), "127.0.0.1:9464");
    let StoreAddress::Sqlite(path) = loaded.config.store.address(&loaded.folder).unwrap() else {
        panic!("the embedded store is the default")
    };
    assert_eq!(path, std::env::temp_dir().join("stanzabus.db"));
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_one() {
    for (addition, expected) in [
        ("secert = 'x'", "stanzabus.toml: unknown key \"xmpp.secert\"; did you mean \"xmpp.secret\"?"),
        ("[gprc]", "unknown key \"gprc\"; did you mean \"grpc\"?"),
        (
            "[[grpc.tokens]]\nprincipl = 'x'",
            "\"grpc.tokens.principl\"; did you mean \"grpc.tokens.principal\"?",
        ),
        ("[limits]\npayload_bytes = 1", "did you mean \"limits.payload_bytes_max\"?"),
        ("[limits]\nqueued_comands_max = 1", "did you mean \"limits.queued_commands_max\"?"),
        ("[limits]\nlink_depht_max = 1", "did you mean \"limits.link_depth_max\"?"),
        ("[http]\nadmins = []", "unknown key \"http.admins\"; did you mean \"xmpp.admins\"?"),
        ("[quite_something_else]", "unknown key \"quite_something_else\"; remove it"),
    ] {
        check(addition, expected);
    }
}

#[test]
fn values_that_make_no_sense_are_named() {
    for (addition, expected) in [
        ("server = 'localhost'", "xmpp.server: `localhost` is not a server address"),
        ("server = 'xmpp.example.org:5347'", "(xmpp.plaintext_beyond_loopback = true)"),
        ("server = 'xmpp.example.org:5347'\nplaintext_beyond_loopback = true", ""),
        ("host = 'a@b'", "xmpp.host: \"a@b\" is not a domain"),
        ("admins = ['a b@example.org']", "xmpp.admins: "),
        ("admins = 'a@example.org'", "xmpp.admins"),
        ("secret_file = 'x'", "xmpp.secret: xmpp.secret_file is given as well"),
        ("[contacts]\nadmin = ['mailto:a@example.org', 'xmpp:a@example.org?message']", ""),
        ("[contacts]\nadmin = ['a@example.org']", "contacts.admin: \"a@example.org\" is no URI"),
        ("[contacts]\nstatus = ['https://a b']", "contacts.status: "),
        (
            "[contacts]\nsales = ['a:b', 'a:b', 'a:b', 'a:b', 'a:b', 'a:b', 'a:b', 'a:b', 'a:b']",
            "contacts.sales: has more than 8",
        ),
        ("[contacts]\nboss = ['a:b']", "unknown key \"contacts.boss\""),
        ("[access]\ncreate = ['@']", "access.create: \"@\" is not a domain"),
        ("[store]\nurl = 'mysql://localhost'", "store.url: \"mysql://localhost\" is not a store"),
        ("[store]\nurl = 'postgres://u:p@localhost/bus?sslmode=require'", ""),
        ("[store]\nurl = 'postgres:x'", "store.url: is no URL of a PostgreSQL database"),
        ("[store]\nurl = 'postgres://u@h:port/x'", "store.url: is no URL of a PostgreSQL database"),
        ("[store]\npassword_file = 'x'", "store.password_file: is for PostgreSQL"),
        (
            "[store]\nurl = 'postgres://u:p@localhost/bus'\npassword_file = 'x'",
            "store.password_file: store.url holds a password as well",
        ),
        (
            "[store]\nurl = 'postgres://u@localhost/bus'\npassword_file = 'no-such-file'",
            "store.password_file: cannot read",
        ),
        (
            "[limits]\nstore_lock_timeout_ms = 10000",
            "store_lock_timeout_ms must be below store_call_timeout_ms",
        ),
        ("[grpc]\nlisten = 'localhost:50051'", "grpc.listen: \"localhost:50051\" is not an address"),
        ("[grpc]\nlisten = '0.0.0.0:50051'", "grpc.listen: gRPC on 0.0.0.0:50051"),
        ("[grpc]\nlisten = '0.0.0.0:50051'\nallow_plaintext_beyond_loopback = true", ""),
        ("[http]\napi_listen = '127.0.0.1:8080'", ""),
        ("[http]\napi_listen = 'localhost:8080'", "http.api_listen: \"localhost:8080\" is not an address"),
        ("[http]\napi_listen = '0.0.0.0:8080'", "http.api_listen: HTTP on 0.0.0.0:8080"),
        ("[http]\napi_listen = '0.0.0.0:8080'\nallow_plaintext_beyond_loopback = true", ""),
        (
            "[http.tls]\ncertificate_file = 'no-such.pem'\nkey_file = 'no-such.key'",
            "http.tls.certificate_file: cannot read",
        ),
        ("[[grpc.tokens]]\nprincipal = 'a'\nsha256 = 'ab'", "grpc.tokens: "),
        ("[[grpc.tokens]]\nprincipal = 'a'", "missing field `sha256`"),
        ("[http]\nlisten = 9464", "stanzabus.toml: invalid type: integer"),
        ("[limits]\npayload_bytes_max = 0", "payload_bytes_max = 0 allows nothing"),
        ("[limits]\npayload_bytes_max = -1", "stanzabus.toml: "),
        ("[limits]\npayload_bytes_max = 491520", "32 KiB below link_outbound_stanza_bytes_max"),
        ("[limits]\nlink_idle_ping_ms = 60000", "link_idle_ping_ms must be below link_dead_after_ms"),
        ("[log]\nlevel = 'loud'", "log.level: \"loud\": \"loud\" is not a level"),
        ("[log]\nlevel = 'warn,bus_engine=debug'", ""),
        ("[log]\nformat = 'xml'", "unknown variant `xml`"),
        ("[log", "stanzabus.toml: line 4: "),
    ] {
        check(addition, expected);
    }
    assert!(
        complaint("[xmpp]\ndomain = 'a@b'\nsecret = 'x'", &[])
            .contains("xmpp.domain: \"a@b\" is not a domain")
    );
    assert!(complaint("[xmpp]\ndomain = 'local'\nsecret = 'x'", &[]).contains("xmpp.host: is needed"));
    assert!(complaint("", &[]).contains("missing field `xmpp`"));
}

#[test]
fn addresses_that_pushes_come_to_must_be_some() {
    for (addition, expected) in [
        (
            "[http]\napi_listen = '127.0.0.1:1'\npublic_url = 'bus.example.org'",
            "http.public_url: \"bus.example.org\"",
        ),
        ("[http]\npublic_url = 'https://bus.example.org'", "http.public_url: nothing is served there"),
        ("[push.service]\nname = 'a b@c'", "push.service.name: \"a b@c\""),
        ("[push.service]\ndomains = ['a@b']", "push.service.domains: \"a@b\" is not a domain"),
    ] {
        check(addition, expected);
    }
}

#[test]
fn accounts_of_pushes_that_make_no_sense_are_named() {
    for (addition, expected) in [
        ("[push]\nsenders = ['a b@example.org']", "push.senders: \"a b@example.org\" is no address"),
        ("[push]\nfeedback_node = ''", "push.feedback_node: "),
        ("[push]\nallow_addresses = ['here']", "push.allow_addresses: \"here\" is not a range"),
        ("[push]\nallow_addresses = ['127.0.0.1', '10.0.0.0/8']\nsenders = ['shop@events.example.org']", ""),
        (
            "[[push.fcm]]\nname = 'A'\naccount_file = 'x'",
            "push.fcm: name: \"A\" is not the name of an account",
        ),
        (
            "[[push.fcm]]\naccount_file = 'x'\n[[push.fcm]]\naccount_file = 'y'",
            "push.fcm: there are two accounts \"default\"; give each a name",
        ),
        ("[[push.webpush]]\nvapid_key_file = 'x'", "missing field `contact`"),
        ("[[push.apns]]\nkey = 'x'", "unknown key \"push.apns.key\"; did you mean \"push.apns.key_id\"?"),
    ] {
        check(addition, expected);
    }
}

#[test]
fn limits_reach_the_crates_that_keep_them() {
    let text = format!(
        "{MINIMAL}[limits]\npage_items_max = 7\nbatch_events_max = 8\nlink_depth_max = 9
         xmpp_requests_per_sender_max = 10\ngrpc_connections_max = 11\nnodes_per_jid_max = 12"
    );
    let limits = read_with(&text, &[]).unwrap().config.limits;
    let engine = limits.engine();
    assert_eq!((engine.limits.page_items_max, engine.engine.batch_events_max), (7, 8));
    assert_eq!(limits.link().depth_max, 9);
    assert_eq!(limits.requests().requests_per_sender_max, 10);
    assert_eq!(limits.grpc().connections_max, 11);
    assert_eq!(engine.quotas.nodes_per_jid_max, 12);
    assert_eq!(limits.link().stanza_bytes_max, xmpp_component::LinkLimits::default().stanza_bytes_max);
}

#[test]
fn the_environment_overrides_the_file() {
    let variables = [
        ("STANZABUS_XMPP__DOMAIN", "bus.example.net"),
        ("STANZABUS_XMPP__ADMINS", "a@example.net, b@example.net"),
        ("STANZABUS_XMPP__PLAINTEXT_BEYOND_LOOPBACK", "true"),
        ("STANZABUS_LIMITS__PAGE_ITEMS_MAX", "7"),
        ("STANZABUS_ACCESS__CREATE", "['example.net']"),
        ("STANZABUS_TEST_TIER", "not a key"),
        ("HOME", "neither"),
    ];
    let config = read_with(MINIMAL, &variables).unwrap().config;
    assert_eq!(config.xmpp.domain().unwrap().as_str(), "bus.example.net");
    assert_eq!(config.xmpp.admins().unwrap().len(), 2);
    assert_eq!(config.limits.engine().limits.page_items_max, 7);
    assert_eq!(config.access.creator_domains().unwrap()[0].as_str(), "example.net");
}

#[test]
fn a_secret_from_the_environment_replaces_a_secret_file() {
    let text = "[xmpp]\ndomain = 'events.example.org'\nsecret_file = 'nowhere'";
    let loaded = read_with(text, &[("STANZABUS_XMPP__SECRET", "from outside")]).unwrap();
    assert_eq!(loaded.config.xmpp.secret(&loaded.folder).unwrap(), "from outside");
}

#[test]
fn mistakes_in_the_environment_name_the_variable() {
    for (name, value, expected) in [
        (
            "STANZABUS_XMPP__SECERT",
            "x",
            "environment variable STANZABUS_XMPP__SECERT: unknown key \"xmpp.secert\"; did you mean \"xmpp.secret\"?",
        ),
        (
            "STANZABUS_LIMITS__PAGE_ITEMS_MAX",
            "many",
            "environment variable STANZABUS_LIMITS__PAGE_ITEMS_MAX: \"many\" is not a whole number",
        ),
        ("STANZABUS_XMPP__PLAINTEXT_BEYOND_LOOPBACK", "yes", "\"yes\" is neither true nor false"),
        ("STANZABUS_XMPP__ADMINS", "['a'", "not a TOML list"),
        ("STANZABUS_GRPC__TOKENS__PRINCIPAL", "x", "unknown key"),
    ] {
        let found = complaint(MINIMAL, &[(name, value)]);
        assert!(found.contains(expected), "{name} says {found:?}");
    }
}

#[test]
fn a_secret_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("the.secret");
    let text = format!("[xmpp]\ndomain = 'events.example.org'\nsecret_file = '{}'", secret.display());
    let missing = complaint(&text, &[]);
    assert!(
        missing.starts_with("xmpp.secret_file: cannot read ") && missing.contains("the.secret"),
        "{missing}"
    );
    fs::write(&secret, "\n").unwrap();
    assert!(complaint(&text, &[]).contains("xmpp.secret: is empty"));
    fs::write(&secret, " s3cret \nsecond line").unwrap();
    assert_eq!(complaint(&text, &[]), "");
    let loaded = read_with(&text, &[]).unwrap();
    assert_eq!(loaded.config.xmpp.secret(&loaded.folder).unwrap(), "s3cret");
}

#[test]
fn no_complaint_about_a_store_shows_its_password() {
    for url in ["postgres://u:hidden@h:port/x", "postgresql:u:hidden@h/x", "postgres://u:hidden@[h/x"] {
        let found = complaint(&format!("{MINIMAL}[store]\nurl = '{url}'"), &[]);
        assert!(found.starts_with("store.url: ") && !found.contains("hidden"), "{found}");
    }
}

#[test]
fn a_file_that_is_not_there_says_how_to_get_one() {
    let error = load(Path::new("no-such-folder/stanzabus.toml")).err().unwrap().to_string();
    assert!(error.contains("no-such-folder/stanzabus.toml") && error.contains("stanzabus init"), "{error}");
}

/// `STANZABUS_REGENERATE=1 cargo test -p stanzabus schema` writes it anew.
#[test]
fn the_committed_schema_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/config.schema.json");
    if std::env::var_os("STANZABUS_REGENERATE").is_some() {
        fs::write(&path, schema_text()).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(committed, schema_text(), "stale; regenerate with STANZABUS_REGENERATE=1 (see this test)");
}
