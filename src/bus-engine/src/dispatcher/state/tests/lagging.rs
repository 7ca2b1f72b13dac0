use bus_store::DeliveryTarget;

use super::super::super::lagging::LagPosition;
use super::*;

const A: SubscriptionKey = SubscriptionKey { node: NODE, subscription: SubscriptionId(1) };
pub(super) const B: SubscriptionKey = SubscriptionKey { node: NODE, subscription: SubscriptionId(2) };
/// With this, a backoff has its full length.
pub(super) const LATEST: u64 = 500;

impl World {
    pub(super) fn feed(&mut self, key: SubscriptionKey, after_seq: Seq, events_max: u32) {
        let events = self.log.iter().filter(|event| event.seq > after_seq);
        let events: Vec<_> = events.take(events_max as usize).cloned().collect();
        let head = Head {
            epoch: self.epoch,
            seq: self.log.last().map_or(0, |event| event.seq),
            trimmed_through_seq: 0,
            rules_version: 1,
            recipients_version: self.recipients_version,
        };
        let recipient = self.recipients.iter().find(|one| one.subscription.id == key.subscription);
        let target = recipient.cloned().map(|recipient| {
            let DeliveryNode { id: node, name, config, .. } = node();
            DeliveryTarget { node, name, config, head, recipient, failures: None }
        });
        let rosters = self.rosters.clone().unwrap_or_default();
        self.dispatcher.feed(key, target, &rosters, &Below::default(), &events, &mut self.lane);
    }

    /// Everything sent so far is proven.
    pub(super) fn prove(&mut self) -> &mut Self {
        let through_ticket = self.dispatcher.notifications();
        self.input(DeliveryInput::HandedOver { through_ticket })
    }

    pub(super) fn at(&mut self, now_ms: u64) -> &mut Self {
        self.dispatcher.tick(now_ms);
        self
    }

    /// The log goes on by so many events.
    pub(super) fn publish_more(&mut self, events: u64) -> &mut Self {
        let head = self.log.last().map_or(0, |event| event.seq);
        let events: Vec<_> = (head + 1..=head + events).map(|seq| event(seq, true, 1)).collect();
        self.signal(&events, Vec::new());
        self
    }

    /// Nothing of what was sent comes back; returns what is sent then, at `now_ms` + 11.
    pub(super) fn confirm(&mut self, now_ms: u64) -> Vec<(Seq, i64, Seq)> {
        self.prove().at(now_ms + 1).at(now_ms + 11).run()
    }

    /// Events 1 to 3 are sent to both, and 2 comes back from the second one.
    fn lagging() -> Self {
        let mut world = Self::new(3, 2);
        world.input(DeliveryInput::LinkUp { link: 1 }).run();
        world.prove();
        assert!(world.dispatcher.hold_back(B, Epoch(1), &(2..=2), LATEST));
        world
    }
}

/// Events of the second subscription with those before.
pub(super) fn of_b(seqs: impl IntoIterator<Item = Seq>) -> Vec<(Seq, i64, Seq)> {
    seqs.into_iter().map(|seq| (seq, 2, seq - 1)).collect()
}

#[test]
fn who_lags_is_passed_over_and_then_gets_all_from_what_came_back() {
    let mut world = World::lagging();
    assert_eq!(world.publish_more(1).at(999).run(), [(4, 1, 3)], "it is not time yet");
    assert_eq!(world.at(1_000).run(), of_b(2..=4));
    assert_eq!(world.dispatcher.repeats(), 2, "4 was sent to it for the first time");
    assert_eq!(world.publish_more(1).run(), [(5, 1, 4)], "nothing overtakes the trial");
    assert_eq!(world.confirm(1_000), of_b([5]));
    assert_eq!(world.publish_more(1).run(), [(6, 1, 5), (6, 2, 5)], "it has met the cursor");
}

#[test]
fn a_row_goes_once_nothing_comes_back_any_more() {
    let mut world = World::lagging();
    world.at(1_000).run();
    let moved = LagPosition { key: B, epoch: Epoch(1), through_seq: 1, attempts: 1, due_ms: 0 };
    assert_eq!(world.at(2_000).dispatcher.lagging_changes(), (vec![moved], vec![]), "not proven");
    assert_eq!(world.prove().at(3_000).dispatcher.lagging_changes(), (vec![moved], vec![]), "not quiet");
    assert_eq!(world.at(3_009).dispatcher.lagging_count(), 1);
    assert_eq!(world.at(3_010).run(), []);
    assert_eq!(world.dispatcher.lagging_changes(), (vec![], vec![B]));
    world.dispatcher.stored_lagging(&[], &[B]);
    assert_eq!(world.dispatcher.lagging_changes(), (vec![], vec![]));
    assert_eq!(world.publish_more(1).run(), [(4, 1, 3), (4, 2, 3)]);
}

#[test]
fn what_comes_back_again_waits_longer() {
    let mut world = World::lagging();
    let mut now_ms = 0;
    for wait_ms in [1_000, 2_000, 4_000, 8_000, 8_000] {
        assert_eq!(world.at(now_ms + wait_ms - 1).run(), [], "{wait_ms}");
        now_ms += wait_ms;
        assert_eq!(world.at(now_ms).run(), of_b(2..=3), "{wait_ms}");
        assert!(
            world.dispatcher.hold_back(B, Epoch(1), &(2..=2), (2 * wait_ms).min(8_000) / 2),
            "the longest that it can be"
        );
        world.dispatcher.hold_back(B, Epoch(1), &(3..=3), 0);
    }
}

#[test]
fn what_was_taken_is_not_sent_again() {
    let mut world = World::lagging();
    world.at(1_000).run();
    world.dispatcher.hold_back(B, Epoch(1), &(3..=3), LATEST);
    let moved = LagPosition { key: B, epoch: Epoch(1), through_seq: 1, attempts: 1, due_ms: 2_000 };
    assert_eq!(world.dispatcher.lagging_changes().0, [moved], "2 was taken: this is no second failure");
    assert_eq!(world.at(2_000).run(), of_b([3]));
    assert_eq!(world.confirm(2_000), []);
    assert_eq!(world.dispatcher.lagging_count(), 0);
}

#[test]
fn what_comes_back_late_counts_until_it_is_confirmed() {
    let mut world = World::lagging();
    world.dispatcher.hold_back(B, Epoch(1), &(1..=1), LATEST);
    assert_eq!(world.at(1_000).run(), of_b(1..=3), "of the same attempt");
    world.publish_more(100).run();
    assert_eq!(world.confirm(1_000), of_b(4..=35));
    assert_eq!(world.confirm(1_100), of_b(36..=99));
    world.dispatcher.hold_back(B, Epoch(1), &(35..=35), LATEST);
    assert_eq!(world.at(9_000).run(), [], "35 is confirmed, and what was sent after it has not come back");
    world.dispatcher.hold_back(B, Epoch(1), &(36..=36), LATEST);
    assert_eq!(world.at(19_000).run(), of_b(36..=51));
}

#[test]
fn one_that_joined_and_fails_again_leaves_again() {
    let mut world = World::lagging();
    world.at(1_000).run();
    world.publish_more(1).run();
    assert_eq!(world.confirm(1_000), of_b([4]));
    assert_eq!(world.publish_more(2).run().len(), 4, "both");
    world.dispatcher.hold_back(B, Epoch(1), &(5..=5), LATEST);
    assert_eq!(world.publish_more(1).run(), [(7, 1, 6)]);
    assert_eq!(world.at(9_000).run(), of_b(5..=7));
}

#[test]
fn a_window_is_bounded_and_grows_with_each_that_is_taken() {
    let mut world = World::lagging();
    world.publish_more(300).run();
    let mut windows = Vec::new();
    let mut seqs = Vec::new();
    for step in 1..20 {
        let sent = world.at(1_000 * step).run();
        seqs.extend(sent.iter().map(|(seq, ..)| *seq));
        windows.push(sent.len());
        world.prove().at(1_000 * step + 1);
        if world.dispatcher.lagging_count() == 0 {
            break;
        }
    }
    assert_eq!(windows, [16, 32, 64, 64, 64, 62, 0]);
    assert_eq!(seqs, (2..=303).collect::<Vec<_>>());
}

#[test]
fn a_cut_rewinds_to_what_is_proven() {
    let mut world = World::lagging();
    world.publish_more(30).run();
    world.prove().at(1_000).run();
    world.prove().at(1_001);
    world.input(DeliveryInput::LinkDown).input(DeliveryInput::LinkUp { link: 2 }).at(1_002);
    assert_eq!(
        world.at(1_003).run(),
        of_b(18..=33),
        "16 events are proven, and nothing can come back any more"
    );
    world.input(DeliveryInput::LinkDown).input(DeliveryInput::LinkUp { link: 3 });
    assert_eq!(world.run(), [], "the cursor had proven everything");
    assert_eq!(world.at(1_004).run(), of_b(18..=33));
    assert_eq!(world.publish_more(1).run(), [(34, 1, 33), (34, 2, 33)]);
}

#[test]
fn in_mid_fan_out_each_side_of_the_cut_is_met_where_it_is() {
    for room in [1, 2] {
        let mut world = World::lagging();
        world.recipients.push(recipient(3, 0));
        world.recipients_version = 2;
        world.lane.room = room;
        world.signal(&[event(4, true, 2)], Vec::new());
        let mut sent = world.run();
        assert_eq!(sent.len(), room, "it stops before the one that lags, or behind it");
        world.lane.room = 100;
        world.dispatcher.tick(1_000);
        sent.extend(world.input(DeliveryInput::RoomAgain).run());
        let mut of_four: Vec<_> = sent.iter().filter(|(seq, ..)| *seq == 4).map(|(_, to, _)| *to).collect();
        of_four.sort_unstable();
        assert_eq!(of_four, [1, 2, 3], "each once, with room for {room}");
        let seqs: Vec<_> = sent.iter().filter(|(_, to, _)| *to == 2).map(|(seq, ..)| *seq).collect();
        assert_eq!(seqs, [2, 3, 4]);
    }
}

#[test]
fn a_full_sink_interrupts_and_nothing_is_passed_over() {
    let mut world = World::lagging();
    world.lane.room = 1;
    assert_eq!(world.at(1_000).run(), of_b([2]));
    world.lane.room = 9;
    assert_eq!(world.input(DeliveryInput::RoomAgain).run(), of_b([3]));
}

#[test]
fn who_is_banned_while_lagging_gets_nothing_more() {
    let mut world = World::lagging();
    world.recipients[1].affiliation = Affiliation::Outcast;
    assert_eq!(world.at(1_000).run(), []);
    assert_eq!(world.confirm(1_000), []);
    assert_eq!(world.dispatcher.lagging_count(), 0, "and holds nothing back");
}

#[test]
fn who_has_left_lags_no_longer() {
    let mut world = World::lagging();
    world.recipients.truncate(1);
    assert_eq!(world.at(1_000).run(), []);
    assert_eq!(world.dispatcher.lagging_changes().1, [B]);

    let mut world = World::lagging();
    let removed =
        RecipientDelta { recipients_version: 2, changes: vec![RecipientChange::Removed(B.subscription)] };
    world.signal(&[], vec![removed]);
    assert_eq!(world.dispatcher.lagging_count(), 0);
}

#[test]
fn only_so_many_lag() {
    let mut world = World::lagging();
    assert!(world.dispatcher.hold_back(A, Epoch(1), &(2..=2), LATEST));
    let third = SubscriptionKey { subscription: SubscriptionId(3), ..A };
    assert!(!world.dispatcher.may_lag(0));
    assert!(!world.dispatcher.hold_back(third, Epoch(1), &(2..=2), LATEST));
    assert!(world.dispatcher.hold_back(A, Epoch(1), &(1..=1), LATEST), "one that lags already needs no room");
}

#[test]
fn after_a_restart_rows_wait_for_their_time_and_for_their_node() {
    let mut world = World::new(0, 2);
    world.dispatcher = Dispatcher::new(bounds(10, 10), admins());
    world.log = (1..=5).map(|seq| event(seq, true, 1)).collect();
    world.dispatcher.resume_lagging(LagPosition {
        key: B,
        epoch: Epoch(1),
        through_seq: 1,
        attempts: 3,
        due_ms: 500,
    });
    world.input(DeliveryInput::LinkUp { link: 1 });
    assert_eq!(world.at(500).run(), [], "the node may be behind");
    world.dispatcher.resume(Vec::new(), None);
    assert_eq!(world.at(5_000).run(), of_b(2..=5), "its cursor was at the end, so it is not in memory");
    assert_eq!(world.publish_more(1).run(), [(6, 1, 5)]);
    assert_eq!(world.confirm(5_000), of_b([6]));
    assert_eq!(world.publish_more(1).run(), [(7, 1, 6), (7, 2, 6)]);
}

#[test]
fn a_store_that_is_away_costs_no_attempt() {
    let mut world = World::lagging();
    world.dispatcher.tick(1_000);
    let need = world.dispatcher.pump(&mut world.lane).expect("it needs its events");
    assert_eq!(need, Need::Lagging { key: B, after_seq: 1, events_max: 16 });
    world.dispatcher.failed(need, false);
    assert_eq!(world.run(), []);
    assert_eq!(world.at(2_000).run(), of_b(2..=3));
    assert_eq!(world.dispatcher.lagging_changes().0[0].attempts, 1);
}

#[test]
fn a_window_that_stopped_halfway_is_sent_again_after_a_cut() {
    let mut world = World::lagging();
    world.lane.room = 1;
    assert_eq!(world.at(1_000).run(), of_b([2]));
    world.lane.room = 9;
    world.input(DeliveryInput::RoomAgain);
    let need = world.dispatcher.pump(&mut world.lane).expect("it needs its events");
    world.dispatcher.failed(need, false);
    world.input(DeliveryInput::LinkDown).input(DeliveryInput::LinkUp { link: 2 });
    let sent: Vec<_> = world.at(5_000).run().into_iter().filter(|(_, to, _)| *to == 2).collect();
    assert_eq!(sent, of_b(2..=3), "2 was never proven");
}

#[test]
fn a_new_life_of_the_log_reaches_who_lags() {
    let mut world = World::new(5, 2);
    world.input(DeliveryInput::LinkUp { link: 1 }).run();
    world.prove();
    assert!(world.dispatcher.hold_back(B, Epoch(1), &(5..=5), LATEST));
    world.log.truncate(2);
    world.log.push(event(3, true, 1));
    let mut node = node();
    node.epoch = Epoch(2);
    world.epoch = Epoch(2);
    world.dispatcher.signal(NodeSignal {
        node,
        from: Position::behind(2),
        head_seq: 3,
        deltas: Deltas::Known(Vec::new()),
        deletion: None,
    });
    let mut sent = world.run();
    sent.extend(world.at(1_000).run());
    sent.extend(world.confirm(1_000));
    let of_b_seqs: Vec<_> = sent.iter().filter(|(_, to, _)| *to == 2).map(|(seq, ..)| *seq).collect();
    assert_eq!(of_b_seqs, [3], "{sent:?}");
}

#[test]
fn a_new_life_of_which_no_word_has_come_has_the_rows_read_again() {
    let mut world = World::new(5, 2);
    world.input(DeliveryInput::LinkUp { link: 1 }).run();
    world.prove();
    assert!(world.dispatcher.hold_back(B, Epoch(1), &(3..=5), LATEST));
    world.epoch = Epoch(2);
    assert_eq!(world.at(1_000).run(), [], "what 3 is now is not known here");
    assert!(world.dispatcher.take_stale_rows());
    let row = LagPosition { key: B, epoch: Epoch(2), through_seq: 1, attempts: 1, due_ms: 0 };
    world.dispatcher.resume_lagging(row);
    assert_eq!(world.at(1_000).run(), of_b(2..=5), "from where the store has set it back to");
    assert!(!world.dispatcher.take_stale_rows());
}
