use std::fs;
use std::net::TcpListener;

use bus_store_sqlite::SqliteStore;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::bus::Bus;

/// `serve` ends at once with this status, and with one line that holds these words.
#[track_caller]
fn check_refusal(bus: &Bus, status: i32, expected: &str) {
    let said = bus.run(&["serve"]);
    assert_eq!(said.status, Some(status), "{said:?}");
    assert!(said.stderr.contains(expected), "{said:?}");
    assert_eq!(said.stderr.lines().count(), 1, "{said:?}");
}

#[test]
fn a_port_in_use_is_refused_with_its_key() {
    let bus = Bus::initialised();
    let http = TcpListener::bind(bus.http).unwrap();
    check_refusal(&bus, 1, "or change http.listen");
    drop(http);
    let _grpc = TcpListener::bind(bus.grpc).unwrap();
    check_refusal(&bus, 1, "or change grpc.listen");
}

#[test]
fn a_second_daemon_on_one_file_is_refused() {
    let first = Bus::initialised();
    let mut running = first.serve();
    let second = Bus::initialised();
    second.edit("sqlite:stanzabus.db", &format!("sqlite:{}", first.path("stanzabus.db").display()));
    check_refusal(&second, 1, "is in use by another process");
    assert!(running.is_alive());
}

#[test]
fn grpc_beyond_loopback_is_refused_unless_allowed() {
    let bus = Bus::initialised();
    let beyond = format!("0.0.0.0:{}", bus.grpc.port());
    bus.edit(&bus.grpc.to_string(), &beyond);
    check_refusal(&bus, 2, "allow_plaintext_beyond_loopback = true");
    bus.edit("# allow_plaintext_beyond_loopback = false", "allow_plaintext_beyond_loopback = true");
    assert_eq!(bus.serve().stop(), Some(0));
}

#[test]
fn a_secret_that_cannot_be_read_is_refused() {
    let bus = Bus::initialised();
    fs::remove_file(bus.path("stanzabus.secret")).unwrap();
    check_refusal(&bus, 2, "xmpp.secret_file: cannot read stanzabus.secret");
}

#[test]
fn a_store_that_cannot_be_written_is_refused() {
    let bus = Bus::initialised();
    bus.edit("sqlite:stanzabus.db", "sqlite:no-such-folder/stanzabus.db");
    check_refusal(&bus, 1, "no-such-folder/stanzabus.db");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let bus = Bus::initialised();
    let path = bus.path("stanzabus.db");
    drop(SqliteStore::open(&path).await.unwrap());
    let mut database = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'newer', TRUE, x'00', 0)";
    sqlx::query(newer).execute(&mut database).await.unwrap();
    drop(database);
    check_refusal(&bus, 1, "schema version 9999");
}

#[test]
fn without_an_xmpp_server_the_daemon_lives_and_serves_grpc() {
    let bus = Bus::initialised();
    let mut daemon = bus.serve();
    daemon.wait_for("no XMPP link");
    let (status, reasons) = bus.get("/readyz");
    assert_eq!((status, reasons.lines().count()), (503, 1), "{reasons}");
    assert!(reasons.starts_with("xmpp: the XMPP server cannot be reached"), "{reasons}");
    assert_eq!(bus.get("/livez"), (200, "ok\n".to_owned()));
    let (status, metrics) = bus.get("/metrics");
    assert_eq!(status, 200);
    assert!(metrics.contains("\nstanzabus_link_up 0\n"), "{metrics}");

    assert_eq!(bus.run(&["node", "create", "orders"]).status, Some(0));
    let published = bus.run(&["pub", "orders", "--id", "a", "--xml", "<order xmlns='urn:x'/>"]);
    assert!(published.stdout.contains("\"seq\":1,\"item_id\":\"a\""), "{published:?}");
    let read = bus.run(&["tail", "orders", "--earliest", "--count", "1"]);
    assert!(read.stdout.contains("\"payload\":\"<order xmlns='urn:x'/>\""), "{read:?}");
    assert!(bus.get("/metrics").1.contains("\nstanzabus_committed_events_total 1\n"));

    let event = r#"{"specversion":"1.0","id":"7","source":"/shop","type":"t","datacontenttype":"application/json","data":{"n":1.50}}"#;
    assert_eq!(bus.run(&["pub", "orders", "--cloud-event", event]).status, Some(0));
    let read = bus.run(&["tail", "orders", "--earliest", "--count", "2", "--cloud-events"]);
    assert!(read.stdout.contains(&format!("\"cloud_event\":{event}")), "{read:?}");
    assert!(read.stdout.contains("\"type\":\"stanzabus.item.published\""), "{read:?}");

    assert!(daemon.is_alive());
    assert_eq!(daemon.stop(), Some(0), "SIGTERM is a clean end");
}

#[test]
fn a_publish_may_be_repeated_and_may_expect_a_position() {
    let bus = Bus::initialised();
    let daemon = bus.serve();
    assert_eq!(bus.run(&["node", "create", "orders"]).status, Some(0));
    let publish =
        |more: &[&str]| bus.run(&[&["pub", "orders", "--xml", "<order xmlns='urn:x'/>"], more].concat());
    let first = publish(&["--request-id", "r1", "--expected-last-seq", "0"]);
    assert_eq!(first.status, Some(0), "{first:?}");
    let again = publish(&["--request-id", "r1", "--expected-last-seq", "0"]);
    assert_eq!(again.stdout, first.stdout.replace('}', ",\"duplicate\":true}"));
    let moved = publish(&["--expected-last-seq", "0"]);
    assert_eq!(moved.status, Some(1));
    assert!(moved.stderr.contains("its newest position is 1, of epoch "), "{moved:?}");
    let other = publish(&["--request-id", "r1"]);
    assert!(other.stderr.contains("used for another request"), "{other:?}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn an_operator_asks_the_daemon_what_it_is_and_drains_it() {
    let bus = Bus::initialised();
    let daemon = bus.serve();
    let info = bus.run(&["server", "info"]);
    for expected in [
        "\"domain\":\"events.example.org\"",
        "\"store\":\"sqlite\"",
        "\"is_draining\":false",
        "\"payload_bytes_max\":204800",
    ] {
        assert!(info.stdout.contains(expected), "{expected}: {info:?}");
    }
    assert_eq!(bus.run(&["node", "create", "orders"]).status, Some(0));
    let drained = bus.run(&["server", "drain"]);
    assert_eq!(
        (drained.status, drained.stdout.as_str()),
        (Some(0), "{\"pending_publishes\":0}\n"),
        "{drained:?}"
    );
    let refused = bus.run(&["pub", "orders", "--xml", "<order xmlns='urn:x'/>"]);
    assert!(refused.stderr.contains("(UNAVAILABLE)"), "{refused:?}");
    assert!(bus.run(&["server", "info"]).stdout.contains("\"is_draining\":true"));
    let (status, reasons) = bus.get("/readyz");
    assert_eq!(status, 503);
    assert!(reasons.contains("draining: an admin has sent the clients away"), "{reasons}");
    let mut advisories = bus.start(&["server", "advisories", "--recent"]);
    let line = advisories.next_line();
    assert!(line.contains("\"kind\":\"draining\",\"jid\":\"cli@events.example.org\""), "{line}");
    drop(advisories);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn doctor_knows_a_running_daemon() {
    let bus = Bus::initialised();
    let _daemon = bus.serve();
    let said = bus.run(&["doctor"]);
    for expected in ["is held by the running daemon", "the daemon listens on", "the daemon accepts it as cli"]
    {
        assert!(said.stdout.contains(expected), "{expected}: {said:?}");
    }
}

#[test]
fn a_node_is_configured_by_what_is_named() {
    let bus = Bus::initialised();
    let daemon = bus.serve();
    assert_eq!(bus.run(&["node", "create", "orders", "--notify-retract"]).status, Some(0));
    let change = ["--title", "Orders & more", "--items-max", "5", "--access-model", "authorize"];
    let configured =
        bus.run(&[&["node", "configure", "orders", "--notify-config", "true"], &change[..]].concat());
    let shown = bus.run(&["node", "show", "orders"]);
    for said in [configured, shown] {
        for expected in [
            "\"title\":\"Orders & more\"",
            "\"items_max\":5",
            "\"access_model\":\"authorize\"",
            "\"notify_config\":true",
            "\"notify_retract\":true",
        ] {
            assert!(said.stdout.contains(expected), "{expected}: {said:?}");
        }
    }
    let memory = bus.run(&["node", "configure", "orders", "--durability", "memory"]);
    assert_eq!(memory.status, Some(1));
    assert!(memory.stderr.contains("is on disk for good"), "{memory:?}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn what_is_of_xmpp_alone_is_set_and_taken_back() {
    let bus = Bus::initialised();
    let daemon = bus.serve();
    let groups = ["--roster-group", "Work", "--roster-group", "Friends"];
    let more = ["--presence-based-delivery", "--processing-hint", "no-store"];
    let created = bus.run(&[&["node", "create", "near"], &groups[..], &more[..]].concat());
    assert_eq!(created.status, Some(0), "{created:?}");
    let set = [
        "\"roster_groups\":[\"Work\",\"Friends\"]",
        "\"presence_based_delivery\":true",
        "\"processing_hint\":\"no-store\"",
    ];
    let shown = bus.run(&["node", "show", "near"]);
    assert!(set.iter().all(|it| shown.stdout.contains(it)), "{shown:?}");
    let no_group = ["node", "configure", "near", "--roster-group", ""];
    let more = ["--presence-based-delivery", "false", "--processing-hint", "none"];
    let configured = bus.run(&[&no_group[..], &more[..]].concat());
    assert_eq!(configured.status, Some(0), "{configured:?}");
    assert!(!set.iter().any(|it| configured.stdout.contains(it)), "{configured:?}");
    assert_eq!(daemon.stop(), Some(0));
}
