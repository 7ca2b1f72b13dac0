//! What one entity has on all nodes.

use bus_domain::Affiliation;
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
