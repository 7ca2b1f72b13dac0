//! Subscriptions and recipients.

use bus_domain::{
    Affiliation, NodeId, Subscription, SubscriptionId, SubscriptionOptions, SubscriptionState,
    SubscriptionType,
};
use bus_store::{CursorMove, HeadAdvance, Leg, Position, Store};

use crate::fixture::{FIRST_SECOND_MS, Fixture, advance, bare, events};

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
    assert_eq!(store.count_subscribers(node).await.expect("a read"), 2);
    assert_eq!(store.count_subscribers(NodeId(i64::MAX)).await.expect("a read"), 0, "gone");
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

pub async fn options_come_back_as_they_were_set(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let plain = fixture.subscribe(node, "a@example.org").await;
    let numbered = Subscription {
        id: SubscriptionId(2),
        sub_id: Some(SubscriptionId(7)),
        options: SubscriptionOptions {
            deliver: false,
            digest: true,
            digest_frequency_ms: Some(5_000),
            subscription_type: SubscriptionType::All,
            depth: None,
            expires_at_ms: Some(40),
            ..SubscriptionOptions::default()
        },
        ..plain.clone()
    };
    let mut transaction = fixture.begin().await;
    transaction.insert_subscriptions(node, std::slice::from_ref(&numbered)).await.expect("insert");
    transaction.commit().await.expect("commit");
    let all = async || {
        let found = store.subscriptions(node, SubscriptionState::Subscribed, None, 9).await.expect("a page");
        let recipients = store.recipients(node, None, 9).await.expect("a page").recipients;
        let recipients: Vec<_> = recipients.into_iter().map(|recipient| recipient.subscription).collect();
        let of_entity = store.subscriptions_of(&bare("a@example.org"), None, None, 9).await.expect("a page");
        let of_entity: Vec<_> = of_entity.into_iter().map(|entry| entry.subscription).collect();
        assert_eq!((&recipients, &of_entity), (&found, &found));
        found
    };
    assert_eq!(all().await, [plain.clone(), numbered.clone()]);
    let changed = Subscription {
        options: SubscriptionOptions { deliver: false, ..SubscriptionOptions::default() },
        ..plain
    };
    let mut transaction = fixture.begin().await;
    transaction.continue_subscription(node, &changed).await.expect("continue");
    transaction.commit().await.expect("commit");
    assert_eq!(all().await, [changed.clone(), numbered.clone()]);
    let mut transaction = fixture.begin().await;
    let existing = transaction.existing_subscriptions(node, &bare("a@example.org")).await.expect("a read");
    assert_eq!(existing.of_bare, [changed, numbered]);
}

pub async fn leases_that_are_over_are_found(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let nodes = [fixture.node("n").await.id, fixture.node("gone").await.id];
    let mut transaction = fixture.begin().await;
    let (address, state) = (bare("a@example.org").into(), SubscriptionState::Subscribed);
    let plain = Subscription::new(SubscriptionId(1), address, state, 0);
    for node in nodes {
        let leased =
            [(1, Some(1_500)), (2, Some(900)), (3, None), (4, Some(2_000))].map(|(id, expires_after_ms)| {
                let expires_at_ms = expires_after_ms.map(|after_ms| FIRST_SECOND_MS + after_ms);
                let options = SubscriptionOptions { expires_at_ms, ..SubscriptionOptions::default() };
                Subscription { id: SubscriptionId(id), options, ..plain.clone() }
            });
        transaction.insert_subscriptions(node, &leased).await.expect("insert");
    }
    transaction.commit().await.expect("commit");
    fixture.delete(nodes[1]).await;
    let over = async |through_ms, after, subscriptions_max| {
        let found = store
            .leases_over(Leg::Xmpp, FIRST_SECOND_MS + through_ms, after, subscriptions_max)
            .await
            .expect("a read");
        found.iter().map(|lease| (lease.entry.subscription.id.0, lease.is_delivered)).collect::<Vec<_>>()
    };
    assert_eq!(over(899, None, 9).await, []);
    assert_eq!(over(1_500, None, 9).await, [(2, true), (1, true)], "nothing was published");
    assert_eq!(over(9_999, None, 1).await, [(2, true)]);
    let place =
        store.leases_over(Leg::Xmpp, FIRST_SECOND_MS + 9_999, None, 1).await.expect("a read")[0].place();
    assert_eq!(over(9_999, Some(place), 9).await, [(1, true), (4, true)]);
    let seq = fixture.publish(nodes[0], &["a"], 0).await;
    assert_eq!(over(9_999, None, 9).await, [(2, true), (1, false), (4, false)], "it waits for its delivery");
    let to = Position::behind(seq);
    let step = CursorMove { node: nodes[0], epoch: None, to };
    store.move_cursors(Leg::Xmpp, &[step]).await.expect("moved");
    assert_eq!(over(9_999, None, 9).await, [(2, true), (1, true), (4, true)]);
}
