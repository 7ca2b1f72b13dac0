use super::*;

fn barriers(every_stanzas: u32) -> Barriers {
    let ends =
        BarrierEnds { domain: "events.localhost".to_owned(), host: "localhost".to_owned(), every_stanzas };
    Barriers::new(&ends, 0xabc)
}

fn place(barriers: &mut Barriers) -> String {
    let mut out = Vec::new();
    barriers.place(Instant::now(), &mut out);
    String::from_utf8(out).unwrap()
}

fn id(number: u64) -> String {
    format!("b00000000000000000000000000000abc-{number}")
}

#[test]
fn a_barrier_is_a_ping_to_the_host() {
    let expected = "<iq type='get' from='events.localhost' to='localhost' \
                    id='b00000000000000000000000000000abc-0'><ping xmlns='urn:xmpp:ping'/></iq>";
    assert_eq!(place(&mut barriers(10)), expected);
}

#[test]
fn one_is_due_when_something_is_unproven_and_none_is_in_flight() {
    let mut barriers = barriers(10);
    assert!(barriers.is_due_at_rest() && !barriers.has_answer(), "the first one of a stream");
    place(&mut barriers);
    assert!(!barriers.is_due_at_rest());
    barriers.answer(&id(0)).unwrap();
    assert!(!barriers.is_due_at_rest() && barriers.has_answer());
    barriers.notification_placed(1);
    assert!(barriers.is_due_at_rest());
    place(&mut barriers);
    barriers.notification_placed(2);
    assert!(!barriers.is_due_at_rest());
    barriers.answer(&id(1)).unwrap();
    assert!(barriers.is_due_at_rest());
}

#[test]
fn one_is_due_after_every_so_many_notifications_also_behind_another() {
    let mut barriers = barriers(2);
    barriers.notification_placed(1);
    place(&mut barriers);
    barriers.notification_placed(2);
    assert!(!barriers.is_due());
    barriers.notification_placed(3);
    assert!(barriers.is_due());
}

#[test]
fn an_answer_proves_what_stood_before_its_own_barrier() {
    let mut barriers = barriers(1);
    barriers.notification_placed(7);
    place(&mut barriers);
    barriers.notification_placed(8);
    place(&mut barriers);
    barriers.notification_placed(9);
    assert_eq!(
        barriers.answer(&id(0)),
        Some(Proof { barriers: 1, through_ticket: Some(7), longest_bytes: 0 })
    );
    assert_eq!(
        barriers.answer(&id(1)),
        Some(Proof { barriers: 1, through_ticket: Some(8), longest_bytes: 0 })
    );
    assert!(!barriers.is_settled());
}

#[test]
fn a_later_answer_stands_for_a_lost_one() {
    let mut barriers = barriers(1);
    for ticket in 1..=3 {
        barriers.notification_placed(ticket);
        place(&mut barriers);
    }
    assert_eq!(
        barriers.answer(&id(2)),
        Some(Proof { barriers: 3, through_ticket: Some(3), longest_bytes: 0 })
    );
    assert_eq!(barriers.answer(&id(0)), Some(Proof { barriers: 0, through_ticket: None, longest_bytes: 0 }));
    assert!(barriers.is_settled());
}

#[test]
fn a_ping_without_notifications_proves_nothing_new() {
    let mut barriers = barriers(1);
    barriers.notification_placed(1);
    place(&mut barriers);
    barriers.answer(&id(0)).unwrap();
    barriers.want();
    assert!(barriers.is_due_at_rest());
    place(&mut barriers);
    assert_eq!(barriers.answer(&id(1)), Some(Proof { barriers: 1, through_ticket: None, longest_bytes: 0 }));
}

#[test]
fn ids_of_others_are_not_ours() {
    let mut barriers = barriers(1);
    barriers.notification_placed(1);
    place(&mut barriers);
    for id in ["", "0", "b00000000000000000000000000000abc-", "b00000000000000000000000000000abd-0", "ping-0"]
    {
        assert_eq!(barriers.answer(id), None);
    }
    assert!(!barriers.is_settled());
}

#[test]
fn unanswered_barriers_are_bounded() {
    let mut barriers = barriers(1);
    while barriers.has_room() {
        place(&mut barriers);
    }
    assert_eq!(barriers.in_flight.len(), IN_FLIGHT_MAX);
    barriers.answer(&id(0)).unwrap();
    assert!(barriers.has_room());
}

#[test]
fn the_longest_stanza_that_is_unproven_is_known() {
    let mut barriers = barriers(10);
    barriers.stanza_placed(70);
    barriers.stanza_placed(20);
    place(&mut barriers);
    barriers.stanza_placed(50);
    assert_eq!(barriers.longest_unproven_bytes(), 70);
    assert_eq!(barriers.answer(&id(0)).unwrap().longest_bytes, 70);
    assert_eq!(barriers.longest_unproven_bytes(), 50);
}
