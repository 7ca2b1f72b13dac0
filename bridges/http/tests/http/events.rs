use std::time::Duration;

use bridge_http::HttpSettings;
use bus_admission::Departure;
use bus_domain::{AccessModel, Affiliation, Durability, NodeConfig, RedirectUri, publish, retract};
use bus_engine::{EncodedEvents, EngineLimits, Settings, Verb, payload_from_text};
use serde_json::json;

use crate::rig::{BOB, DOMAIN, Rig, expect_problem, order, publish_request, request, soon, stream};

#[tokio::test]
async fn a_stream_starts_where_it_says_and_goes_on_live() {
    let rig = Rig::start().await;
    let epoch = rig.create("orders").await;
    for id in ["a", "b"] {
        rig.publish("orders", &order(id)).await;
    }
    let at = |seq: u64| Some(format!("{epoch}-{seq}"));
    let mut earliest = rig.open(stream("orders", "?start=earliest")).await;
    let mut latest = rig.open(stream("orders", "")).await;
    let mut behind = rig.open(stream("orders", &format!("?after={epoch}-1"))).await;
    let resumed = stream("orders", "?start=earliest").header("Last-Event-ID", format!("{epoch}-1"));
    let mut resumed = rig.open(resumed).await;
    let opened = json!({ "epoch": epoch, "head_seq": 2 });
    assert_eq!(earliest.expect(None, Some("opened")).await, opened);
    assert_eq!(latest.expect(at(2), Some("opened")).await, opened);
    assert_eq!(behind.expect(at(1), Some("opened")).await, opened);
    assert_eq!(resumed.expect(at(1), Some("opened")).await, opened, "the header goes before the query");
    rig.publish("orders", &order("c")).await;
    for (events, first) in [(&mut earliest, 1), (&mut behind, 2), (&mut resumed, 2), (&mut latest, 3)] {
        for seq in first..=3 {
            let id = ["a", "b", "c"][usize::try_from(seq - 1).unwrap()];
            assert_eq!(events.expect(at(seq), None).await, order(id));
        }
    }
}

#[tokio::test]
async fn many_readers_get_what_is_made_once() {
    const READERS: usize = 100;
    const EVENTS: u64 = 20;
    let encoded = EncodedEvents::new(1_000_000);
    let http = HttpSettings { encoded: encoded.clone(), ..HttpSettings::default() };
    let rig = Rig::start_as(Settings::default(), http).await;
    rig.create("orders").await;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let mut events = rig.open(stream("orders", "")).await;
        events.next().await;
        readers.push(events);
    }
    for number in 0..EVENTS {
        rig.publish("orders", &order(&number.to_string())).await;
    }
    for events in &mut readers {
        for number in 0..EVENTS {
            let event: serde_json::Value = serde_json::from_str(&events.next().await.data).unwrap();
            assert_eq!(event["id"], number.to_string());
        }
    }
    assert_eq!(encoded.encodings(), EVENTS, "one encoding for each event");
}

#[tokio::test]
async fn what_is_no_cloud_event_comes_as_one_of_the_node() {
    let rig = Rig::start().await;
    let epoch = rig.create("news").await;
    let id = bus_domain::ItemId::new("i").unwrap();
    let payload = payload_from_text("<a xmlns='urn:a'>\r\nb</a>", &rig.engine.settings().limits).unwrap();
    let items = vec![publish::NewItem { id: Some(id.clone()), payload: Some(payload) }];
    rig.execute("news", Verb::Publish(publish::Request { items, ..Default::default() })).await;
    let retracted = retract::Request { item_ids: vec![id], notify: None };
    rig.execute("news", Verb::Retract(retracted)).await;
    rig.execute("news", Verb::Purge).await;
    let moved = RedirectUri::new("urn:new").unwrap();
    let mut events = rig.open(stream("news", "?start=earliest")).await;
    rig.execute("news", Verb::Delete(Some(moved))).await;
    events.expect(None, Some("opened")).await;
    let published = events.expect(Some(format!("{epoch}-1")), None).await;
    assert_eq!(published["id"], format!("{epoch}-1"));
    assert_eq!(published["source"], format!("xmpp:{DOMAIN}?;node=news"));
    assert_eq!(published["data"], "<a xmlns='urn:a'>\nb</a>");
    for (seq, name, event_type) in [
        (2, "retracted", "stanzabus.item.retracted"),
        (3, "purged", "stanzabus.node.purged"),
        (4, "deleted", "stanzabus.node.deleted"),
    ] {
        let event = events.expect(Some(format!("{epoch}-{seq}")), Some(name)).await;
        assert_eq!(event["type"], event_type);
    }
    events.expect_end().await;
    expect_problem(&rig.refused_stream(stream("news", "")).await, 410, "NODE_MOVED", None);
}

#[tokio::test]
async fn a_gap_is_an_event_with_the_position_before_the_next() {
    let engine = EngineLimits { recent_bytes_max: 4_000, ..EngineLimits::default() };
    let settings = Settings { engine, ..Settings::default() };
    let rig = Rig::start_as(settings, HttpSettings::default()).await;
    let memory = NodeConfig { durability: Durability::Memory, ..NodeConfig::default() }.settled();
    let epoch = rig.create_with("moves", memory).await;
    for id in 0..30 {
        rig.publish("moves", &order(&id.to_string())).await;
    }
    let mut events = rig.open(stream("moves", &format!("?after={epoch}-0"))).await;
    events.expect(Some(format!("{epoch}-0")), Some("opened")).await;
    let gap = events.next().await;
    assert_eq!(gap.name.as_deref(), Some("gap"));
    let data: serde_json::Value = serde_json::from_str(&gap.data).unwrap();
    let first_seq = data["first_seq"].as_u64().unwrap();
    assert!(first_seq > 1, "{data}");
    assert_eq!(gap.id, Some(format!("{epoch}-{}", first_seq - 1)));
    assert_eq!(events.next().await.id, Some(format!("{epoch}-{first_seq}")));
}

#[tokio::test]
async fn a_position_that_is_no_more_starts_anew_when_a_client_comes_back_and_is_refused_when_it_asks() {
    let rig = Rig::start().await;
    let epoch = rig.create("orders").await;
    rig.publish("orders", &order("a")).await;
    for gone in ["0123456789abcdef-1".to_owned(), format!("{epoch}-7")] {
        let mut events = rig.open(stream("orders", "").header("Last-Event-ID", gone.clone())).await;
        let reset = events.expect(None, Some("reset")).await;
        assert_eq!(reset, json!({ "epoch": epoch, "head_seq": 1 }));
        assert_eq!(events.expect(Some(format!("{epoch}-1")), None).await, order("a"));
        let asked = rig.refused_stream(stream("orders", &format!("?after={gone}"))).await;
        expect_problem(&asked, 409, "WRONG_EPOCH", None);
    }
}

#[tokio::test]
async fn a_request_that_means_nothing_is_refused() {
    let rig = Rig::start().await;
    rig.create("orders").await;
    for (query, field) in [
        ("?start=now", "start"),
        ("?start=latest&after=0123456789abcdef-1", "start"),
        ("?after=7", "after"),
        ("?start=latest&start=latest", "start"),
        ("?from=7", "from"),
    ] {
        let refused = rig.refused_stream(stream("orders", query)).await;
        expect_problem(&refused, 400, "REQUEST_INVALID", Some(field));
    }
    let refused = rig.refused_stream(stream("orders", "").header("Last-Event-ID", "7")).await;
    expect_problem(&refused, 400, "REQUEST_INVALID", Some("Last-Event-ID"));
    let refused = rig.refused_stream(stream("orders", "").header("Accept", "application/json")).await;
    expect_problem(&refused, 406, "NOT_ACCEPTABLE", None);
    expect_problem(&rig.refused_stream(stream("nowhere", "")).await, 404, "NODE_NOT_FOUND", None);
    let deleted = rig.send(request("DELETE", "/v1/nodes/orders/events", BOB)).await;
    expect_problem(&deleted, 405, "METHOD_NOT_ALLOWED", None);
    expect_problem(&rig.send(request("GET", "/v2", BOB)).await, 404, "ROUTE_NOT_FOUND", None);
    rig.open(stream("orders", "").header("Accept", "text/html, text/event-stream")).await;
}

#[tokio::test]
async fn a_closed_node_is_closed_and_a_ban_ends_a_stream() {
    let rig = Rig::start().await;
    let config = NodeConfig { access_model: AccessModel::Whitelist, ..NodeConfig::default() };
    rig.create_with("orders", config).await;
    expect_problem(&rig.refused_stream(stream("orders", "")).await, 403, "ACCESS_MODEL_WHITELIST", None);
    rig.affiliate("orders", BOB, Affiliation::Member).await;
    let mut events = rig.open(stream("orders", "")).await;
    events.next().await;
    rig.publish("orders", &order("a")).await;
    events.next().await;
    rig.affiliate("orders", BOB, Affiliation::Outcast).await;
    rig.publish("orders", &order("secret")).await;
    let ended = events.expect(None, Some("ended")).await;
    assert_eq!((&ended["reason"], &ended["status"]), (&json!("AFFILIATION_REQUIRED"), &json!(403)));
    events.expect_end().await;
}

#[tokio::test]
async fn a_stream_on_which_nothing_happens_says_that_it_goes_on() {
    let http = HttpSettings { heartbeat_interval: Duration::from_millis(20), ..HttpSettings::default() };
    let rig = Rig::start_as(Settings::default(), http).await;
    rig.create("orders").await;
    let mut events = rig.open(stream("orders", "")).await;
    events.next().await;
    for _ in 0..3 {
        let block = soon(events.0.block()).await.unwrap().unwrap();
        assert!(block.starts_with(':') && !block.contains('\n'), "a comment: {block:?}");
    }
    rig.publish("orders", &order("a")).await;
    assert_eq!(events.next().await.name, None, "and what happens comes in between");
}

#[tokio::test]
async fn who_is_sent_away_reads_and_publishes_elsewhere() {
    let departure = Departure::default();
    let http = HttpSettings { departure: departure.clone(), ..HttpSettings::default() };
    let rig = Rig::start_as(Settings::default(), http).await;
    rig.create("orders").await;
    rig.publish("orders", &order("before")).await;
    let mut events = rig.open(stream("orders", "")).await;
    events.next().await;
    departure.begin();
    assert_eq!(events.expect(None, Some("going-away")).await, json!({}));
    events.expect_end().await;
    let refused = rig.send(publish_request("orders", &order("after"))).await;
    expect_problem(&refused, 503, "SHUTTING_DOWN", None);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(departure.publishes_answered(Duration::MAX).await, 0);
    let item = rig.send(request("GET", "/v1/nodes/orders/items/none", BOB)).await;
    expect_problem(&item, 404, "ITEM_NOT_FOUND", None);
}

#[tokio::test]
async fn a_daemon_that_stops_says_so_and_ends_its_streams() {
    let mut rig = Rig::start().await;
    let epoch = rig.create("orders").await;
    let mut events = rig.open(stream("orders", "")).await;
    events.expect(Some(format!("{epoch}-0")), Some("opened")).await;
    rig.shutdown.cancel();
    assert_eq!(events.expect(None, Some("going-away")).await, json!({}));
    events.expect_end().await;
    soon(&mut rig.server).await.unwrap().unwrap();
}
