//! Standings, XMPP subscribers, and items that are taken back.

use bridge_grpc::v1;
use bus_domain::{Actor, Jid, NodeName, Role, subscribe};
use bus_engine::{Command, Verb};
use tonic::Code;

use crate::rig::{ALICE, BOB, DOMAIN, Rig, event, expect_refusal};

const CAROL: &str = "carol@example.org/phone";

async fn affiliations(rig: &Rig, page_size: u32) -> Vec<Vec<(String, v1::Affiliation)>> {
    let (mut pages, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListAffiliationsRequest { node: "news".into(), page_size, page_token };
        let page = rig.nodes(ALICE).list_affiliations(request).await.unwrap().into_inner();
        let entries = page.entries.iter().map(|entry| (entry.jid.clone(), entry.affiliation()));
        pages.push(entries.collect());
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return pages;
        }
    }
}

async fn subscribers(rig: &Rig, state: v1::SubscriberState) -> Vec<String> {
    let request = v1::ListSubscribersRequest {
        node: "news".into(),
        state: state.into(),
        ..v1::ListSubscribersRequest::default()
    };
    let found = rig.nodes(ALICE).list_subscribers(request).await.unwrap().into_inner().subscribers;
    assert!(found.iter().all(|subscriber| subscriber.state() == state), "{found:?}");
    found.into_iter().map(|subscriber| subscriber.jid).collect()
}

/// As somebody does over XMPP.
async fn subscribe(rig: &Rig, jid: &str) {
    let jid = Jid::new(jid).unwrap();
    let actor = Actor::new(jid.to_bare(), Role::User);
    let verb = Verb::Subscribe(subscribe::Request::from(jid));
    rig.engine.execute(Command { actor, node: NodeName::new("news").unwrap(), verb }).await.unwrap();
}

async fn set(rig: &Rig, jid: &str, state: v1::SubscriberState) -> Vec<v1::NodeSubscriber> {
    let entry =
        v1::NodeSubscriber { jid: jid.to_owned(), state: state.into(), ..v1::NodeSubscriber::default() };
    let request = v1::SetSubscribersRequest { node: "news".into(), entries: vec![entry] };
    rig.nodes(ALICE).set_subscribers(request).await.unwrap().into_inner().rejected
}

#[tokio::test]
async fn owners_see_who_has_which_standing_page_by_page() {
    let rig = Rig::start().await;
    rig.create("news").await;
    rig.affiliate("news", BOB, v1::Affiliation::Member).await;
    let alice = (format!("{ALICE}@{DOMAIN}"), v1::Affiliation::Owner);
    let bob = (format!("{BOB}@{DOMAIN}"), v1::Affiliation::Member);
    assert_eq!(affiliations(&rig, 1).await, [vec![alice.clone()], vec![bob.clone()]]);
    assert_eq!(affiliations(&rig, 0).await, [vec![alice, bob]]);
    let request =
        v1::ListAffiliationsRequest { node: "news".into(), ..v1::ListAffiliationsRequest::default() };
    let refused = rig.nodes(BOB).list_affiliations(request.clone()).await;
    expect_refusal(refused, Code::PermissionDenied, "AFFILIATION_REQUIRED", None);
    let wrong = v1::ListAffiliationsRequest { page_token: "?".into(), ..request };
    let refused = rig.nodes(ALICE).list_affiliations(wrong).await;
    expect_refusal(refused, Code::InvalidArgument, "REQUEST_INVALID", Some("page_token"));
}

#[tokio::test]
async fn owners_approve_and_end_subscriptions_of_xmpp() {
    let rig = Rig::start().await;
    let config =
        v1::NodeConfig { access_model: v1::AccessModel::Authorize.into(), ..v1::NodeConfig::default() };
    rig.create_with("news", config).await;
    subscribe(&rig, CAROL).await;
    assert_eq!(subscribers(&rig, v1::SubscriberState::Pending).await, [CAROL]);
    assert_eq!(subscribers(&rig, v1::SubscriberState::Subscribed).await, Vec::<String>::new());

    assert_eq!(set(&rig, CAROL, v1::SubscriberState::Subscribed).await, []);
    assert_eq!(subscribers(&rig, v1::SubscriberState::Subscribed).await, [CAROL]);
    // Nobody is subscribed who has not asked.
    let rejected = set(&rig, "dave@example.org", v1::SubscriberState::Subscribed).await;
    assert_eq!(rejected.len(), 1);
    assert_eq!((&*rejected[0].jid, rejected[0].state()), ("dave@example.org", v1::SubscriberState::None));
    assert_eq!(set(&rig, CAROL, v1::SubscriberState::None).await, []);
    assert_eq!(subscribers(&rig, v1::SubscriberState::Subscribed).await, Vec::<String>::new());

    for (entry, field) in [
        (v1::NodeSubscriber { jid: "@".into(), ..v1::NodeSubscriber::default() }, "entries[0].jid"),
        (v1::NodeSubscriber { jid: CAROL.into(), ..v1::NodeSubscriber::default() }, "entries[0].state"),
    ] {
        let request = v1::SetSubscribersRequest { node: "news".into(), entries: vec![entry] };
        let refused = rig.nodes(ALICE).set_subscribers(request).await;
        expect_refusal(refused, Code::InvalidArgument, "REQUEST_INVALID", Some(field));
    }
}

#[tokio::test]
async fn items_are_taken_back_all_of_them_or_none() {
    let rig = Rig::start().await;
    rig.create("news").await;
    rig.publish("news", vec![event("a", "<a xmlns='urn:a'/>"), event("b", "<b xmlns='urn:a'/>")]).await;
    let retract = async |principal, item_ids: &[&str]| {
        let item_ids = item_ids.iter().map(|&id| id.to_owned()).collect();
        let request =
            v1::RetractItemsRequest { node: "news".into(), item_ids, ..v1::RetractItemsRequest::default() };
        rig.nodes(principal).retract_items(request).await
    };
    let left = async || {
        let request = v1::ListItemsRequest { node: "news".into(), ..v1::ListItemsRequest::default() };
        let items = rig.nodes(ALICE).list_items(request).await.unwrap().into_inner().items;
        items.into_iter().map(|item| item.item_id).collect::<Vec<_>>()
    };
    expect_refusal(retract(BOB, &["a"]).await, Code::PermissionDenied, "AFFILIATION_REQUIRED", None);
    expect_refusal(retract(ALICE, &["a", "c"]).await, Code::NotFound, "ITEM_NOT_FOUND", None);
    expect_refusal(retract(ALICE, &[]).await, Code::InvalidArgument, "REQUEST_INVALID", None);
    expect_refusal(
        retract(ALICE, &[""]).await,
        Code::InvalidArgument,
        "REQUEST_INVALID",
        Some("item_ids[0]"),
    );
    assert_eq!(left().await, ["a", "b"]);
    retract(ALICE, &["a"]).await.unwrap();
    assert_eq!(left().await, ["b"]);
}
