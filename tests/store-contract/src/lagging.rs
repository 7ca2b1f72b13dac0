//! Subscriptions that lag, fail, are parked and revived.

use bus_domain::bounce::Failures;
use bus_domain::subscribe::Health;
use bus_domain::{Affiliation, NodeId, Seq, Subscription};
use bus_store::{CursorMove, FailureNote, LaggingRow, Leg, Position, Store, SubscriptionKey};

use crate::fixture::{EPOCH, Fixture, bare};

const FIRST: Failures = Failures { since_ms: 1_700_000_000_000, through_seq: 1 };

fn key(node: NodeId, subscription: &Subscription) -> SubscriptionKey {
    SubscriptionKey { node, subscription: subscription.id }
}

fn row(key: SubscriptionKey, through_seq: Seq) -> LaggingRow {
    LaggingRow { key, epoch: EPOCH, through_seq, attempts: 1, due_at_ms: 1_700_000_005_000 }
}

fn note(key: SubscriptionKey, seen: Option<Failures>, now: Failures) -> FailureNote {
    FailureNote { key, seen, now, lagging: Some(row(key, now.through_seq - 1)) }
}

async fn rows(store: &dyn Store) -> Vec<LaggingRow> {
    store.lagging(Leg::Xmpp, None, 9).await.expect("a page")
}

async fn failures(store: &dyn Store, key: SubscriptionKey) -> Option<Failures> {
    store.delivery_targets(&[key]).await.expect("a read")[0].failures
}

pub async fn lagging_rows_are_added_moved_and_ended(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let (one, two) = (fixture.node("one").await.id, fixture.node("two").await.id);
    let keys = [
        key(one, &fixture.subscribe(one, "a@example.org").await),
        key(one, &fixture.subscribe(one, "b@example.org").await),
        key(two, &fixture.subscribe(two, "a@example.org").await),
    ];
    let notes = keys.map(|key| note(key, None, FIRST));
    store.note_failures(Leg::Xmpp, &notes).await.expect("a write");
    let all = keys.map(|key| row(key, 0));
    assert_eq!(rows(store).await, all);
    assert_eq!(store.lagging(Leg::Xmpp, None, 2).await.expect("a page"), all[..2]);
    assert_eq!(store.lagging(Leg::Xmpp, Some(keys[1]), 2).await.expect("a page"), all[2..]);

    let later = LaggingRow { through_seq: 9, attempts: 3, due_at_ms: 5, ..all[0] };
    let unknown = SubscriptionKey { node: NodeId(i64::MAX), ..keys[0] };
    let moves = [later, row(unknown, 7)];
    store.move_lagging(Leg::Xmpp, &moves, &[keys[1], unknown]).await.expect("a write");
    assert_eq!(rows(store).await, [later, all[2]], "what is not there is not added");
}

pub async fn rows_begin_where_there_are_none(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let keys = [
        key(node, &fixture.subscribe(node, "a@example.org").await),
        key(node, &fixture.subscribe(node, "b@example.org").await),
    ];
    let of = |key| LaggingRow { attempts: 0, ..row(key, 7) };
    let nobody = SubscriptionKey { subscription: bus_domain::SubscriptionId(99), ..keys[0] };
    store.begin_lagging(Leg::Xmpp, &[of(keys[0]), of(nobody)]).await.expect("a write");
    assert_eq!(rows(store).await, [of(keys[0])], "who is not there has no row");
    let later = LaggingRow { through_seq: 9, ..of(keys[0]) };
    let elsewhere = LaggingRow { epoch: bus_domain::Epoch(1), ..of(keys[1]) };
    store.begin_lagging(Leg::Xmpp, &[later, elsewhere]).await.expect("a write");
    let at_cursor = LaggingRow { through_seq: 0, ..of(keys[1]) };
    assert_eq!(
        rows(store).await,
        [of(keys[0]), at_cursor],
        "a row stays, and another life begins at the cursor"
    );
    let mut transaction = fixture.begin().await;
    transaction.park_subscription(node, keys[0].subscription, 5).await.expect("parked");
    transaction.commit().await.expect("commit");
    store.begin_lagging(Leg::Xmpp, &[of(keys[0])]).await.expect("a write");
    assert_eq!(rows(store).await, [at_cursor], "nor has who is parked");
}

pub async fn failures_are_noted_on_what_was_seen(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let key = key(node, &fixture.subscribe(node, "a@example.org").await);
    assert_eq!(failures(store, key).await, None);
    let later = Failures { through_seq: 5, ..FIRST };
    for (seen, now, expected) in [
        (Some(FIRST), later, None),
        (None, FIRST, Some(FIRST)),
        (None, later, Some(FIRST)),
        (Some(FIRST), later, Some(later)),
    ] {
        store.note_failures(Leg::Xmpp, &[note(key, seen, now)]).await.expect("a write");
        assert_eq!(failures(store, key).await, expected, "{seen:?} {now:?}");
        let lagging = expected.map(|failures| row(key, failures.through_seq - 1));
        assert_eq!(rows(store).await, Vec::from_iter(lagging), "the row goes with the note");
    }
}

pub async fn delivery_targets_are_those_that_are_asked_for(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let facts = fixture.node("n").await;
    let node = facts.id;
    fixture.publish(node, &["a", "b"], 10).await;
    let wanted = fixture.subscribe(node, "a@example.org/phone").await;
    let ended = fixture.subscribe(node, "b@example.org").await;
    fixture.subscribe(node, "c@example.org").await;
    let mut transaction = fixture.begin().await;
    transaction.remove_subscriptions(node, &[ended.id]).await.expect("remove");
    let member = [(bare("a@example.org"), Affiliation::Member)];
    transaction.put_affiliations(node, &member).await.expect("put");
    transaction.commit().await.expect("commit");

    let keys = [key(node, &wanted), key(node, &ended)];
    let found = store.delivery_targets(&keys).await.expect("a read");
    assert_eq!(found.len(), 1);
    let target = &found[0];
    assert_eq!((target.key(), &target.name, &target.config), (keys[0], &facts.name, &facts.config));
    assert_eq!((target.head.epoch, target.head.seq), (facts.epoch, 2));
    assert_eq!(target.recipient.subscription, wanted);
    assert_eq!(target.recipient.affiliation, Affiliation::Member);
}

pub async fn parked_subscriptions_are_no_recipients_until_they_are_revived(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let subscription = fixture.subscribe(node, "a@example.org").await;
    let key = key(node, &subscription);
    store.note_failures(Leg::Xmpp, &[note(key, None, FIRST)]).await.expect("a write");
    let health = async || {
        let mut transaction = fixture.begin().await;
        let existing =
            transaction.existing_subscriptions(node, &bare("a@example.org")).await.expect("a read");
        (existing.of_bare.len(), existing.health_of(subscription.id))
    };
    let failing = Health { failures: Some(FIRST), is_parked: false };
    assert_eq!(health().await, (1, failing));

    let mut transaction = fixture.begin().await;
    transaction.park_subscription(node, subscription.id, 8).await.expect("park");
    transaction.commit().await.expect("commit");
    assert_eq!(health().await, (1, Health { is_parked: true, ..failing }), "it is still listed");
    assert_eq!(store.recipients(node, None, 9).await.expect("a page").recipients, []);
    assert_eq!(store.delivery_targets(&[key]).await.expect("a read"), []);
    assert_eq!(rows(store).await, [], "it holds nothing back");
    assert_eq!(store.count_parked().await.expect("a count"), 1);
    store.note_failures(Leg::Xmpp, &[note(key, Some(FIRST), FIRST)]).await.expect("a write");
    assert_eq!(rows(store).await, [], "what comes back late changes nothing");

    let mut transaction = fixture.begin().await;
    transaction.continue_subscription(node, &subscription).await.expect("revive");
    transaction.commit().await.expect("commit");
    assert_eq!(health().await, (1, Health::default()));
    assert_eq!(store.recipients(node, None, 9).await.expect("a page").recipients.len(), 1);
    assert_eq!(store.count_parked().await.expect("a count"), 0);
}

pub async fn a_subscription_takes_its_lagging_rows_with_it(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let subscription = fixture.subscribe(node, "a@example.org").await;
    let noted = note(key(node, &subscription), None, FIRST);
    store.note_failures(Leg::Xmpp, &[noted]).await.expect("a write");
    let mut transaction = fixture.begin().await;
    transaction.remove_subscriptions(node, &[subscription.id]).await.expect("remove");
    transaction.commit().await.expect("commit");
    assert_eq!(rows(store).await, []);
    store.note_failures(Leg::Xmpp, &[noted]).await.expect("a write");
    assert_eq!(rows(store).await, []);
}

pub async fn a_deleted_node_stays_while_somebody_lags(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let key = key(node, &fixture.subscribe(node, "a@example.org").await);
    store.note_failures(Leg::Xmpp, &[note(key, None, FIRST)]).await.expect("a write");
    let to = Position::behind(fixture.delete(node).await);
    store.move_cursors(Leg::Xmpp, &[CursorMove { node, epoch: Some(EPOCH), to }]).await.expect("move");
    assert_eq!(store.reap_deleted(99).await.expect("reap"), 0);
    assert_eq!(store.delivery_targets(&[key]).await.expect("a read").len(), 1);
    store.move_lagging(Leg::Xmpp, &[], &[key]).await.expect("a write");
    assert!(store.reap_deleted(99).await.expect("reap") > 0);
}

pub async fn failures_end_with_what_was_taken(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    let known = Failures { through_seq: 5, ..FIRST };
    for (number, (moved, has_ended, expected)) in [
        (Some((4, 0)), false, Some(known)),
        (Some((5, 1)), false, Some(known)),
        (Some((5, 0)), false, None),
        (None, true, None),
        (None, false, Some(known)),
    ]
    .into_iter()
    .enumerate()
    {
        let subscription = fixture.subscribe(node, &format!("u{number}@example.org")).await;
        let key = key(node, &subscription);
        store.note_failures(Leg::Xmpp, &[note(key, None, known)]).await.expect("a write");
        let moves = moved.map(|(through_seq, attempts)| LaggingRow { attempts, ..row(key, through_seq) });
        let ended = has_ended.then_some(key);
        store.move_lagging(Leg::Xmpp, moves.as_slice(), ended.as_slice()).await.expect("a write");
        assert_eq!(failures(store, key).await, expected, "{moved:?} {has_ended}");
    }
}
