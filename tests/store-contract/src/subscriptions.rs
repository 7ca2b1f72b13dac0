//! Subscriptions and recipients.

use bus_domain::{Affiliation, NodeId, Subscription, SubscriptionId, SubscriptionState};
use bus_store::{HeadAdvance, Store};

use crate::fixture::{Fixture, advance, bare, events};

pub async fn recipients_are_paged_with_their_standing(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    fixture.publish(node, &["a"], 10).await;
    let subscribed = [
        fixture.subscribe(node, "a@example.org").await,
        fixture.subscribe(node, "a@example.org/phone").await,
        fixture.subscribe(node, "b@example.org").await,
    ];
    assert_eq!(subscribed[0].since_seq, 1);
    let mut transaction = fixture.begin().await;
    let outcast = [(bare("a@example.org"), Affiliation::Outcast)];
    transaction.put_affiliations(node, &outcast).await.expect("put");
    transaction.commit().await.expect("commit");
    let first = store.recipients(node, None, 2).await.expect("a page");
    assert_eq!(first.recipients_version, 4, "three subscribed after the first version");
    let found: Vec<_> = first.recipients.iter().map(|one| (&one.subscription, one.affiliation)).collect();
    assert_eq!(found, [(&subscribed[0], Affiliation::Outcast), (&subscribed[1], Affiliation::Outcast)]);
    assert_eq!(store.count_subscriptions(node).await.expect("a read"), 3);
    assert_eq!(store.count_subscriptions(NodeId(i64::MAX)).await.expect("a read"), 0, "gone");
    let second = store.recipients(node, Some(subscribed[1].id), 2).await.expect("a page");
    let found: Vec<_> = second.recipients.iter().map(|one| (&one.subscription, one.affiliation)).collect();
    assert_eq!(found, [(&subscribed[2], Affiliation::None)]);
}

pub async fn who_waits_for_approval_is_no_recipient(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let subscribed = [
        fixture.subscribe(node, "a@example.org").await,
        fixture.subscribe(node, "b@example.org").await,
        fixture.subscribe(node, "c@example.org").await,
    ];
    let pending = Subscription { state: SubscriptionState::Pending, ..subscribed[1].clone() };
    let mut transaction = fixture.begin().await;
    transaction.remove_subscriptions(node, &[pending.id]).await.expect("remove");
    transaction.insert_subscriptions(node, std::slice::from_ref(&pending)).await.expect("insert");
    transaction.commit().await.expect("commit");
    let mut transaction = fixture.begin().await;
    let wanted = [bare("b@example.org"), bare("c@example.org")];
    let among = transaction.subscriptions_among(node, &wanted).await.expect("a read");
    assert_eq!(among, [pending.clone(), subscribed[2].clone()]);
    assert_eq!(transaction.subscriptions_among(node, &[]).await.expect("a read"), []);
    drop(transaction);
    let recipients = store.recipients(node, None, 9).await.expect("a page").recipients;
    let recipients: Vec<_> = recipients.iter().map(|one| one.subscription.id).collect();
    assert_eq!(recipients, [subscribed[0].id, subscribed[2].id]);
    let page = async |state, after, subscriptions_max| {
        store.subscriptions(node, state, after, subscriptions_max).await.expect("a page")
    };
    assert_eq!(page(SubscriptionState::Pending, None, 9).await, std::slice::from_ref(&pending));
    assert_eq!(page(SubscriptionState::Pending, Some(pending.id), 9).await, []);
    let all = [subscribed[0].clone(), subscribed[2].clone()];
    assert_eq!(page(SubscriptionState::Subscribed, None, 9).await, all);
    assert_eq!(page(SubscriptionState::Subscribed, None, 1).await, all[..1]);
    assert_eq!(page(SubscriptionState::Subscribed, Some(all[0].id), 9).await, all[1..]);
}

pub async fn subscription_ids_are_never_used_again(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let first = fixture.subscribe(node, "a@example.org").await;
    assert_eq!(first.id, SubscriptionId(1));
    let mut transaction = fixture.begin().await;
    let step = HeadAdvance { recipients_change: true, ended_subscriptions: 1, ..events(node, 0) };
    advance(&mut *transaction, step).await;
    transaction.remove_subscriptions(node, &[first.id]).await.expect("remove");
    transaction.commit().await.expect("commit");
    let again = fixture.subscribe(node, "a@example.org").await;
    assert_eq!(again.id, SubscriptionId(2));
    assert_eq!(store.recipients(node, None, 9).await.expect("a page").recipients.len(), 1);
}

pub async fn existing_subscriptions_are_those_of_the_bare_address(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let other = fixture.node("other").await.id;
    let own = fixture.subscribe(node, "a@example.org").await;
    let phone = fixture.subscribe(node, "a@example.org/phone").await;
    fixture.subscribe(node, "b@example.org").await;
    fixture.subscribe(other, "a@example.org").await;
    let mut transaction = fixture.begin().await;
    let existing = transaction.existing_subscriptions(node, &bare("a@example.org")).await.expect("a read");
    assert_eq!(existing.of_bare, [own, phone]);
    assert_eq!(existing.in_all, 3);
}
