//! `stanzabus sub` and `stanzabus dead-letter`.

use serde_json::{Value, json};

use crate::bus::Bus;

fn lines(bus: &Bus, arguments: &[&str]) -> Vec<Value> {
    let said = bus.run(arguments);
    assert_eq!(said.status, Some(0), "{arguments:?}: {said:?}");
    said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_subscription_is_made_shown_moved_paused_and_deleted() {
    let bus = Bus::initialised();
    let _daemon = bus.serve();
    for node in ["orders.eu", "dead"] {
        lines(&bus, &["node", "create", node]);
    }
    lines(&bus, &["pub", "orders.eu", "--xml", "<a xmlns='urn:example'/>"]);
    let create = [
        "sub",
        "create",
        "billing",
        "orders.>",
        "--queue",
        "--key-ordered",
        "--earliest",
        "--lease-seconds",
        "60",
    ];
    let dead_letters = ["--dead-letter-node", "dead", "--retry-seconds", "1,2"];
    let created = lines(&bus, &[&create[..], &dead_letters[..]].concat());
    let expected = json!({
        "subscription": "billing", "owner": "cli@events.example.org", "nodes": ["orders.>"], "mode": "queue",
        "paused": false, "created_at": created[0]["created_at"], "lease_seconds": 60, "retry_seconds": [1, 2],
        "attempts_max": 5, "dead_letter_node": "dead", "key_ordered": true,
    });
    assert_eq!(created[0], expected);
    let filter = ["--filter", "type^=com.example.", "--filter", "bus.publisher!=x@example.org"];
    let filtered = lines(&bus, &[&["sub", "create", "audit", "orders.eu"], &filter[..]].concat());
    let not = json!({ "not": { "exact": { "bus.publisher": "x@example.org" } } });
    assert_eq!(filtered[0]["filter"], json!({ "all": [{ "prefix": { "type": "com.example." } }, not] }));
    let refused = bus.run(&["sub", "create", "x", "orders.eu", "--filter", "type"]);
    assert!(refused.status == Some(2) && refused.stderr.contains("must be ATTRIBUTE=VALUE"), "{refused:?}");
    let names: Vec<_> = lines(&bus, &["sub", "list"]).iter().map(|it| it["subscription"].clone()).collect();
    assert_eq!(names, ["audit", "billing"]);
    assert_eq!(lines(&bus, &["sub", "show", "billing"]), [expected]);

    let backlog = |subscription| {
        let mut line = lines(&bus, &["sub", "backlog", subscription]).remove(0);
        line.as_object_mut().unwrap().remove("epoch");
        line
    };
    let of = |through_seq| json!({ "node": "orders.eu", "head_seq": 1, "through_seq": through_seq, "leased": 0, "waiting": 0 });
    assert_eq!((backlog("billing"), backlog("audit")), (of(0), of(1)));
    lines(&bus, &["sub", "seek", "audit", "--node", "orders.eu", "--after-seq", "0"]);
    lines(&bus, &["sub", "seek", "billing", "--time", "2100-01-01T00:00:00Z"]);
    assert_eq!((backlog("billing"), backlog("audit")), (of(1), of(0)));

    lines(&bus, &["sub", "pause", "billing"]);
    assert_eq!(lines(&bus, &["sub", "show", "billing"])[0]["paused"], json!(true));
    lines(&bus, &["sub", "resume", "billing"]);
    assert!(lines(&bus, &["dead-letter", "list", "billing"]).is_empty());
    assert_eq!(lines(&bus, &["dead-letter", "redrive", "billing"]), [json!({ "redriven": 0 })]);
    let refused = bus.run(&["dead-letter", "list", "audit"]);
    assert!(refused.stderr.contains("it has no dead-letter node"), "{refused:?}");
    lines(&bus, &["sub", "delete", "audit"]);
    let gone = bus.run(&["sub", "show", "audit"]);
    assert_eq!(gone.status, Some(1));
    assert!(gone.stderr.contains("there is no such subscription (NOT_FOUND)"), "{gone:?}");
}
