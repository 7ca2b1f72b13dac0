use super::*;

#[test]
fn what_was_on_disk_goes_on_where_it_was() {
    let mut rig = Rig::queue(6);
    let mut state = ConsumerState::new(rig.state.config.clone(), 100, GENERATION + 1, false);
    state.add_node(facts(NODE.0), 4, None);
    let row = |seq, is_leased, due_at_ms| DeliveryRow {
        node: NODE,
        seq,
        attempts: 2,
        is_leased,
        due_at_ms,
        generation: GENERATION,
        order_key: None,
    };
    state.add_rows(vec![row(2, true, 50), row(3, false, 20)]);
    rig.state = state;
    rig.attach(1, 9);
    assert_eq!(rig.run(), [(1, 5, 1), (1, 6, 1)]);
    assert_eq!(rig.acknowledge(2, 2), LeaseOutcome::Accepted, "a lease of before");
    rig.now_ms = 20;
    assert_eq!(rig.run(), [(1, 3, 3)]);
    assert_eq!(rig.acknowledge(3, 3), LeaseOutcome::Expired, "it was leased in the life of before");
    let now = LeaseId { generation: GENERATION + 1, ..Rig::lease(3, 3) };
    rig.state.acknowledge(SessionId(1), now);
    assert_eq!(rig.moves(true).2, [3]);
}

#[test]
fn a_lease_of_before_a_crash_or_a_redrive_acknowledges_nothing() {
    let mut rig = Rig::queue(2);
    rig.attach(1, 9);
    assert_eq!(rig.run().len(), 2);
    rig.state = ConsumerState::new(rig.state.config.clone(), 100, GENERATION + 1, false);
    rig.state.add_node(facts(NODE.0), 0, None);
    rig.attach(1, 9);
    assert_eq!(rig.acknowledge(1, 1), LeaseOutcome::Unknown, "nothing was handed out in this life");
    assert_eq!(rig.run(), [(1, 1, 1), (1, 2, 1)], "no row was written before the crash");
    assert_eq!(rig.acknowledge(1, 1), LeaseOutcome::Expired);
    rig.state.refuse(SessionId(1), Rig::lease(1, 1), Failure::Terminated, 0);
    assert_eq!(rig.outcome(), LeaseOutcome::Expired);
    let now = |generation| LeaseId { generation, ..Rig::lease(1, 1) };
    rig.state.acknowledge(SessionId(1), now(GENERATION + 1));
    assert_eq!(rig.outcome(), LeaseOutcome::Accepted);
    rig.state.redrive(vec![(NODE, 1, None)], 0);
    for zero in [LeaseId { attempt: 0, ..now(GENERATION + 2) }, now(GENERATION + 1)] {
        rig.state.acknowledge(SessionId(1), zero);
        assert_eq!(rig.outcome(), LeaseOutcome::Expired, "{zero:?}");
    }
    assert_eq!(rig.run(), [(1, 1, 1)]);
    rig.state.acknowledge(SessionId(1), now(GENERATION + 1));
    assert_eq!(rig.outcome(), LeaseOutcome::Expired);
    rig.state.acknowledge(SessionId(1), now(GENERATION + 2));
    assert_eq!(rig.outcome(), LeaseOutcome::Accepted);
}

#[test]
fn a_paused_one_hands_nothing_out_and_takes_answers() {
    let mut rig = Rig::queue(2);
    rig.attach(1, 1);
    rig.run();
    rig.state.set_paused(true);
    rig.credit(1, 9);
    assert_eq!(rig.run(), []);
    assert_eq!(rig.acknowledge(1, 1), LeaseOutcome::Accepted);
    rig.state.set_paused(false);
    assert_eq!(rig.run(), [(1, 2, 1)]);
}

#[test]
fn a_stream_has_one_reader_and_goes_on_where_it_was_committed() {
    let mut rig = Rig::with(&wish(Mode::Stream), 4);
    rig.state.attach(SessionId(1), "w").unwrap();
    rig.credit(1, 3);
    assert_eq!(rig.run(), [(1, 1, 0), (1, 2, 0), (1, 3, 0)]);
    assert!(rig.state.commit(SessionId(1), NODE, 4).is_err(), "not sent yet");
    assert!(rig.state.commit(SessionId(1), NodeId(8), 1).is_err(), "no node of it");
    rig.state.commit(SessionId(1), NODE, 2).unwrap();
    rig.state.commit(SessionId(1), NODE, 1).unwrap();
    let moves = rig.state.take_moves(false);
    assert_eq!((moves.cursors[0].through_seq, moves.put.len()), (2, 0));
    assert_eq!(rig.state.stored(), [Stored::Committed(SessionId(1), NODE, Epoch(3), 2)], "coalesced");
    assert_eq!(rig.state.attach(SessionId(2), "other"), Err(ConsumerError::InUse));
    assert_eq!(rig.state.attach(SessionId(3), "w"), Ok(vec![SessionId(1)]));
    rig.state.detach(SessionId(1), &[]);
    rig.credit(3, 9);
    assert_eq!(rig.run(), [(3, 3, 0), (3, 4, 0)]);
}

#[test]
fn a_gap_is_told_and_passed() {
    let mut rig = Rig::queue(0);
    rig.attach(1, 9);
    rig.run();
    let told = rig.state.take_page(NODE, 0, Page::new(vec![event(5)], 0));
    assert!(matches!(told, Some(Action::Gap { first_seq: 5, .. })), "{told:?}");
    assert_eq!(rig.run(), [(1, 5, 1)]);
    let told = rig.state.take_page(NODE, 5, Page::new(vec![], 9));
    assert!(matches!(told, Some(Action::Gap { first_seq: 10, .. })), "{told:?}");
    assert_eq!(rig.moves(true).0, Some(9));
}

#[test]
fn a_busy_node_does_not_starve_another() {
    let mut rig = Rig::queue(9);
    rig.state.add_node(facts(8), 0, None);
    rig.state.attach(SessionId(1), "").unwrap();
    let mut nodes = Vec::new();
    for _ in 0..4 {
        rig.credit(1, 1);
        loop {
            let actions = rig.state.act(0);
            if actions.is_empty() {
                break;
            }
            for action in actions {
                match action {
                    Action::Read { facts, after_seq, .. } => {
                        let events = (after_seq + 1..=9).map(event).collect();
                        rig.state.take_page(facts.id, after_seq, Page::new(events, 0));
                    }
                    Action::Deliver { events, .. } => nodes.extend(events.iter().map(|it| it.facts.id.0)),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    assert_eq!(nodes, [7, 8, 7, 8]);
}

#[test]
fn items_come_before_the_log_and_what_lies_between_them_is_no_gap() {
    let mut rig = Rig::queue(0);
    rig.state.add_node(facts(8), 0, Some(6));
    rig.attach(1, 9);
    let asked = |actions: Vec<Action>| {
        actions.into_iter().find_map(|action| match action {
            Action::Read { facts, after_seq, items_through_seq } if facts.id == NodeId(8) => {
                Some((after_seq, items_through_seq))
            }
            _ => None,
        })
    };
    assert_eq!(asked(rig.state.act(0)), Some((0, Some(6))));
    rig.state.take_items(NodeId(8), 0, Page::new(vec![event(2), event(5)], 0));
    let actions = rig.state.act(0);
    assert!(actions.iter().any(|it| matches!(it, Action::Deliver { events, .. } if events.len() == 2)));
    assert_eq!(asked(actions), Some((5, Some(6))));
    rig.state.take_items(NodeId(8), 5, Page::new(vec![], 0));
    assert_eq!(asked(rig.state.act(0)), Some((6, None)), "the log");
}
