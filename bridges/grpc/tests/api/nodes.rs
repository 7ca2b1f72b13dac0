use bridge_grpc::v1;
use tonic::Code;
use tonic_types::StatusExt as _;

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
    let config = v1::NodeConfig {
        items_max: Some(7),
        notify_retract: Some(true),
        item_expire_seconds: Some(60),
        history_events_max: Some(9),
        history_bytes_max: Some(0),
        title: Some("News".into()),
        ..whitelist()
    };
    let mut request = v1::CreateNodeRequest { name: "news".into(), ..v1::CreateNodeRequest::default() };
    request.config = Some(config);
    let created = rig.nodes(ALICE).create_node(request).await.unwrap().into_inner();
    let full = v1::NodeConfig {
        access_model: v1::AccessModel::Whitelist.into(),
        publish_model: v1::PublishModel::Publishers.into(),
        items_max: Some(7),
        deliver_payloads: Some(true),
        notify_retract: Some(true),
        durability: v1::Durability::Fsync.into(),
        persist_items: Some(true),
        item_expire_seconds: Some(60),
        history_events_max: Some(9),
        history_age_seconds_max: Some(7 * 24 * 60 * 60),
        history_bytes_max: Some(0),
        when_undelivered_full: v1::WhenUndeliveredFull::Wait.into(),
        allow_subscriptions: Some(true),
        payload_bytes_max: Some(0),
        deliver_notifications: Some(true),
        notify_config: Some(false),
        notify_delete: Some(true),
        message_type: v1::MessageType::Normal.into(),
        title: Some("News".into()),
        description: Some(String::new()),
        language: Some(String::new()),
        payload_type: Some(String::new()),
        multi_subscribe: Some(false),
        notify_sub: Some(false),
        send_last_item: Some(false),
        send_last_item_on_presence: Some(false),
        temporary_subscriptions: Some(false),
        purge_when_publisher_goes: Some(false),
        expose_publisher: Some(false),
        when_items_full: v1::WhenItemsFull::DiscardOldest.into(),
        contacts: Some(v1::Contacts::default()),
        processing_hint: v1::ProcessingHint::None.into(),
        roster_groups_allowed: Some(v1::RosterGroups::default()),
        presence_based_delivery: Some(false),
        node_type: v1::NodeType::Leaf.into(),
        children_max: Some(0),
        association_policy: v1::AssociationPolicy::Owners.into(),
        association_whitelist: Some(v1::Contacts::default()),
    };
    assert_eq!(created.config, Some(full.clone()));
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
        placement: node.placement.clone(),
    };
    assert_eq!(node, expected);
}

#[tokio::test]
async fn a_name_is_taken_until_its_node_is_deleted() {
    let rig = Rig::start().await;
    let first = rig.create("news").await;
    let request =
        || v1::CreateNodeRequest { name: "news".into(), config: None, ..v1::CreateNodeRequest::default() };
    let taken = rig.nodes(BOB).create_node(request()).await;
    expect_refusal(taken, Code::AlreadyExists, "NODE_EXISTS", None);
    rig.nodes(ALICE)
        .delete_node(v1::DeleteNodeRequest { name: "news".into(), ..Default::default() })
        .await
        .unwrap();
    let get = v1::GetNodeRequest { name: "news".into() };
    expect_refusal(rig.nodes(ALICE).get_node(get).await, Code::NotFound, "NODE_NOT_FOUND", None);
    let second = rig.nodes(BOB).create_node(request()).await.unwrap().into_inner().epoch;
    assert_ne!(first, second, "another life of the log");
}

#[tokio::test]
async fn a_node_that_has_moved_says_where() {
    let rig = Rig::start().await;
    rig.create("news").await;
    let delete = |redirect_uri: &str| {
        let request = v1::DeleteNodeRequest { name: "news".into(), redirect_uri: redirect_uri.into() };
        let mut client = rig.nodes(ALICE);
        async move { client.delete_node(request).await }
    };
    let nowhere = delete("nowhere").await;
    expect_refusal(nowhere, Code::InvalidArgument, "REQUEST_INVALID", Some("redirect_uri"));
    delete("https://example.org/news").await.unwrap();
    let get = || v1::GetNodeRequest { name: "news".into() };
    let moved = rig.nodes(BOB).get_node(get()).await.unwrap_err();
    let info = moved.get_details_error_info().unwrap();
    assert_eq!((moved.code(), &*info.reason), (Code::NotFound, "NODE_MOVED"));
    assert_eq!(info.metadata["redirect_uri"], "https://example.org/news");
    expect_refusal(delete("").await, Code::NotFound, "NODE_MOVED", None);
    rig.create("news").await;
    rig.nodes(BOB).get_node(get()).await.unwrap();
}

#[tokio::test]
async fn a_configuration_out_of_bounds_is_refused() {
    let rig = Rig::start().await;
    let create = |config| {
        let request = v1::CreateNodeRequest {
            name: "news".into(),
            config: Some(config),
            ..v1::CreateNodeRequest::default()
        };
        let mut client = rig.nodes(ALICE);
        async move { client.create_node(request).await }
    };
    let none_kept = create(v1::NodeConfig { items_max: Some(0), ..v1::NodeConfig::default() }).await;
    expect_refusal(none_kept, Code::InvalidArgument, "CONFIG_INVALID", None);
    let unknown = create(v1::NodeConfig { access_model: 99, ..v1::NodeConfig::default() }).await;
    let field = Some("config.access_model");
    expect_refusal(unknown, Code::InvalidArgument, "REQUEST_INVALID", field);
}

#[tokio::test]
async fn what_is_set_changes_and_the_rest_stays() {
    let rig = Rig::start().await;
    let before = v1::NodeConfig { title: Some("News".into()), notify_retract: Some(true), ..whitelist() };
    rig.create_with("news", before).await;
    let configure = |principal, config| {
        let mut client = rig.nodes(principal);
        let request = v1::ConfigureNodeRequest {
            name: "news".into(),
            config: Some(config),
            ..v1::ConfigureNodeRequest::default()
        };
        async move { client.configure_node(request).await }
    };
    let jids = vec!["bob@example.org".to_owned()];
    let change = v1::NodeConfig {
        access_model: v1::AccessModel::Open.into(),
        title: Some(String::new()),
        contacts: Some(v1::Contacts { jids: jids.clone() }),
        ..v1::NodeConfig::default()
    };
    expect_refusal(
        configure(BOB, change.clone()).await,
        Code::PermissionDenied,
        "AFFILIATION_REQUIRED",
        None,
    );
    let changed = configure(ALICE, change.clone()).await.unwrap().into_inner().config.unwrap();
    assert_eq!((changed.access_model(), changed.notify_retract), (v1::AccessModel::Open, Some(true)));
    assert_eq!((changed.title.as_deref(), &changed.contacts), (Some(""), &Some(v1::Contacts { jids })));
    let again = configure(ALICE, change).await.unwrap().into_inner().config.unwrap();
    assert_eq!(again, changed, "nothing changes, and nothing is logged");
    rig.publish("news", vec![event("a", "<a xmlns='urn:a'/>")]).await;

    let start = Some(v1::tail_request::Start::AfterSeq(0));
    let request = v1::TailRequest { node: "news".into(), start, ..v1::TailRequest::default() };
    let mut frames = rig.subscriber(ALICE).tail(request).await.unwrap().into_inner();
    let mut kinds = Vec::new();
    while kinds.len() < 2 {
        let frame = frames.message().await.unwrap().unwrap().frame;
        if let Some(v1::tail_response::Frame::Event(event)) = frame {
            kinds.push(event.kind());
        }
    }
    assert_eq!(kinds, [v1::EventKind::NodeConfigured, v1::EventKind::Published]);

    let wrong = v1::Contacts { jids: vec!["@".into()] };
    let refused =
        configure(ALICE, v1::NodeConfig { contacts: Some(wrong), ..v1::NodeConfig::default() }).await;
    expect_refusal(refused, Code::InvalidArgument, "REQUEST_INVALID", Some("config.contacts.jids[0]"));
    let memory = v1::NodeConfig { durability: v1::Durability::Memory.into(), ..v1::NodeConfig::default() };
    expect_refusal(configure(ALICE, memory).await, Code::InvalidArgument, "CONFIG_INVALID", None);
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

#[tokio::test]
async fn a_purge_takes_all_items_and_readers_of_the_log_hear_of_it() {
    let rig = Rig::start().await;
    rig.create("news").await;
    rig.publish("news", vec![event("a", "<a xmlns='urn:a'/>"), event("b", "<b xmlns='urn:b'/>")]).await;
    let purge = async |principal, name: &str| {
        rig.nodes(principal).purge_node(v1::PurgeNodeRequest { name: name.into() }).await
    };
    expect_refusal(purge(BOB, "news").await, Code::PermissionDenied, "AFFILIATION_REQUIRED", None);
    expect_refusal(purge(ALICE, "none").await, Code::NotFound, "NODE_NOT_FOUND", None);
    expect_refusal(purge(ALICE, "").await, Code::InvalidArgument, "REQUEST_INVALID", Some("name"));
    purge(ALICE, "news").await.unwrap();
    let request = v1::ListItemsRequest { node: "news".into(), ..v1::ListItemsRequest::default() };
    let items = rig.nodes(ALICE).list_items(request).await.unwrap().into_inner();
    assert_eq!((items.items, items.total_size), (vec![], Some(0)));

    let start = Some(v1::tail_request::Start::AfterSeq(2));
    let request = v1::TailRequest { node: "news".into(), start, ..v1::TailRequest::default() };
    let mut frames = rig.subscriber(ALICE).tail(request).await.unwrap().into_inner();
    frames.message().await.unwrap().expect("opened");
    let frame = frames.message().await.unwrap().expect("the purge").frame;
    let Some(v1::tail_response::Frame::Event(event)) = frame else { panic!("{frame:?}") };
    assert_eq!((event.seq, event.kind(), event.item_id.as_str()), (3, v1::EventKind::NodePurged, ""));
}
