use bridge_grpc::v1;
use tonic::Code;

use crate::rig::{ADMIN, ALICE, BOB, DOMAIN, Rig, event, expect_refusal};

fn whitelist() -> v1::NodeConfig {
    v1::NodeConfig { access_model: v1::AccessModel::Whitelist.into(), ..v1::NodeConfig::default() }
}

async fn names(rig: &Rig, principal: &'static str, page_size: u32) -> Vec<Vec<String>> {
    let mut client = rig.nodes(principal);
    let (mut pages, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListNodesRequest { page_size, page_token };
        let response = client.list_nodes(request).await.unwrap().into_inner();
        pages.push(response.nodes.into_iter().map(|node| node.name).collect());
        page_token = response.next_page_token;
        if page_token.is_empty() {
            return pages;
        }
    }
}

#[tokio::test]
async fn a_new_node_is_shown_as_it_was_made() {
    let rig = Rig::start().await;
    let config = v1::NodeConfig { items_max: Some(7), notify_retract: Some(true), ..whitelist() };
    let request = v1::CreateNodeRequest { name: "news".into(), config: Some(config) };
    let created = rig.nodes(ALICE).create_node(request).await.unwrap().into_inner();
    let full = v1::NodeConfig {
        access_model: v1::AccessModel::Whitelist.into(),
        publish_model: v1::PublishModel::Publishers.into(),
        items_max: Some(7),
        deliver_payloads: Some(true),
        notify_retract: Some(true),
        durability: v1::Durability::Fsync.into(),
        persist_items: Some(true),
    };
    assert_eq!(created.config, Some(full));
    rig.publish("news", vec![event("a", "<a xmlns='urn:a'/>")]).await;

    let request = v1::GetNodeRequest { name: "news".into() };
    let node = rig.nodes(ALICE).get_node(request).await.unwrap().into_inner().node.unwrap();
    assert!(node.create_time.is_some_and(|time| time.seconds > 1_700_000_000));
    let expected = v1::Node {
        name: "news".into(),
        config: Some(full),
        epoch: created.epoch,
        head_seq: 1,
        creator: format!("{ALICE}@{DOMAIN}"),
        create_time: node.create_time,
        affiliation: v1::Affiliation::Owner.into(),
    };
    assert_eq!(node, expected);
}

#[tokio::test]
async fn a_name_is_taken_until_its_node_is_deleted() {
    let rig = Rig::start().await;
    let first = rig.create("news").await;
    let request = || v1::CreateNodeRequest { name: "news".into(), config: None };
    let taken = rig.nodes(BOB).create_node(request()).await;
    expect_refusal(taken, Code::AlreadyExists, "NODE_EXISTS", None);
    rig.nodes(ALICE).delete_node(v1::DeleteNodeRequest { name: "news".into() }).await.unwrap();
    let get = v1::GetNodeRequest { name: "news".into() };
    expect_refusal(rig.nodes(ALICE).get_node(get).await, Code::NotFound, "NODE_NOT_FOUND", None);
    let second = rig.nodes(BOB).create_node(request()).await.unwrap().into_inner().epoch;
    assert_ne!(first, second, "another life of the log");
}

#[tokio::test]
async fn a_configuration_out_of_bounds_is_refused() {
    let rig = Rig::start().await;
    let create = |config| {
        let request = v1::CreateNodeRequest { name: "news".into(), config: Some(config) };
        let mut client = rig.nodes(ALICE);
        async move { client.create_node(request).await }
    };
    let none_kept = create(v1::NodeConfig { items_max: Some(0), ..v1::NodeConfig::default() }).await;
    expect_refusal(none_kept, Code::InvalidArgument, "REQUEST_INVALID", None);
    let unknown = create(v1::NodeConfig { access_model: 99, ..v1::NodeConfig::default() }).await;
    let field = Some("config.access_model");
    expect_refusal(unknown, Code::InvalidArgument, "REQUEST_INVALID", field);
}

#[tokio::test]
async fn a_closed_node_is_shown_to_its_members_only() {
    let rig = Rig::start().await;
    rig.create_with("closed", whitelist()).await;
    let get = |principal| {
        let mut client = rig.nodes(principal);
        async move { client.get_node(v1::GetNodeRequest { name: "closed".into() }).await }
    };
    expect_refusal(get(BOB).await, Code::PermissionDenied, "ACCESS_MODEL_WHITELIST", None);
    assert_eq!(names(&rig, BOB, 0).await, [[""; 0]]);
    rig.affiliate("closed", BOB, v1::Affiliation::Member).await;
    let node = get(BOB).await.unwrap().into_inner().node.unwrap();
    assert_eq!(node.affiliation(), v1::Affiliation::Member);
    assert_eq!(names(&rig, BOB, 0).await, [["closed"]]);
    assert_eq!(get(ADMIN).await.unwrap().into_inner().node.unwrap().affiliation(), v1::Affiliation::Owner);
}

#[tokio::test]
async fn nodes_are_listed_page_by_page_in_the_order_of_their_names() {
    let rig = Rig::start().await;
    for name in ["c", "a", "é", "b"] {
        rig.create(name).await;
    }
    assert_eq!(names(&rig, BOB, 0).await.concat(), ["a", "b", "c", "é"]);
    assert_eq!(names(&rig, BOB, 3).await, [vec!["a", "b", "c"], vec!["é"]]);
    for page_token in ["a", "!", "AA", "_w"] {
        let request = v1::ListNodesRequest { page_size: 1, page_token: page_token.into() };
        let result = rig.nodes(BOB).list_nodes(request).await;
        expect_refusal(result, Code::InvalidArgument, "REQUEST_INVALID", Some("page_token"));
    }
}

#[tokio::test]
async fn standings_change_all_or_none() {
    let rig = Rig::start().await;
    rig.create_with("closed", whitelist()).await;
    let set = |principal, entries: Vec<(&str, i32)>| {
        let entries = entries
            .into_iter()
            .map(|(jid, affiliation)| v1::AffiliationEntry { jid: jid.to_owned(), affiliation });
        let request = v1::SetAffiliationsRequest { node: "closed".into(), entries: entries.collect() };
        let mut client = rig.nodes(principal);
        async move { client.set_affiliations(request).await }
    };
    let member = v1::Affiliation::Member.into();
    let invalid = |result, field| expect_refusal(result, Code::InvalidArgument, "REQUEST_INVALID", field);
    let bob = format!("{BOB}@{DOMAIN}");
    let alice = format!("{ALICE}@{DOMAIN}");

    invalid(set(ALICE, vec![(&bob, member), ("not a jid@", member)]).await, Some("entries[1].jid"));
    invalid(set(ALICE, vec![("user@example.org/with-resource", member)]).await, Some("entries[0].jid"));
    invalid(set(ALICE, vec![(&bob, 0)]).await, Some("entries[0].affiliation"));
    invalid(set(ALICE, vec![(&bob, 99)]).await, Some("entries[0].affiliation"));
    invalid(set(ALICE, Vec::new()).await, None);
    invalid(set(ALICE, vec![(&bob, member), (&alice, member)]).await, None);
    assert_eq!(names(&rig, BOB, 0).await, [[""; 0]], "nothing has changed");

    let by_a_stranger = set(BOB, vec![(&bob, member)]).await;
    expect_refusal(by_a_stranger, Code::PermissionDenied, "AFFILIATION_REQUIRED", None);
    set(ALICE, vec![(&bob.to_uppercase().replace("EVENTS.EXAMPLE.ORG", DOMAIN), member)]).await.unwrap();
    assert_eq!(names(&rig, BOB, 0).await, [["closed"]], "the JID was normalised");
}
