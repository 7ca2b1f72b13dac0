use super::super::super::lagging::LagPosition;
use super::lagging::{B, LATEST};
use super::*;

const DIGEST_MS: u64 = 5_000;

/// The first of two recipients gets each event, the second one digests; the link is up.
fn world(events: Seq) -> World {
    let mut world = World::new(events, 2);
    let options = &mut world.recipients[1].subscription.options;
    (options.digest, options.digest_frequency_ms) = (true, Some(DIGEST_MS));
    world.at(0).input(DeliveryInput::LinkUp { link: 1 });
    world
}

/// What the first recipient gets.
fn plain(seqs: impl IntoIterator<Item = Seq>) -> Vec<(Seq, i64, Seq)> {
    seqs.into_iter().map(|seq| (seq, 1, seq - 1)).collect()
}

#[test]
fn events_of_one_time_are_one_message_and_the_cursor_does_not_wait_for_it() {
    let mut world = world(2);
    assert_eq!(world.run(), plain(1..=2));
    let row = LagPosition { key: B, epoch: Epoch(1), through_seq: 0, attempts: 0, due_ms: DIGEST_MS };
    assert_eq!(world.dispatcher.begun_digests(), [row], "to be stored before the cursor");
    world.dispatcher.stored_begun(&[row]);
    assert_eq!(
        (world.dispatcher.begun_digests(), world.dispatcher.lagging_changes()),
        (vec![], (vec![], vec![]))
    );
    assert_eq!(world.publish_more(3).run(), plain(3..=5));
    assert_eq!(world.prove().proven(), [position(5, 0)]);
    assert_eq!(world.at(DIGEST_MS - 1).run(), []);
    assert_eq!(world.at(DIGEST_MS).run(), [(5, 2, 0)], "all five behind what came before the first");
    assert_eq!(world.dispatcher.repeats(), 0);
    assert_eq!(world.confirm(DIGEST_MS), []);
    assert_eq!(world.dispatcher.lagging_changes(), (vec![], vec![B]), "it has met the cursor");
    assert_eq!(world.publish_more(1).run(), plain([6]));
    assert_eq!(world.at(2 * DIGEST_MS + 10).run(), [], "the next one begins with its first event");
    assert_eq!(world.at(2 * DIGEST_MS + 11).run(), [(6, 2, 5)]);
}

#[test]
fn what_waits_for_a_digest_goes_out_when_the_subscriber_wants_them_otherwise() {
    for digest_ms in [None, Some(60_000)] {
        let mut world = world(2);
        world.run();
        let options = &mut world.recipients[1].subscription.options;
        (options.digest, options.digest_frequency_ms) = (digest_ms.is_some(), digest_ms);
        let changed = RecipientChange::Changed(world.recipients[1].clone());
        world.signal(&[], vec![RecipientDelta { recipients_version: 2, changes: vec![changed] }]);
        assert_eq!(world.at(1).run().last(), Some(&(2, 2, u64::from(digest_ms.is_none()))), "{digest_ms:?}");
    }
}

#[test]
fn a_digest_follows_another_no_sooner_than_it_may() {
    let mut world = world(1);
    world.run();
    assert_eq!(world.at(DIGEST_MS).run(), [(1, 2, 0)]);
    assert_eq!(world.publish_more(1).run(), plain([2]));
    assert_eq!(world.confirm(DIGEST_MS), []);
    assert_eq!(world.publish_more(1).run(), plain([3]));
    let rests = LagPosition { key: B, epoch: Epoch(1), through_seq: 1, attempts: 0, due_ms: 2 * DIGEST_MS };
    assert_eq!(world.dispatcher.lagging_changes(), (vec![rests], vec![]), "also after a restart");
    assert_eq!(world.at(2 * DIGEST_MS - 1).run(), []);
    assert_eq!(world.at(2 * DIGEST_MS).run(), [(3, 2, 1)]);
}

#[test]
fn what_was_not_proven_at_a_cut_is_one_message_again() {
    let mut world = world(3);
    world.run();
    world.prove();
    assert_eq!(world.at(DIGEST_MS).run(), [(3, 2, 0)]);
    world.input(DeliveryInput::LinkDown).input(DeliveryInput::LinkUp { link: 2 });
    assert_eq!(world.at(DIGEST_MS + 1).run(), [(3, 2, 0)]);
    assert_eq!(world.dispatcher.repeats(), 3);
}

#[test]
fn a_digest_goes_on_after_a_restart() {
    let mut world = world(3);
    let row = LagPosition { key: B, epoch: Epoch(1), through_seq: 1, attempts: 0, due_ms: 700 };
    world.dispatcher.resume_lagging(row);
    assert_eq!(world.run(), plain(1..=3));
    assert_eq!(world.at(699).run(), []);
    assert_eq!(world.at(700).run(), [(3, 2, 1)]);
}

#[test]
fn a_row_that_another_process_has_left_is_taken_and_what_is_known_stays() {
    let left = LagPosition { key: B, epoch: Epoch(1), through_seq: 1, attempts: 0, due_ms: 700 };
    let mut world = world(3);
    world.dispatcher.adopt_lagging(left);
    assert_eq!(world.run(), plain(1..=3));
    assert_eq!(world.at(700).run(), [(3, 2, 1)], "from where it was left");
    world.dispatcher.adopt_lagging(left);
    assert_eq!(world.at(2 * DIGEST_MS).run(), [], "it is known, and further on");
}

#[test]
fn what_came_back_is_sent_again_as_a_digest_and_nothing_overtakes_it() {
    let mut world = world(3);
    world.run();
    world.at(DIGEST_MS).run();
    assert!(world.dispatcher.hold_back(B, Epoch(1), &(1..=3), LATEST));
    assert_eq!(world.publish_more(1).run(), plain([4]));
    assert_eq!(world.prove().at(DIGEST_MS + 999).run(), []);
    assert_eq!(world.at(DIGEST_MS + 1_000).run(), [(4, 2, 0)], "it waits for its backoff only");
}

#[test]
fn without_room_for_one_more_its_events_go_out_at_once() {
    let mut world = world(1);
    world.recipients = (1..=3).map(|id| recipient(id, 0)).collect();
    for recipient in &mut world.recipients {
        recipient.subscription.options.digest = true;
    }
    assert_eq!(world.run(), [(1, 2, 0), (1, 3, 0)], "of two places one is for digests");
}

#[test]
fn who_wants_no_digests_any_more_gets_what_is_left_one_by_one() {
    let mut world = world(2);
    world.run();
    world.recipients[1].subscription.options.digest = false;
    assert_eq!(world.at(DIGEST_MS).run(), [(1, 2, 0), (2, 2, 1)]);
}
