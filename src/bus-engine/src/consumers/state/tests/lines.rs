//! Events of one key, one after the other.

use super::*;

/// A queue over a log in which odd and even events have keys of their own, as far as their page was read.
fn rig(log: Seq, wish: Wish) -> Rig {
    let mut rig = Rig::with(&Wish { key_ordered: true, ..wish }, log);
    rig.attach(1, 99);
    rig.state.act(0);
    rig.state.take_page(NODE, 0, page(1, log));
    rig
}

fn page(from: Seq, through: Seq) -> Page {
    let mut page = Page::new((from..=through).map(event).collect(), 0);
    page.order(|event| Some(key(event.seq)));
    page
}

fn key(seq: Seq) -> OrderKey {
    OrderKey(seq % 2)
}

fn quick() -> Wish {
    Wish { retry_schedule_ms: vec![1_000], ..wish(Mode::Queue) }
}

fn refuse(rig: &mut Rig, seq: Seq, attempt: u32, failure: Failure) {
    rig.state.refuse(SessionId(1), Rig::lease(seq, attempt), failure, rig.now_ms);
}

#[test]
fn one_of_each_key_is_handed_out_and_the_next_when_it_is_settled() {
    let mut rig = rig(5, quick());
    assert_eq!(rig.run(), [(1, 1, 1), (1, 2, 1)]);
    assert_eq!(rig.acknowledge(2, 1), LeaseOutcome::Accepted);
    assert_eq!(rig.run(), [(1, 4, 1)]);
    assert_eq!(rig.acknowledge(3, 1), LeaseOutcome::Expired, "it was not handed out");
    assert_eq!(rig.acknowledge(1, 1), LeaseOutcome::Accepted);
    assert_eq!(rig.run(), [(1, 3, 1)]);
    assert_eq!(rig.acknowledge(3, 1), LeaseOutcome::Accepted);
    assert_eq!(rig.run(), [(1, 5, 1)]);
    rig.acknowledge(4, 1);
    rig.acknowledge(5, 1);
    rig.log = 6;
    rig.state.log_has_moved(NODE);
    rig.state.act(0);
    rig.state.take_page(NODE, 5, page(6, 6));
    assert_eq!(rig.run(), [(1, 6, 1)], "a line that was empty begins anew");
}

#[test]
fn what_is_tried_again_holds_its_key_back_and_no_other() {
    let mut rig = rig(4, quick());
    assert_eq!(rig.run(), [(1, 1, 1), (1, 2, 1)]);
    refuse(&mut rig, 1, 1, Failure::Refused { delay_ms: None });
    assert_eq!(rig.run(), []);
    rig.acknowledge(2, 1);
    assert_eq!(rig.run(), [(1, 4, 1)]);
    rig.now_ms = 1_000;
    assert_eq!(rig.run(), [(1, 1, 2)], "not 3");
    rig.now_ms = 1_000 + 30_000;
    assert_eq!(rig.run(), [], "its lease is over");
    rig.now_ms += 1_000;
    let mut again = rig.run();
    again.sort_unstable();
    assert_eq!(again, [(1, 1, 3), (1, 4, 2)]);
    rig.acknowledge(1, 3);
    assert_eq!(rig.run(), [(1, 3, 1)]);
}

#[test]
fn a_dead_letter_and_what_is_given_up_let_their_keys_go_on() {
    let dead_letter_node = Some(NodeName::new("$dead").unwrap());
    let nodes = vec![NodePattern::new("node-7").unwrap()];
    let mut rig = rig(3, Wish { attempts_max: Some(1), dead_letter_node, nodes, ..quick() });
    assert_eq!(rig.run(), [(1, 1, 1), (1, 2, 1)]);
    refuse(&mut rig, 1, 1, Failure::Refused { delay_ms: None });
    rig.moves(true);
    let actions = rig.state.act(0);
    assert!(matches!(&*actions, [Action::DeadLetter { seq: 1, .. }]), "{actions:?}");
    assert_eq!(rig.run(), [], "it is not on disk yet");
    rig.state.letter_ended(NODE, 1);
    rig.state.dead_lettered(NODE, 1);
    assert_eq!(rig.run(), [(1, 3, 1)]);
    rig.state.redrive(vec![(NODE, 1, Some(key(1)))], 0);
    assert_eq!(rig.run(), [], "it waits for its turn, too");
    rig.acknowledge(3, 1);
    assert_eq!(rig.run(), [(1, 1, 1)]);

    let mut rig = self::rig(3, quick());
    rig.run();
    refuse(&mut rig, 1, 1, Failure::Terminated);
    assert_eq!(rig.run(), [(1, 3, 1)], "given up without a dead-letter node");
}

#[test]
fn the_only_event_that_is_out_may_be_given_up() {
    let mut rig = self::rig(2, Wish { in_flight_max: Some(1), ..quick() });
    assert_eq!(rig.run(), [(1, 1, 1)]);
    refuse(&mut rig, 1, 1, Failure::Terminated);
    assert_eq!(rig.run(), [(1, 2, 1)], "its place is free, and no more than that");
    assert_eq!(rig.run(), []);
}

#[test]
fn what_never_left_and_what_is_gone_keep_the_order() {
    let mut rig = rig(5, quick());
    rig.run();
    rig.state.detach(SessionId(1), &[Rig::lease(1, 1)]);
    rig.attach(2, 9);
    assert_eq!(rig.run(), [(2, 1, 1)], "2 keeps its lease");
    refuse(&mut rig, 1, 1, Failure::Refused { delay_ms: Some(0) });
    let actions = rig.state.act(0);
    assert!(matches!(&*actions, [Action::ReadOne { seq: 1, .. }]), "{actions:?}");
    rig.state.take_event(NODE, 1, None);
    assert_eq!(rig.run(), [(2, 3, 1)]);
}

#[test]
fn the_order_outlasts_a_restart() {
    let mut rig = rig(5, quick());
    rig.run();
    let (cursor, put, _) = rig.moves(true);
    assert_eq!(
        (cursor, put),
        (Some(5), vec![(1, 1, true), (2, 1, true), (3, 0, false), (4, 0, false), (5, 0, false)])
    );
    let row = |seq, attempts| DeliveryRow {
        node: NODE,
        seq,
        attempts,
        is_leased: attempts > 0,
        due_at_ms: if attempts > 0 { LEASE_MS } else { 0 },
        generation: GENERATION,
        order_key: Some(key(seq)),
    };
    let mut state = ConsumerState::new(rig.state.config.clone(), 100, GENERATION, false);
    state.add_node(facts(NODE.0), 5, None);
    // 1 was redriven while 3 was under way.
    state.add_rows(vec![row(1, 0), row(2, 0), row(3, 1), row(4, 0), row(5, 0)]);
    rig.state = state;
    rig.attach(1, 9);
    assert_eq!(rig.run(), [(1, 2, 1)]);
    assert_eq!(rig.acknowledge(3, 1), LeaseOutcome::Accepted, "a lease of before");
    assert_eq!(rig.run(), [(1, 1, 1)]);
    rig.acknowledge(1, 1);
    assert_eq!(rig.run(), [(1, 5, 1)]);
}

#[test]
fn those_that_are_held_back_are_bounded_with_all_that_is_unsettled() {
    let mut rig = Rig::with(&Wish { key_ordered: true, ..quick() }, 0);
    rig.attach(1, 999);
    rig.state.act(0);
    let mut page = Page::new((1..=300).map(event).collect(), 0);
    page.order(|_| Some(OrderKey(0)));
    rig.state.take_page(NODE, 0, page);
    assert_eq!(rig.run(), [(1, 1, 1)]);
    assert_eq!(rig.moves(true).0, Some(100), "one is leased, 99 are held back, and nothing more is taken");
    for seq in 1..=150 {
        assert_eq!(rig.acknowledge(seq, 1), LeaseOutcome::Accepted);
        assert_eq!(rig.run(), [(1, seq + 1, 1)]);
    }
}

#[test]
fn events_of_no_key_stand_in_no_line() {
    let mut rig = Rig::with(&Wish { key_ordered: true, ..quick() }, 2);
    rig.attach(1, 9);
    assert_eq!(rig.run(), [(1, 1, 1), (1, 2, 1)]);
}
