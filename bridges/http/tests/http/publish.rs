use bus_cloudevents::{json, protobuf, xml};
use bus_domain::{Affiliation, Durability, NodeConfig, PublishModel};
use harness::HttpRequest;
use serde_json::{Value, json};

use crate::rig::{ALICE, BOB, Rig, expect_problem, order, post, publish_request, request, stream};

#[tokio::test]
async fn an_answer_says_where_the_event_is_and_what_holds() {
    let rig = Rig::start().await;
    let epoch = rig.create("orders").await;
    let answer = rig.publish("orders", &order("o-1")).await;
    assert_eq!((&answer["epoch"], &answer["durability"]), (&json!(epoch), &json!("fsync")));
    assert_eq!(answer["results"][0]["seq"], 1);
    assert_eq!(answer["results"][0]["item_id"].as_str().map(str::len), Some(36), "a UUID");

    let memory = NodeConfig { durability: Durability::Memory, ..NodeConfig::default() }.settled();
    rig.create_with("moves", memory).await;
    assert_eq!(rig.publish("moves", &order("o-1")).await["durability"], "memory");
}

#[tokio::test]
async fn each_mode_publishes_the_same_event() {
    let rig = Rig::start().await;
    let epoch = rig.create("a node/1").await;
    let node = "a%20node%2F1";
    let event = json::read(order("o-1").to_string().as_bytes()).unwrap();
    let binary = post(node, "application/json", "{\"total\":12.5}")
        .header("ce-specversion", "1.0")
        .header("ce-id", "o-1")
        .header("CE-Source", "/shop")
        .header("ce-type", "\"com.example.order\"")
        .header("ce-urgent", "true");
    for request in [
        publish_request(node, &order("o-1")),
        post(node, "application/cloudevents+xml", xml::write(&event)),
        post(node, "application/cloudevents+protobuf", protobuf::write(&event)),
        binary,
    ] {
        let answer = rig.send(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let mut events = rig.open(stream(node, "?start=earliest")).await;
    events.expect(None, Some("opened")).await;
    for seq in 1..=4 {
        let mut got = events.expect(Some(format!("{epoch}-{seq}")), None).await;
        if got["urgent"] == "true" {
            // A header has no types.
            got["urgent"] = json!(true);
        }
        assert_eq!(got, order("o-1"), "{seq}");
    }
}

#[tokio::test]
async fn a_batch_is_published_whole_and_in_order() {
    let rig = Rig::start().await;
    let epoch = rig.create("orders").await;
    let orders = [order("a"), order("b")];
    let events: Vec<_> = orders.iter().map(|it| json::read(it.to_string().as_bytes()).unwrap()).collect();
    for (media_type, body) in [
        ("application/cloudevents-batch+json", json::write_batch(&events).into_bytes()),
        ("application/cloudevents-batch+xml", xml::write_batch(&events).into_bytes()),
        ("application/cloudevents-batch+protobuf", protobuf::write_batch(&events)),
    ] {
        let answer = rig.send(post("orders", media_type, body)).await;
        assert_eq!(answer.status, 200, "{media_type}: {answer:?}");
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer["results"].as_array().map(Vec::len), Some(2));
    }
    let mut stream = rig.open(stream("orders", "?start=earliest")).await;
    stream.expect(None, Some("opened")).await;
    for seq in 1..=6 {
        let got = stream.expect(Some(format!("{epoch}-{seq}")), None).await;
        assert_eq!(got, orders[(seq + 1) % 2]);
    }
}

#[tokio::test]
async fn an_item_may_be_named_and_is_overwritten_then() {
    let rig = Rig::start().await;
    rig.create("orders").await;
    for id in ["first", "second"] {
        let request = publish_request("orders", &order(id));
        let path = format!("{}?item_id=the%20order", request.path);
        assert_eq!(rig.send(HttpRequest { path, ..request }).await.status, 200);
    }
    let item = rig.send(request("GET", "/v1/nodes/orders/items/the%20order", BOB)).await;
    assert_eq!(serde_json::from_str::<Value>(&item.body).unwrap(), order("second"));

    let batch = post("orders?item_id=x", "application/cloudevents-batch+json", "[]");
    let path = "/v1/nodes/orders/events?item_id=x".to_owned();
    expect_problem(&rig.send(HttpRequest { path, ..batch }).await, 400, "REQUEST_INVALID", Some("item_id"));
}

#[tokio::test]
async fn a_request_is_carried_out_once_under_its_key() {
    let rig = Rig::start().await;
    rig.create("orders").await;
    let keyed = |id| publish_request("orders", &order(id)).header("Idempotency-Key", "\"7\"");
    let first = rig.send(keyed("o")).await;
    let again = rig.send(keyed("o")).await;
    let [first, again] = [first, again].map(|answer| serde_json::from_str::<Value>(&answer.body).unwrap());
    assert_eq!((&first["duplicate"], &again["duplicate"]), (&json!(false), &json!(true)));
    assert_eq!(first["results"], again["results"]);
    expect_problem(&rig.send(keyed("other")).await, 422, "REQUEST_ID_REUSED", None);
    let endless = publish_request("orders", &order("o")).header("Idempotency-Key", "7".repeat(256));
    expect_problem(&rig.send(endless).await, 400, "REQUEST_INVALID", Some("Idempotency-Key"));
    let memory = NodeConfig { durability: Durability::Memory, ..NodeConfig::default() }.settled();
    rig.create_with("moves", memory).await;
    let in_memory = publish_request("moves", &order("o")).header("Idempotency-Key", "7");
    expect_problem(&rig.send(in_memory).await, 409, "REQUEST_ID_NOT_KEPT", None);
}

#[tokio::test]
async fn an_event_may_be_published_once_by_its_source_and_id() {
    let rig = Rig::start().await;
    rig.create("orders").await;
    let once = |id, flag: &str| {
        let request = publish_request("orders", &order(id));
        let path = format!("{}?once_per_cloud_event={flag}", request.path);
        HttpRequest { path, ..request }
    };
    let mut duplicates = Vec::new();
    for request in [once("a", "true"), once("a", "true"), once("b", "true"), once("a", "false")] {
        let answer = rig.send(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        duplicates.push(serde_json::from_str::<Value>(&answer.body).unwrap()["duplicate"].clone());
    }
    assert_eq!(duplicates, [false, true, false, false]);
    let event = json::read(order("c").to_string().as_bytes()).unwrap();
    let batch = json::write_batch(&[event.clone(), event]);
    let batch = post("orders", "application/cloudevents-batch+json", batch);
    let path = once("a", "true").path;
    for wrong in
        [once("a", "1"), once("a", "true").header("Idempotency-Key", "7"), HttpRequest { path, ..batch }]
    {
        expect_problem(&rig.send(wrong).await, 400, "REQUEST_INVALID", Some("once_per_cloud_event"));
    }
}

#[tokio::test]
async fn a_publisher_may_expect_where_the_log_ends() {
    let rig = Rig::start().await;
    let epoch = rig.create("orders").await;
    let expecting = |position: String| {
        let request = publish_request("orders", &order("o"));
        let path = format!("{}?expected_last={position}", request.path);
        rig.send(HttpRequest { path, ..request })
    };
    assert_eq!(expecting(format!("{epoch}-0")).await.status, 200);
    let moved = expecting(format!("{epoch}-0")).await;
    expect_problem(&moved, 409, "SEQ_MISMATCH", None);
    let problem: Value = serde_json::from_str(&moved.body).unwrap();
    assert_eq!(problem["head"], format!("{epoch}-1"));
    expect_problem(&expecting("0123456789abcdef-1".into()).await, 409, "SEQ_MISMATCH", None);
    expect_problem(&expecting("1".into()).await, 400, "REQUEST_INVALID", Some("expected_last"));
}

#[tokio::test]
async fn what_is_no_event_is_refused_with_its_field_and_nothing_is_published() {
    let rig = Rig::start().await;
    let epoch = rig.create("orders").await;
    let without = |name: &str| {
        let mut event = order("o");
        event.as_object_mut().unwrap().remove(name);
        event.to_string()
    };
    let ce = "application/cloudevents+json";
    let batch = format!("[{},{}]", order("a"), without("type"));
    let long =
        json!({ "specversion": "1.0", "id": "o", "source": "/s", "type": "t", "data": "x".repeat(300_000) });
    for (request, status, reason, field) in [
        (post("orders", ce, without("id")), 400, "PAYLOAD_INVALID", Some("id")),
        (post("orders", ce, without("specversion")), 400, "PAYLOAD_INVALID", Some("specversion")),
        (post("orders", ce, "{"), 400, "PAYLOAD_INVALID", None),
        (post("orders", ce, b"\xff".as_slice()), 400, "PAYLOAD_INVALID", None),
        (post("orders", ce, long.to_string()), 413, "PAYLOAD_TOO_BIG", Some("events[0]")),
        (
            post("orders", "application/cloudevents-batch+json", batch),
            400,
            "PAYLOAD_INVALID",
            Some("events[1].type"),
        ),
        (post("orders", "application/cloudevents-batch+json", "[]"), 400, "REQUEST_INVALID", None),
        (post("orders", "application/cloudevents+xml", "<a/>"), 400, "PAYLOAD_INVALID", None),
        (post("orders", "application/cloudevents+protobuf", "\u{7f}"), 400, "PAYLOAD_INVALID", None),
        (post("orders", "application/cloudevents+avro", "x"), 415, "UNSUPPORTED_MEDIA_TYPE", None),
        (post("orders", "application/json", "{}"), 415, "UNSUPPORTED_MEDIA_TYPE", None),
        (
            post("orders", ce, "zipped").header("content-encoding", "gzip"),
            415,
            "UNSUPPORTED_CONTENT_ENCODING",
            None,
        ),
        (post("orders", "text/plain", "x").header("ce-id", "a"), 400, "PAYLOAD_INVALID", Some("specversion")),
        (post("nowhere", ce, order("o").to_string()), 404, "NODE_NOT_FOUND", None),
        (post("%ff", ce, order("o").to_string()), 400, "REQUEST_INVALID", Some("node")),
        (post("%00", ce, order("o").to_string()), 400, "REQUEST_INVALID", Some("node")),
    ] {
        let said = format!("{request:?}");
        let answer = rig.send(request).await;
        println!("{said}");
        expect_problem(&answer, status, reason, field);
    }
    let misspelt =
        HttpRequest { path: "/v1/nodes/orders/events?itemid=x".into(), ..publish_request("", &order("o")) };
    expect_problem(&rig.send(misspelt).await, 400, "REQUEST_INVALID", Some("itemid"));
    let mut events = rig.open(stream("orders", "?start=earliest")).await;
    assert_eq!(events.expect(None, Some("opened")).await, json!({ "epoch": epoch, "head_seq": 0 }));
}

#[tokio::test]
async fn whoever_may_not_publish_is_told_so() {
    let rig = Rig::start().await;
    rig.create_with(
        "orders",
        NodeConfig { publish_model: PublishModel::Publishers, ..NodeConfig::default() },
    )
    .await;
    let by = |principal| {
        let request = publish_request("orders", &order("o"));
        let headers = request.headers.into_iter().filter(|(name, _)| *name != "Authorization").collect();
        HttpRequest { headers, ..request }.header("Authorization", crate::rig::bearer(principal))
    };
    expect_problem(&rig.send(by(BOB)).await, 403, "AFFILIATION_REQUIRED", None);
    rig.affiliate("orders", BOB, Affiliation::Publisher).await;
    assert_eq!(rig.send(by(BOB)).await.status, 200);
    assert_eq!(rig.send(by(ALICE)).await.status, 200);
}
