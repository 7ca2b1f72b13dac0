//! Nodes and affiliations.

use bus_domain::{
    About, AccessModel, Affiliation, Durability, Epoch, MessageType, NodeConfig, NodeFacts, NodeName,
    ProcessingHint, Redirect, RedirectUri, TypeFilter,
};
use bus_store::{NodeListing, Store};

use crate::fixture::{Fixture, bare, jid, row};

pub async fn a_node_comes_back_as_it_was_made(store: &dyn Store) {
    let facts = Fixture::new(store).node("näme \"with\" 'quotes' and 💡").await;
    assert_eq!(facts.epoch, Epoch(u64::MAX - 1), "all 64 bits");
    assert_eq!(facts.config.items_max, 7);
    assert_eq!((facts.created_at_ms, facts.rules_version), (5, 1));
    assert_eq!(facts.creator, bare("owner@example.org"));
    assert_eq!(facts.affiliations.of(&bare("owner@example.org")), Affiliation::Owner);
    assert_eq!(facts.affiliations.len(), 1);
    let absent = store.find_node(&NodeName::new("absent").expect("a name")).await.expect("a read");
    assert_eq!(absent, None);
}

pub async fn a_configuration_takes_the_place_of_another(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let (node, other) = (fixture.node("n").await, fixture.node("other").await);
    let about = About {
        title: Some("Ü & \"'".to_owned()),
        contacts: vec![jid("a@example.org/é")],
        ..About::default()
    };
    let config = NodeConfig {
        access_model: AccessModel::Whitelist,
        items_max: NodeConfig::ITEMS_MAX_HIGHEST,
        durability: Durability::Relaxed,
        message_type: MessageType::Headline,
        processing_hint: ProcessingHint::NoPermanentStore,
        about,
        ..node.config.clone()
    };
    let mut transaction = fixture.begin().await;
    transaction.put_config(node.id, &config).await.expect("put");
    transaction.commit().await.expect("commit");
    assert_eq!(fixture.facts("n").await, NodeFacts { config, ..node.clone() }, "the version is the head's");
    assert_eq!(fixture.facts("other").await, other);
    assert_eq!(store.relaxed_nodes(None, 9).await.expect("a read"), [node.id]);
}

pub async fn a_name_is_taken_once(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let first = fixture.node("n").await;
    let mut transaction = fixture.begin().await;
    assert_eq!(transaction.insert_node(&row("n")).await.expect("insert"), None);
    assert!(
        transaction.insert_node(&row("N")).await.expect("insert").is_some(),
        "names are compared exactly"
    );
    transaction.commit().await.expect("commit");
    assert_eq!(fixture.facts("n").await, first);
}

pub async fn a_deleted_node_frees_its_name_and_keeps_its_number(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let first = fixture.node("n").await;
    fixture.delete(first.id).await;
    assert_eq!(store.find_node(&first.name).await.expect("a read"), None);
    assert_eq!(
        store.head(first.id).await.expect("a read").expect("a head").seq,
        1,
        "for the last notification"
    );
    let second = fixture.node("n").await;
    assert!(second.id > first.id);
    assert_eq!(store.head(second.id).await.expect("a read").expect("a head").seq, 0);
}

pub async fn where_a_node_has_moved_is_known_until_its_name_is_taken(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await;
    let to = redirect(&node.name, "a").to;
    let mut transaction = fixture.begin().await;
    transaction.retire_node(node.id, 9).await.expect("retire");
    transaction.put_redirect(&redirect(&node.name, "a"), 9, 9).await.expect("put");
    transaction.commit().await.expect("commit");
    assert_eq!(store.find_redirect(&node.name).await.expect("a read"), Some(to.clone()));
    let mut transaction = fixture.begin().await;
    assert_eq!(transaction.find_redirect(&node.name).await.expect("a read"), Some(to.clone()));
    transaction.insert_node(&row("n")).await.expect("insert").expect("a free name");
    drop(transaction);
    assert_eq!(store.find_redirect(&node.name).await.expect("a read"), Some(to), "nobody has the name");
    fixture.node("n").await;
    assert_eq!(store.find_redirect(&node.name).await.expect("a read"), None);
}

pub async fn the_oldest_moves_are_forgotten_first(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let names = ["1", "2", "3", "4", "5"].map(|name| NodeName::new(name).expect("a name"));
    let put = async |name: &NodeName, creator: &str, of_creator, in_all| {
        let mut transaction = fixture.begin().await;
        transaction.put_redirect(&redirect(name, creator), of_creator, in_all).await.expect("put");
        transaction.commit().await.expect("commit");
        let mut known = String::new();
        for name in &names {
            let found = store.find_redirect(name).await.expect("a read");
            known += found.map_or("", |_| name.as_str());
        }
        known
    };
    assert_eq!(put(&names[0], "a", 2, 4).await, "1");
    assert_eq!(put(&names[1], "b", 2, 4).await, "12");
    assert_eq!(put(&names[2], "b", 2, 4).await, "123");
    assert_eq!(put(&names[3], "b", 2, 4).await, "134", "a's is older than what b loses");
    assert_eq!(put(&names[4], "c", 2, 3).await, "345");
}

fn redirect(name: &NodeName, creator: &str) -> Redirect {
    let to = RedirectUri::new(&format!("xmpp:ä@example.org?;node='{name}'")).expect("a URI");
    Redirect { name: name.clone(), creator: bare(&format!("{creator}@example.org")), to }
}

pub async fn listings_are_paged_by_name_with_the_viewers_standing(store: &dyn Store) {
    let fixture = Fixture::new(store);
    for name in ["b", "a", "c"] {
        fixture.node(name).await;
    }
    fixture.closed_node("aa").await;
    let gone = fixture.node("bb").await;
    fixture.delete(gone.id).await;
    let list = async |viewer: &str, after: Option<&str>, nodes_max| {
        let after = after.map(|name| NodeName::new(name).expect("a name"));
        let open_models = vec![AccessModel::Open];
        let listing = NodeListing {
            viewer: bare(viewer),
            open_models,
            types: None,
            children_of: None,
            after,
            nodes_max,
        };
        let nodes = store.list_nodes(listing).await;
        let nodes = nodes.expect("a listing").into_iter();
        nodes.map(|node| (node.name.as_str().to_owned(), node.affiliation)).collect::<Vec<_>>()
    };
    let entry = |name: &str, affiliation| (name.to_owned(), affiliation);
    let owned = [entry("a", Affiliation::Owner), entry("aa", Affiliation::Owner)];
    assert_eq!(list("owner@example.org", None, 2).await, owned);
    let open = [entry("a", Affiliation::None), entry("b", Affiliation::None)];
    assert_eq!(list("other@example.org", None, 2).await, open, "a closed node is not there for strangers");
    assert_eq!(list("other@example.org", Some("b"), 2).await, [entry("c", Affiliation::None)]);
    assert_eq!(list("other@example.org", Some("c"), 2).await, []);
}

pub async fn listings_are_of_the_types_that_are_asked_for(store: &dyn Store) {
    let fixture = Fixture::new(store);
    for (name, payload_type) in
        [("a", Some("urn:a")), ("b", None), ("c", Some("urn:c")), ("d", Some("urn:a"))]
    {
        let node = fixture.node(name).await;
        let about = About { payload_type: payload_type.map(str::to_owned), ..About::default() };
        let config = NodeConfig { about, ..node.config.clone() };
        let mut transaction = fixture.begin().await;
        transaction.put_config(node.id, &config).await.expect("put");
        transaction.commit().await.expect("commit");
    }
    let list = async |types: TypeFilter, after: Option<&str>, nodes_max| {
        let after = after.map(|name| NodeName::new(name).expect("a name"));
        let (viewer, open_models) = (bare("owner@example.org"), Vec::new());
        let listing =
            NodeListing { viewer, open_models, types: Some(types), children_of: None, after, nodes_max };
        let nodes = store.list_nodes(listing).await.expect("a listing").into_iter();
        nodes.map(|node| node.name.as_str().to_owned()).collect::<Vec<_>>()
    };
    let named = |types: &[&str]| types.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(list(TypeFilter::only(named(&["urn:a"])), None, 9).await, ["a", "d"]);
    assert_eq!(
        list(TypeFilter::only(named(&["urn:a"])), None, 1).await,
        ["a"],
        "a page is of what is listed"
    );
    assert_eq!(list(TypeFilter::only(named(&["urn:a"])), Some("a"), 1).await, ["d"]);
    assert_eq!(list(TypeFilter::only(named(&["", "urn:c"])), None, 9).await, ["b", "c"]);
    assert_eq!(list(TypeFilter::only(Vec::new()), None, 9).await, Vec::<String>::new());
    assert_eq!(list(TypeFilter::all_but(named(&["urn:a"])), None, 9).await, ["b", "c"]);
    assert_eq!(list(TypeFilter::all_but(named(&[""])), None, 9).await, ["a", "c", "d"]);
}

pub async fn names_are_in_the_order_of_their_bytes(store: &dyn Store) {
    let fixture = Fixture::new(store);
    // An alphabet would have A, a, Ä, b, Z; a locale may pass over marks altogether.
    let ordered = [" ", "A", "Z", "_", "a", "a b", "ab", "b", "Ä", "💡"];
    for name in ordered.iter().rev() {
        fixture.node(name).await;
    }
    let mut found = Vec::new();
    loop {
        let listing = NodeListing {
            viewer: bare("owner@example.org"),
            open_models: Vec::new(),
            types: None,
            children_of: None,
            after: found.last().cloned(),
            nodes_max: 3,
        };
        let page = store.list_nodes(listing).await.expect("a listing");
        let is_last = page.len() < 3;
        found.extend(page.into_iter().map(|node| node.name));
        if is_last {
            break;
        }
    }
    assert_eq!(found.iter().map(NodeName::as_str).collect::<Vec<_>>(), ordered);
}

pub async fn affiliations_are_set_and_removed(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await;
    let put = async |entries: &[(&str, Affiliation)]| {
        let entries: Vec<_> = entries.iter().map(|(jid, affiliation)| (bare(jid), *affiliation)).collect();
        let mut transaction = fixture.begin().await;
        transaction.put_affiliations(node.id, &entries).await.expect("put");
        transaction.commit().await.expect("commit");
        fixture.facts("n").await.affiliations
    };
    let all =
        put(&[("a@example.org", Affiliation::Outcast), ("b@example.org", Affiliation::PublishOnly)]).await;
    assert_eq!(all.of(&bare("a@example.org")), Affiliation::Outcast);
    assert_eq!(all.of(&bare("b@example.org")), Affiliation::PublishOnly);
    let fewer = put(&[("a@example.org", Affiliation::None), ("b@example.org", Affiliation::Member)]).await;
    assert_eq!(fewer.of(&bare("b@example.org")), Affiliation::Member);
    assert_eq!(fewer.len(), 2, "the owner and b");
}
