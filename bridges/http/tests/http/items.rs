use bus_cloudevents::{json, protobuf, xml};
use bus_domain::{AccessModel, NodeConfig};
use harness::HttpRequest;

use crate::rig::{ALICE, BOB, Rig, expect_problem, order, publish_request, request};

#[tokio::test]
async fn an_item_is_read_in_the_format_that_is_asked_for() {
    let rig = Rig::start().await;
    let epoch = rig.create("orders").await;
    let publish = publish_request("orders", &order("o"));
    let path = format!("{}?item_id=a%2Fb", publish.path);
    assert_eq!(rig.send(HttpRequest { path, ..publish }).await.status, 200);
    let event = json::read(order("o").to_string().as_bytes()).unwrap();
    let get = || request("GET", "/v1/nodes/orders/items/a%2Fb", BOB);
    for (accept, format) in [
        (None, "application/cloudevents+json"),
        (Some("*/*"), "application/cloudevents+json"),
        (Some("text/html, application/cloudevents+xml;q=0.9"), "application/cloudevents+xml"),
        (Some("application/cloudevents+protobuf"), "application/cloudevents+protobuf"),
    ] {
        let asked = accept.into_iter().fold(get(), |asked, accept| asked.header("Accept", accept));
        let answer = rig.send(asked).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(format)), "{accept:?}");
        assert_eq!(answer.header("stanzabus-position"), Some(format!("{epoch}-1").as_str()));
        let limits = xml::document_limits(10_000, 32);
        let read = match format {
            "application/cloudevents+xml" => xml::read(&answer.body, limits),
            "application/cloudevents+protobuf" => protobuf::read(answer.body.as_bytes()),
            _ => json::read(answer.body.as_bytes()),
        };
        assert_eq!(read.as_ref(), Ok(&event), "{accept:?}");
    }
    expect_problem(&rig.send(get().header("Accept", "text/html")).await, 406, "NOT_ACCEPTABLE", None);
}

#[tokio::test]
async fn what_is_not_there_or_not_for_everybody_is_refused() {
    let rig = Rig::start().await;
    let config = NodeConfig { access_model: AccessModel::Whitelist, ..NodeConfig::default() };
    rig.create_with("orders", config).await;
    let get = |path: &str, principal| rig.send(request("GET", path, principal));
    expect_problem(&get("/v1/nodes/orders/items/a", ALICE).await, 404, "ITEM_NOT_FOUND", None);
    expect_problem(&get("/v1/nodes/nowhere/items/a", ALICE).await, 404, "NODE_NOT_FOUND", None);
    expect_problem(&get("/v1/nodes/orders/items/a", BOB).await, 403, "ACCESS_MODEL_WHITELIST", None);
    expect_problem(&get("/v1/nodes/orders/items/%00", ALICE).await, 400, "REQUEST_INVALID", Some("item_id"));
    expect_problem(&get("/v1/nodes/orders/items/a?x=1", ALICE).await, 400, "REQUEST_INVALID", Some("x"));
}
