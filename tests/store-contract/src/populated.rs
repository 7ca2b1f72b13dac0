//! A database with a little of everything, and what a store must find in it, whichever version has written it.
//!
//! Each store's tests keep one database per schema version, made by [`populate`], and open it with the newest code:
//! migrations are tried on what earlier versions have really left behind.

use std::fmt::Write as _;

use bus_domain::bounce::Failures;
use bus_domain::quota::{Counted, UsageChange};
use bus_domain::retrieve::{ItemOrder, PageAt};
use bus_domain::{Affiliation, Event, EventKind, NodeId, Seq, SubscriptionId};
use bus_store::{
    CursorMove, FailureNote, HeadAdvance, ItemWindow, LaggingRow, Leg, LockMode, Position, Store,
    SubscriptionKey,
};

use crate::fixture::{EPOCH, Fixture, bare, events, ids};
use crate::usage::counts;

/// What [`populate`] leaves, as [`describe`] tells it.
pub const EXPECTED: &str = "\
closed: items [], log [], recipients []
  affiliations: member@example.org member, owner@example.org owner
orders: items [b, a, d], log [1 a, 2 b, 3 a, 4 c, 5 -c, 6 d], recipients [alice@example.org >0, bob@example.org/phone >0]
  affiliations: owner@example.org owner
purged: items [z], log [1 x, 2 y, 3 purged, 4 z], recipients []
  affiliations: owner@example.org owner
undelivered: gone behind 0/0, orders behind 3/1, purged behind 0/0
lagging: orders bob@example.org/phone through 1, attempt 1
owner@example.org has 3 nodes of 3 and 3, 0 subscriptions of 2 and 2
alice@example.org has 0 nodes of 3 and 3, 1 subscriptions of 2 and 2
";

/// Fills an empty store.
pub async fn populate(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let orders = fixture.node("orders").await.id;
    fixture.subscribe(orders, "alice@example.org").await;
    let bob = fixture.subscribe(orders, "bob@example.org/phone").await;
    fixture.publish(orders, &["a", "b", "a", "c"], 10).await;
    fixture.retract(orders, "c").await;
    fixture.publish(orders, &["d"], 0).await;
    let failures = Failures { since_ms: 1_700_000_000_000, through_seq: 2 };
    let key = SubscriptionKey { node: orders, subscription: bob.id };
    let row = LaggingRow { key, epoch: EPOCH, through_seq: 1, attempts: 1, due_at_ms: 1_700_000_005_000 };
    let note = FailureNote { key, seen: None, now: failures, lagging: Some(row) };
    store.note_failures(Leg::Xmpp, &[note]).await.expect("a note");
    let halfway = Position { through_seq: 3, through_subscription: SubscriptionId(1) };
    store
        .move_cursors(Leg::Xmpp, &[CursorMove { node: orders, epoch: Some(EPOCH), to: halfway }])
        .await
        .expect("a move");

    fixture.closed_node("closed").await;
    affiliate(&fixture, fixture.facts("closed").await.id).await;

    let purged = fixture.node("purged").await.id;
    fixture.publish(purged, &["x", "y"], 10).await;
    fixture.purge(purged).await;
    fixture.publish(purged, &["z"], 10).await;

    let gone = fixture.node("gone").await.id;
    fixture.publish(gone, &["last"], 10).await;
    fixture.delete(gone).await;
}

/// Tells what is in a store that [`populate`] has filled.
pub async fn describe(store: &dyn Store) -> String {
    let fixture = Fixture::new(store);
    let mut text = String::new();
    for name in ["closed", "orders", "purged"] {
        let facts = fixture.facts(name).await;
        let window = ItemWindow {
            order: ItemOrder::Modification,
            at: PageAt::First,
            items_max: 99,
            bytes_max: 99_999,
            expired_through_ms: None,
        };
        let items = store.list_items(facts.id, window).await.expect("items").items;
        let log = store.events_after(facts.id, 0, 99, 99_999).await.expect("a page");
        let log: Vec<_> = log.iter().map(entry).collect();
        let recipients = store.recipients(facts.id, None, 99).await.expect("a page").recipients;
        let recipients: Vec<_> = recipients.iter().map(|one| &one.subscription).collect();
        let recipients: Vec<_> =
            recipients.iter().map(|one| format!("{} >{}", one.jid, one.since_seq)).collect();
        let (items, log, recipients) = (ids(&items).join(", "), log.join(", "), recipients.join(", "));
        line(&mut text, &format!("{name}: items [{items}], log [{log}], recipients [{recipients}]"));
        let mut standings: Vec<_> =
            facts.affiliations.iter().map(|(jid, standing)| format!("{jid} {}", standing.as_str())).collect();
        standings.sort();
        line(&mut text, &format!("  affiliations: {}", standings.join(", ")));
    }
    line(&mut text, &format!("undelivered: {}", undelivered(store).await));
    line(&mut text, &format!("lagging: {}", lagging(store).await));
    for owner in ["owner@example.org", "alice@example.org"] {
        let counted =
            async |counted| counts(&fixture, &UsageChange { counted, owner: bare(owner), by: 0 }).await;
        let [[nodes, of_domain, of_all], [subscriptions, to_domain, to_all]] =
            [counted(Counted::Nodes).await, counted(Counted::Subscriptions).await];
        let nodes = format!("{nodes} nodes of {of_domain} and {of_all}");
        let subscriptions = format!("{subscriptions} subscriptions of {to_domain} and {to_all}");
        line(&mut text, &format!("{owner} has {nodes}, {subscriptions}"));
    }
    text
}

pub(crate) async fn affiliate(fixture: &Fixture<'_>, node: NodeId) {
    let mut transaction = fixture.begin().await;
    transaction.lock_heads(&[node], LockMode::Wait).await.expect("a lock");
    let step = HeadAdvance { rules_change: true, ..events(node, 0) };
    transaction.advance_heads(&[step]).await.expect("an advance");
    let member = (bare("member@example.org"), Affiliation::Member);
    transaction.put_affiliations(node, &[member]).await.expect("a standing");
    transaction.commit().await.expect("commit");
}

async fn undelivered(store: &dyn Store) -> String {
    let page = store.undelivered(Leg::Xmpp, None, 99).await.expect("a page");
    let behind = |position: Position| {
        let Position { through_seq, through_subscription } = position;
        format!("{through_seq}/{}", through_subscription.0)
    };
    let mut nodes: Vec<_> =
        page.nodes.iter().map(|node| format!("{} behind {}", node.name, behind(node.position))).collect();
    nodes.sort();
    nodes.join(", ")
}

async fn lagging(store: &dyn Store) -> String {
    let rows = store.lagging(Leg::Xmpp, None, 99).await.expect("a page");
    let mut text = Vec::new();
    for LaggingRow { key, through_seq, attempts, .. } in rows {
        let target = store.delivery_targets(&[key]).await.expect("a read").remove(0);
        let jid = &target.recipient.subscription.jid;
        text.push(format!("{} {jid} through {through_seq}, attempt {attempts}", target.name));
    }
    text.join(", ")
}

fn entry(event: &Event) -> String {
    let seq: Seq = event.seq;
    match &event.kind {
        EventKind::Published { item_id, .. } => format!("{seq} {item_id}"),
        EventKind::Retracted { item_id } => format!("{seq} -{item_id}"),
        EventKind::Purged => format!("{seq} purged"),
        EventKind::Configured => format!("{seq} configured"),
        EventKind::Deleted { .. } => format!("{seq} deleted"),
        of_collections => format!("{seq} {of_collections:?}"),
    }
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a String takes everything");
}
