use bridge_grpc::v1;
use bus_domain::Limits;
use bus_engine::Settings;
use tonic::Code;

use crate::rig::{ALICE, BOB, Rig, anonymous_event, event, expect_refusal};

const PAYLOAD: &str = "<entry xmlns='urn:example'>hello</entry>";

async fn publish(
    rig: &Rig,
    principal: &'static str,
    node: &str,
    events: Vec<v1::NewEvent>,
) -> Result<v1::PublishResponse, tonic::Status> {
    let request = v1::PublishRequest { node: node.to_owned(), events, ..v1::PublishRequest::default() };
    rig.publisher(principal).publish(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_publish_says_where_the_event_is_and_what_holds() {
    let rig = Rig::start().await;
    let epoch = rig.create("news").await;
    let response = publish(&rig, ALICE, "news", vec![event("first", PAYLOAD)]).await.unwrap();
    let result = v1::PublishResult { seq: 1, item_id: "first".into() };
    let durability = v1::Durability::Fsync.into();
    assert_eq!(response, v1::PublishResponse { results: vec![result], epoch, durability, duplicate: false });
}

#[tokio::test]
async fn every_level_of_durability_is_set_and_answered() {
    let rig = Rig::start().await;
    for (name, durability) in [
        ("fsync", v1::Durability::Fsync),
        ("relaxed", v1::Durability::Relaxed),
        ("memory", v1::Durability::Memory),
    ] {
        let config = v1::NodeConfig { durability: durability.into(), ..v1::NodeConfig::default() };
        let request = v1::CreateNodeRequest {
            name: name.to_owned(),
            config: Some(config),
            ..v1::CreateNodeRequest::default()
        };
        let created = rig.nodes(ALICE).create_node(request).await.unwrap().into_inner();
        let config = created.config.unwrap();
        let keeps_items = durability != v1::Durability::Memory;
        assert_eq!((config.durability(), config.persist_items), (durability, Some(keeps_items)), "{name}");
        let response = publish(&rig, ALICE, name, vec![event("a", PAYLOAD)]).await.unwrap();
        assert_eq!((response.durability(), response.epoch), (durability, created.epoch), "{name}");
        let request = v1::ListItemsRequest { node: name.to_owned(), ..v1::ListItemsRequest::default() };
        let listed = rig.nodes(ALICE).list_items(request).await;
        if keeps_items {
            assert_eq!(listed.unwrap().into_inner().items.len(), 1, "{name}");
        } else {
            expect_refusal(listed, Code::Unimplemented, "UNSUPPORTED", None);
        }
    }
}

#[tokio::test]
async fn a_batch_takes_positions_one_by_one_and_ids_where_it_has_none() {
    let rig = Rig::start().await;
    rig.create("news").await;
    let events = vec![event("a", PAYLOAD), anonymous_event(PAYLOAD), event("c", PAYLOAD)];
    let results = publish(&rig, ALICE, "news", events).await.unwrap().results;
    assert_eq!(results.iter().map(|result| result.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((results[0].item_id.as_str(), results[2].item_id.as_str()), ("a", "c"));
    assert_eq!(results[1].item_id.len(), 36, "a UUID: {}", results[1].item_id);
}

#[tokio::test]
async fn a_batch_with_one_bad_event_leaves_nothing_behind() {
    let rig = Rig::start().await;
    rig.create("news").await;
    let events = vec![event("a", PAYLOAD), event("b", "<entry>")];
    let result = publish(&rig, ALICE, "news", events).await;
    expect_refusal(result, Code::InvalidArgument, "PAYLOAD_INVALID", Some("events[1].xml"));
    let no_payload = v1::NewEvent { item_id: Some("b".into()), payload: None };
    let result = publish(&rig, ALICE, "news", vec![event("a", PAYLOAD), no_payload]).await;
    expect_refusal(result, Code::InvalidArgument, "REQUEST_INVALID", None);
    assert_eq!(rig.publish("news", vec![event("a", PAYLOAD)]).await, [1], "the log is still empty");
}

#[tokio::test]
async fn the_same_id_overwrites_the_item_and_is_a_new_event() {
    let rig = Rig::start().await;
    rig.create("news").await;
    rig.publish("news", vec![event("a", "<old xmlns='urn:example'/>")]).await;
    assert_eq!(rig.publish("news", vec![event("a", "<new xmlns='urn:example'/>")]).await, [2]);
    let request = v1::ListItemsRequest { node: "news".into(), ..v1::ListItemsRequest::default() };
    let items = rig.nodes(ALICE).list_items(request).await.unwrap().into_inner().items;
    assert_eq!(items.len(), 1);
    let newest = Some(v1::event::Payload::Xml("<new xmlns='urn:example'/>".into()));
    assert_eq!((items[0].seq, &items[0].payload), (2, &newest));
}

#[tokio::test]
async fn each_refusal_says_what_is_wrong() {
    let limits = Limits { payload_bytes_max: 100, request_items_max: 2, ..Limits::default() };
    let rig = Rig::start_with(Settings { limits, ..Settings::default() }).await;
    rig.create_with("small", v1::NodeConfig { items_max: Some(1), ..v1::NodeConfig::default() }).await;
    let one = || vec![anonymous_event(PAYLOAD)];

    let missing = publish(&rig, ALICE, "nowhere", one()).await;
    expect_refusal(missing, Code::NotFound, "NODE_NOT_FOUND", None);
    let stranger = publish(&rig, BOB, "small", one()).await;
    expect_refusal(stranger, Code::PermissionDenied, "AFFILIATION_REQUIRED", None);
    let nothing = publish(&rig, ALICE, "small", Vec::new()).await;
    expect_refusal(nothing, Code::InvalidArgument, "REQUEST_INVALID", None);
    let more_than_kept = publish(&rig, ALICE, "small", [one(), one()].concat()).await;
    expect_refusal(more_than_kept, Code::InvalidArgument, "TOO_MANY_ITEMS", None);
    let more_than_allowed = publish(&rig, ALICE, "small", [one(), one(), one()].concat()).await;
    expect_refusal(more_than_allowed, Code::InvalidArgument, "TOO_MANY_ITEMS", Some("events"));
    let long = format!("<a xmlns='urn:a'>{}</a>", "x".repeat(100));
    let too_big = publish(&rig, ALICE, "small", vec![anonymous_event(&long)]).await;
    expect_refusal(too_big, Code::InvalidArgument, "PAYLOAD_TOO_BIG", Some("events[0].xml"));
}

#[tokio::test]
async fn a_banned_principal_is_refused_even_where_everyone_may_publish() {
    let rig = Rig::start().await;
    let open = v1::NodeConfig { publish_model: v1::PublishModel::Open.into(), ..v1::NodeConfig::default() };
    rig.create_with("open", open).await;
    publish(&rig, BOB, "open", vec![event("a", PAYLOAD)]).await.unwrap();
    rig.affiliate("open", BOB, v1::Affiliation::Outcast).await;
    let refused = publish(&rig, BOB, "open", vec![event("b", PAYLOAD)]).await;
    expect_refusal(refused, Code::PermissionDenied, "AFFILIATION_REQUIRED", None);
}
