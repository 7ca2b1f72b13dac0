//! What one entity has on all nodes.

use bus_domain::{Affiliation, NodeId, Subscription, SubscriptionState};
use bus_store::Store;

use crate::fixture::{Fixture, bare};
use crate::populated::affiliate;

pub async fn what_an_entity_has_is_found_page_by_page(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let (one, two) = (fixture.node("one").await.id, fixture.node("two").await.id);
    let (entity, other) = (bare("a@example.org"), bare("b@example.org"));
    let mut expected = Vec::new();
    for (node, name, address) in [
        (one, "one", "a@example.org"),
        (one, "one", "a@example.org/phone"),
        (two, "two", "a@example.org/desk"),
    ] {
        expected.push((name.to_owned(), fixture.subscribe(node, address).await));
        fixture.subscribe(node, &address.replace('a', "ab")).await;
    }
    let page = async |node, after, rows_max| {
        store.subscriptions_of(&entity, node, after, rows_max).await.expect("a page")
    };
    let all = page(None, None, 9).await;
    let named = |rows: &[bus_store::EntitySubscription]| -> Vec<_> {
        rows.iter().map(|row| (row.name.as_str().to_owned(), row.subscription.clone())).collect()
    };
    assert_eq!(named(&all), expected);
    assert_eq!(page(None, None, 2).await, all[..2]);
    assert_eq!(page(None, Some(all[0].key()), 9).await, all[1..]);
    assert_eq!(page(Some(two), None, 9).await, all[2..]);
    assert_eq!(store.subscriptions_of(&other, None, None, 9).await.expect("a page"), []);

    affiliate(&fixture, two).await;
    let affiliations = async |jid: &str, node, after| {
        let rows = store.affiliations_of(&bare(jid), node, after, 9).await.expect("a page");
        rows.into_iter().map(|row| (row.node, row.affiliation)).collect::<Vec<_>>()
    };
    let owned = [(one, Affiliation::Owner), (two, Affiliation::Owner)];
    assert_eq!(affiliations("owner@example.org", None, None).await, owned);
    assert_eq!(affiliations("owner@example.org", None, Some(one)).await, owned[1..]);
    assert_eq!(affiliations("owner@example.org", Some(one), None).await, owned[..1]);
    assert_eq!(affiliations("member@example.org", None, None).await, [(two, Affiliation::Member)]);
    assert_eq!(affiliations("a@example.org", None, None).await, []);
    let first = store.affiliations_of(&bare("owner@example.org"), None, None, 1).await.expect("a page");
    assert_eq!(first.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["one"]);
}

pub async fn what_an_entity_has_on_a_deleted_node_is_not_seen(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("gone").await.id;
    fixture.subscribe(node, "a@example.org").await;
    fixture.delete(node).await;
    assert_eq!(store.subscriptions_of(&bare("a@example.org"), None, None, 9).await.expect("a page"), []);
    assert_eq!(store.affiliations_of(&bare("owner@example.org"), None, None, 9).await.expect("a page"), []);
}

pub async fn nodes_on_which_somebody_waits_are_found_for_their_owners(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let owner = bare("owner@example.org");
    assert!(!store.owns_a_node(&owner).await.expect("a read"));
    let mut nodes = Vec::new();
    for name in ["none", "b", "a", "c", "gone"] {
        let node = fixture.node(name).await.id;
        fixture.subscribe(node, "a@example.org").await;
        if name != "none" {
            wait_on(&fixture, node, "b@example.org").await;
            wait_on(&fixture, node, "c@example.org").await;
        }
        nodes.push(node);
    }
    fixture.delete(nodes[4]).await;
    let mut transaction = fixture.begin().await;
    let other = [(bare("other@example.org"), Affiliation::Owner), (owner.clone(), Affiliation::Member)];
    transaction.put_affiliations(nodes[3], &other).await.expect("put");
    transaction.commit().await.expect("commit");
    let page = async |owner: Option<&str>, after: Option<NodeId>, nodes_max| {
        let owner = owner.map(bare);
        let found = store.pending_nodes(owner.as_ref(), after, nodes_max).await.expect("a page");
        found.into_iter().map(|(_, name)| name.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(page(None, None, 9).await, ["b", "a", "c"], "in the order of their ids");
    assert_eq!(page(None, None, 2).await, ["b", "a"]);
    assert_eq!(page(None, Some(nodes[1]), 9).await, ["a", "c"]);
    assert_eq!(page(Some("owner@example.org"), None, 9).await, ["b", "a"]);
    assert_eq!(page(Some("owner@example.org"), None, 1).await, ["b"]);
    assert_eq!(page(Some("owner@example.org"), Some(nodes[1]), 9).await, ["a"]);
    assert_eq!(page(Some("other@example.org"), None, 9).await, ["c"]);
    assert_eq!(page(Some("a@example.org"), None, 9).await, Vec::<String>::new());
    assert!(store.owns_a_node(&owner).await.expect("a read"));
    assert!(!store.owns_a_node(&bare("a@example.org")).await.expect("a read"));
}

/// Somebody asks to subscribe.
async fn wait_on(fixture: &Fixture<'_>, node: NodeId, address: &str) {
    let subscription = fixture.subscribe(node, address).await;
    let pending = Subscription { state: SubscriptionState::Pending, ..subscription };
    let mut transaction = fixture.begin().await;
    transaction.remove_subscriptions(node, &[pending.id]).await.expect("remove");
    transaction.insert_subscriptions(node, &[pending]).await.expect("insert");
    transaction.commit().await.expect("commit");
}
