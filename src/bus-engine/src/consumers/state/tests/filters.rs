//! Events that a filter leaves out.

use super::*;

/// A page of this log where only these events pass.
fn page(read: std::ops::RangeInclusive<Seq>, passing: &[Seq]) -> Page {
    let mut page = Page::new(read.map(event).collect(), 0);
    page.sift(|event| passing.contains(&event.seq));
    page
}

/// What the next page would be read behind.
fn asked(rig: &mut Rig) -> Option<Seq> {
    rig.state.act(rig.now_ms).into_iter().find_map(|action| match action {
        Action::Read { after_seq, .. } => Some(after_seq),
        _ => None,
    })
}

#[test]
fn what_does_not_pass_is_settled_without_credit_or_rows() {
    let mut rig = Rig::queue(0);
    rig.attach(1, 1);
    assert_eq!(asked(&mut rig), Some(0));
    assert!(rig.state.take_page(NODE, 0, page(1..=9, &[])).is_none(), "no gap");
    assert_eq!(rig.moves(true), (Some(9), vec![], vec![]));
    assert_eq!(asked(&mut rig), Some(9), "and it reads on");
    rig.state.take_page(NODE, 9, page(10..=19, &[15]));
    let actions = rig.state.act(0);
    assert!(
        matches!(&*actions, [Action::Deliver { events, .. }] if events[0].event.seq == 15),
        "{actions:?}"
    );
    assert_eq!(rig.moves(true), (Some(19), vec![(15, 1, true)], vec![]), "the credit is used up");
    rig.credit(1, 1);
    assert_eq!(asked(&mut rig), Some(19));
    rig.state.take_page(NODE, 19, Page::new(vec![], 0));
    assert_eq!(rig.acknowledge(15, 1), LeaseOutcome::Accepted);
    assert_eq!(rig.moves(true).2, Vec::<Seq>::new());
    assert!(!rig.state.wants_flush());
}

#[test]
fn a_streams_position_passes_over_once_what_was_sent_is_committed() {
    let mut rig = Rig::with(&wish(Mode::Stream), 0);
    rig.state.attach(SessionId(1), "").unwrap();
    rig.credit(1, 9);
    asked(&mut rig);
    rig.state.take_page(NODE, 0, page(1..=4, &[]));
    assert_eq!(rig.moves(false).0, Some(4), "nothing is left to commit");
    asked(&mut rig);
    rig.state.take_page(NODE, 4, page(5..=9, &[6, 7]));
    asked(&mut rig);
    assert_eq!(rig.moves(false).0, None, "6 was sent, and not committed");
    rig.state.commit(SessionId(1), NODE, 6).unwrap();
    assert_eq!(rig.moves(false).0, Some(6));
    rig.state.commit(SessionId(1), NODE, 7).unwrap();
    assert_eq!(rig.moves(false).0, Some(9));
    rig.state.take_page(NODE, 9, page(12..=20, &[]));
    assert_eq!(rig.moves(false).0, None, "whoever comes next is told of the gap, too");
    rig.state.detach(SessionId(1), &[]);
    rig.attach(2, 9);
    assert_eq!(asked(&mut rig), Some(9));
}

#[test]
fn items_that_do_not_pass_are_passed_over_too() {
    let mut rig = Rig::queue(0);
    rig.state.add_node(facts(8), 0, Some(6));
    rig.attach(1, 9);
    rig.state.act(0);
    rig.state.take_items(NodeId(8), 0, page(2..=5, &[]));
    let actions = rig.state.act(0);
    let [Action::Read { after_seq: 5, items_through_seq: Some(6), .. }] = &*actions else {
        panic!("{actions:?}")
    };
    rig.state.take_items(NodeId(8), 5, Page::new(vec![], 0));
    let actions = rig.state.act(0);
    let [Action::Read { after_seq: 6, items_through_seq: None, .. }] = &*actions else {
        panic!("{actions:?}")
    };
}
