//! What comes back from attempts that overlap.

use bus_domain::Limits;
use bus_domain::bounce::{BounceClass, Failures};
use bus_store::DeliveryTarget;

use super::lagging::{B, LATEST, of_b};
use super::*;
use crate::dispatcher::{Bounce, Judged, Verdict};
use crate::{EventRef, MessageRef};

impl World {
    /// Forty events are with the first two subscribers, and 2 comes back from the second one.
    fn with_much_on_the_way() -> Self {
        let mut world = Self::new(40, 2);
        world.input(DeliveryInput::LinkUp { link: 1 }).run();
        world.prove();
        assert!(world.dispatcher.hold_back(B, Epoch(1), &(2..=2), LATEST));
        world
    }

    fn comes_back(&mut self, seq: Seq, subscription: i64) -> &mut Self {
        let event = EventRef { node: NODE, epoch: Epoch(1), seq };
        let subscription = SubscriptionId(subscription);
        let message = MessageRef { event, subscription, after_seq: seq - 1 };
        let from = Jid::new("a@example.org").unwrap();
        self.input(DeliveryInput::Bounced(Box::new(Bounce { message, from, class: BounceClass::Retry })))
    }
}

#[test]
fn what_was_on_the_way_before_says_nothing_of_the_attempt() {
    let mut world = World::with_much_on_the_way();
    assert_eq!(world.at(1_000).run(), of_b(2..=17));
    world.dispatcher.hold_back(B, Epoch(1), &(30..=30), LATEST);
    assert_eq!(
        world.at(9_000).run(),
        [],
        "30 goes out again anyway, and nothing before it was taken by that"
    );
    world.dispatcher.hold_back(B, Epoch(1), &(2..=2), LATEST);
    assert_eq!(world.at(19_000).run(), of_b(2..=17));
}

#[test]
fn an_older_event_may_come_back_behind_a_newer_one() {
    let mut world = World::with_much_on_the_way();
    world.at(1_000).run();
    world.dispatcher.hold_back(B, Epoch(1), &(5..=5), LATEST);
    assert_eq!(world.at(9_000).run(), of_b(5..=20), "as if 2 to 4 had been taken");
    world.dispatcher.hold_back(B, Epoch(1), &(2..=2), LATEST);
    assert_eq!(world.at(19_000).run(), of_b(2..=17));
}

#[test]
fn a_cut_takes_back_what_is_not_proven() {
    let mut world = World::with_much_on_the_way();
    world.at(1_000).run();
    world.dispatcher.hold_back(B, Epoch(1), &(5..=5), LATEST);
    let again = world.input(DeliveryInput::LinkDown).input(DeliveryInput::LinkUp { link: 2 }).at(9_000).run();
    assert_eq!(again, of_b(2..=17), "2 may have come back on the link that is gone");
}

#[test]
fn what_is_not_proven_when_something_comes_back_is_left_to_the_row() {
    let mut world = World::new(3, 2);
    world.input(DeliveryInput::LinkUp { link: 1 }).run();
    world.dispatcher.hold_back(B, Epoch(1), &(3..=3), LATEST);
    let (rows, _) = world.dispatcher.lagging_changes();
    assert_eq!(rows.iter().map(|row| row.through_seq).collect::<Vec<_>>(), [0], "the cursor passes it over");
    let again = world.input(DeliveryInput::LinkDown).input(DeliveryInput::LinkUp { link: 2 }).at(9_000).run();
    assert_eq!(again, [(1, 1, 0), (1, 2, 0), (2, 1, 1), (2, 2, 1), (3, 1, 2), (3, 2, 2)]);
}

#[test]
fn one_that_is_too_old_hides_no_newer_one() {
    let mut world = World::with_much_on_the_way();
    world.at(1_000).run();
    assert_eq!(world.confirm(1_000), of_b(18..=40));
    world.dispatcher.hold_back(B, Epoch(1), &(10..=20), LATEST);
    assert_eq!(world.at(9_000).run(), of_b(18..=33));
}

#[test]
fn no_wait_ends_before_what_came_back_is_judged() {
    let mut world = World::with_much_on_the_way();
    world.at(1_000).run();
    world.comes_back(2, 2).prove().at(2_000).at(3_000);
    assert_eq!(world.run(), [], "it may be that nothing of it was taken");
    let (pending, _) = world.dispatcher.take_bounces();
    assert_eq!(pending.len(), 1);
    world.dispatcher.hold_back(B, Epoch(1), &(2..=2), LATEST);
    assert_eq!(world.at(9_000).run(), of_b(2..=17));
}

/// Judges everything that has come back, from subscribers whose failures began at `since_ms`.
fn judge(world: &mut World, since_ms: i64, now_ms: i64) -> Vec<Judged> {
    judge_failed(world, 1, since_ms, now_ms)
}

fn judge_failed(world: &mut World, through_seq: Seq, since_ms: i64, now_ms: i64) -> Vec<Judged> {
    let (pending, _) = world.dispatcher.take_bounces();
    let target = |one: &Recipient| {
        let DeliveryNode { id: node, name, config, .. } = node();
        let head = Head {
            epoch: Epoch(1),
            seq: 40,
            trimmed_through_seq: 0,
            rules_version: 1,
            recipients_version: 1,
        };
        let failures = Some(Failures { since_ms, through_seq });
        DeliveryTarget { node, name, config, head, recipient: one.clone(), failures }
    };
    let targets = world.recipients.iter().map(target).collect();
    world.dispatcher.judge(&pending, targets, &Limits::default(), now_ms, || 0)
}

#[test]
fn those_that_are_judged_at_once_are_bounded_too() {
    let mut world = World::new(40, 4);
    world.input(DeliveryInput::LinkUp { link: 1 }).run();
    for subscription in 1..=4 {
        world.comes_back(2, subscription);
    }
    let judged = judge(&mut world, 0, 0);
    let rows = judged.iter().filter_map(|one| one.verdict.as_ref()?.note?.lagging).count();
    assert_eq!((rows, judged.len()), (LAGGING.subscriptions_max, 4));
    judged.into_iter().filter_map(|one| one.verdict).for_each(|verdict| {
        world.dispatcher.carry_out(verdict);
    });
    assert_eq!(world.dispatcher.lagging_count(), rows, "each row has somebody");
}

#[test]
fn who_lags_does_so_until_the_parking_is_done() {
    let mut world = World::with_much_on_the_way();
    world.comes_back(2, 2);
    let judged = judge(&mut world, 0, i64::MAX);
    let parked: Vec<_> = judged
        .into_iter()
        .filter_map(|one| world.dispatcher.carry_out(one.verdict?))
        .map(|(_, parking)| parking.subscription)
        .collect();
    assert_eq!(parked, [B.subscription]);
    assert!(world.dispatcher.is_lagging(B), "it may fail");
}

#[test]
fn who_takes_nothing_of_a_window_is_parked_in_time() {
    let mut world = World::with_much_on_the_way();
    world.dispatcher.hold_back(B, Epoch(1), &(2..=40), LATEST);
    world.at(9_000).run();
    world.comes_back(2, 2);
    let parks =
        |judged: Vec<Judged>| judged.iter().any(|one| one.verdict.as_ref().is_some_and(Verdict::parks));
    assert!(parks(judge_failed(&mut world, 40, 0, i64::MAX)), "40 had failed at first, 17 was sent again");
    world.comes_back(9, 2);
    assert!(!parks(judge_failed(&mut world, 40, 0, i64::MAX)), "8 was taken");
}

#[test]
fn what_is_of_a_node_that_is_not_resumed_waits_for_that() {
    let mut world = World::new(0, 0);
    world.dispatcher = Dispatcher::new(bounds(10, 10), admins());
    world.comes_back(2, 2);
    assert_eq!(world.dispatcher.take_bounces().0, [], "its cursor may be before that");
    world.dispatcher.resume(Vec::new(), None);
    assert_eq!(world.dispatcher.take_bounces().0.len(), 1);
}
