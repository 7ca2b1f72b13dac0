use bus_domain::{Affiliation, NodeConfig, PublishModel};
use harness::{HttpRequest, HttpResponse};

use crate::rig::{ALICE, BOB, Rig, expect_problem, order, post, request, stream};

/// Publishes an item under a name, as somebody.
async fn publish(rig: &Rig, principal: &str, item_id: &str) {
    let event = order(item_id).to_string();
    let of_alice = post("orders", "application/cloudevents+json", event.clone());
    let path = format!("{}?item_id={item_id}", of_alice.path);
    let asked = request("POST", path, principal).header("Content-Type", "application/cloudevents+json");
    let answer = rig.send(HttpRequest { body: event.into(), ..asked }).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn delete(rig: &Rig, principal: &str, what: &str) -> HttpResponse {
    rig.send(request("DELETE", format!("/v1/nodes/{what}"), principal)).await
}

#[tokio::test]
async fn an_item_is_taken_back_and_readers_are_told() {
    let rig = Rig::start().await;
    let epoch = rig.create("orders").await;
    for item_id in ["a", "b", "c"] {
        publish(&rig, ALICE, item_id).await;
    }
    for (what, seq) in [("a", 4), ("b?notify=true", 5), ("c?notify=false", 6)] {
        let answer = delete(&rig, ALICE, &format!("orders/items/{what}")).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{answer:?}");
        let item_id = &what[..1];
        let item = rig.send(request("GET", format!("/v1/nodes/orders/items/{item_id}"), ALICE)).await;
        expect_problem(&item, 404, "ITEM_NOT_FOUND", None);
        let mut events = rig.open(stream("orders", &format!("?after={epoch}-{}", seq - 1))).await;
        assert_eq!(events.next().await.name.as_deref(), Some("opened"));
        events.expect(Some(format!("{epoch}-{seq}")), Some("retracted")).await;
    }
    expect_problem(&delete(&rig, ALICE, "orders/items/a").await, 404, "ITEM_NOT_FOUND", None);
}

#[tokio::test]
async fn everybody_takes_his_own_back_and_publishers_those_of_others() {
    let rig = Rig::start().await;
    let config = NodeConfig { publish_model: PublishModel::Open, ..NodeConfig::default() };
    rig.create_with("orders", config).await;
    for (principal, item_id) in [(ALICE, "a"), (ALICE, "a2"), (BOB, "b")] {
        publish(&rig, principal, item_id).await;
    }
    expect_problem(&delete(&rig, BOB, "orders/items/a").await, 403, "AFFILIATION_REQUIRED", None);
    assert_eq!(delete(&rig, BOB, "orders/items/b").await.status, 204);
    rig.affiliate("orders", BOB, Affiliation::Publisher).await;
    assert_eq!(delete(&rig, BOB, "orders/items/a").await.status, 204);
    rig.affiliate("orders", BOB, Affiliation::Outcast).await;
    expect_problem(&delete(&rig, BOB, "orders/items/a2").await, 403, "AFFILIATION_REQUIRED", None);
    let kept = rig.send(request("GET", "/v1/nodes/orders/items/a2", ALICE)).await;
    assert_eq!(kept.status, 200, "what was refused is still there");
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_said() {
    let rig = Rig::start().await;
    rig.create("orders").await;
    rig.create_with("signals", NodeConfig { persist_items: false, ..NodeConfig::default() }).await;
    for (what, status, reason, field) in [
        ("nowhere/items/a", 404, "NODE_NOT_FOUND", None),
        ("orders/items/a", 404, "ITEM_NOT_FOUND", None),
        ("signals/items/a", 501, "UNSUPPORTED", None),
        ("orders/items/%00", 400, "REQUEST_INVALID", Some("item_id")),
        ("orders/items/a?notify=maybe", 400, "REQUEST_INVALID", Some("notify")),
        ("orders/items/a?x=1", 400, "REQUEST_INVALID", Some("x")),
        ("orders/events", 405, "METHOD_NOT_ALLOWED", None),
    ] {
        expect_problem(&delete(&rig, ALICE, what).await, status, reason, field);
    }
    let nobody = HttpRequest {
        method: "DELETE",
        path: "/v1/nodes/orders/items/a".to_owned(),
        ..HttpRequest::default()
    };
    expect_problem(&rig.send(nobody).await, 401, "TOKEN_MISSING", None);
}
