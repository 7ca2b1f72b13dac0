use std::sync::Arc;

use tokio::sync::Semaphore;

use super::*;
use crate::barrier::BarrierEnds;

struct Lanes {
    outbound: Outbound,
    room: Arc<Semaphore>,
    now: Instant,
}

/// Lanes on an open stream, generation 1, on which the first barrier is answered, whose notification lane holds three notifications of ten bytes.
fn lanes(every_stanzas: u32) -> Lanes {
    let limits = LinkLimits {
        outbound_stanza_bytes_max: 95,
        notification_lane_bytes_max: 3 * (10 + STANZA_OVERHEAD_BYTES),
        ..LinkLimits::default()
    };
    let mut lanes = Lanes {
        outbound: Outbound::new(&limits, 0),
        room: Arc::new(Semaphore::new(1_000_000)),
        now: Instant::now(),
    };
    lanes.open(1, every_stanzas);
    lanes
}

impl Lanes {
    fn open(&mut self, generation: u64, every_stanzas: u32) {
        self.accept(generation, every_stanzas);
        let mut out = Vec::new();
        self.outbound.stage(self.now, &mut out);
        self.outbound.written(out.len());
        self.answer_first();
    }

    fn answer_first(&mut self) {
        let answer = self.outbound.take_answer(&format!("b{:032x}-0", 0));
        assert!(matches!(answer, Answer::Proof(_)), "{answer:?}");
    }

    /// A stream on which nothing is answered yet.
    fn accept(&mut self, generation: u64, every_stanzas: u32) {
        let ends = BarrierEnds { domain: "e".to_owned(), host: "h".to_owned(), every_stanzas };
        self.outbound.open(generation, Barriers::new(&ends, 0));
    }

    fn reply(&mut self, stanza: &'static str) {
        self.reply_with(stanza, &[]);
    }

    fn reply_with(&mut self, stanza: &'static str, behind: &[&'static str]) {
        let bytes = u32::try_from(stanza.len()).unwrap();
        let room = Arc::clone(&self.room).try_acquire_many_owned(bytes).unwrap();
        let of = |stanza: &'static str| Bytes::from_static(stanza.as_bytes());
        let behind = behind.iter().copied().map(of).collect();
        self.outbound.push_reply(QueuedReply { stanza: of(stanza), behind, _room: room }).unwrap();
    }

    fn notify(&mut self, ticket: u64, stanza: &'static str) -> Result<bool, NotifyRefused> {
        self.outbound.push_notification(1, ticket, Notification::new([Bytes::from_static(stanza.as_bytes())]))
    }

    /// What is written next without the padding behind it, each barrier shown as `|` and its number behind the first
    /// one of the stream, which is `|!`.
    fn stage(&mut self) -> String {
        self.stage_padded().0
    }

    /// As [`Self::stage`], and the length of the padding.
    fn stage_padded(&mut self) -> (String, usize) {
        let mut out = Vec::new();
        self.outbound.stage(self.now, &mut out);
        let text = String::from_utf8(out).unwrap();
        let stanzas = text.trim_end_matches(' ');
        let head = format!("<iq type='get' from='e' to='h' id='b{:032x}-", 0);
        let mut pieces = stanzas.split(&head);
        let mut shown = pieces.next().unwrap().to_owned();
        for piece in pieces {
            let (number, rest) = piece.split_once("'><ping xmlns='urn:xmpp:ping'/></iq>").unwrap();
            let number: u64 = number.parse().unwrap();
            let number = number.checked_sub(1).map_or_else(|| "!".to_owned(), |number| number.to_string());
            shown = format!("{shown}|{number}{rest}");
        }
        (shown, text.len() - stanzas.len())
    }

    fn answer(&mut self, number: u64) -> Option<u64> {
        match self.outbound.take_answer(&format!("b{:032x}-{}", 0, number + 1)) {
            Answer::Proof(proof) => proof.through_ticket,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn notifications_wait_for_the_first_answer_of_a_stream() {
    let mut lanes = lanes(10);
    lanes.outbound.lose_stream();
    lanes.accept(1, 10);
    lanes.notify(1, "<n1/>").unwrap();
    lanes.reply("<r1/>");
    assert_eq!(lanes.stage(), "<r1/>|!");
    assert_eq!(lanes.stage(), "", "one is enough");
    lanes.answer_first();
    assert_eq!(lanes.stage(), "<n1/>|0");
}

#[test]
fn replies_overtake_notifications_and_a_barrier_ends_the_round() {
    let mut lanes = lanes(10);
    lanes.notify(1, "<n1/>").unwrap();
    lanes.notify(2, "<n2/>").unwrap();
    lanes.reply("<r1/>");
    assert_eq!(lanes.stage(), "<r1/><n1/><n2/>|0");
    assert_eq!(lanes.stage(), "");
    assert_eq!(lanes.answer(0), Some(2));
}

#[test]
fn replies_alone_need_no_barrier() {
    let mut lanes = lanes(10);
    lanes.reply("<r1/>");
    assert_eq!(lanes.stage(), "<r1/>");
}

#[test]
fn barriers_stand_in_the_order_of_notifications() {
    let mut lanes = lanes(2);
    for ticket in 1..=3 {
        lanes.notify(ticket, "<n/>").unwrap();
    }
    assert_eq!(lanes.stage(), "<n/><n/>|0<n/>");
    assert_eq!(lanes.answer(0), Some(2));
    assert_eq!(lanes.stage(), "|1");
    assert_eq!(lanes.answer(1), Some(3));
}

#[test]
fn the_parts_of_a_notification_are_written_back_to_back() {
    let mut lanes = lanes(10);
    let parts = ["<n>", "shared", "</n>"].map(|part| Bytes::from_static(part.as_bytes()));
    lanes.outbound.push_notification(1, 1, Notification::new(parts)).unwrap();
    assert_eq!(lanes.stage(), "<n>shared</n>|0");
}

#[test]
fn the_notification_lane_is_bounded_and_frees_itself_by_writing() {
    let mut lanes = lanes(10);
    for ticket in 1..=3 {
        assert!(lanes.notify(ticket, "0123456789").is_ok());
    }
    assert_eq!(lanes.notify(4, "0"), Err(NotifyRefused::Full));
    let version = lanes.outbound.version();
    assert!(!lanes.outbound.is_ready_since(version));
    lanes.stage();
    assert!(lanes.outbound.is_ready_since(version));
    assert_eq!(lanes.outbound.statistics().notification_lane_bytes, 0);
    assert_eq!(lanes.notify(4, "0"), Ok(true));
}

#[test]
fn a_notification_over_the_stanza_limit_is_refused() {
    let mut lanes = lanes(10);
    let exact = Notification::new([Bytes::from(vec![b'x'; 95])]);
    assert!(lanes.outbound.push_notification(1, 1, exact).is_ok());
    let over = Notification::new([Bytes::from(vec![b'x'; 95]), Bytes::from_static(b"x")]);
    let refused = lanes.outbound.push_notification(1, 2, over);
    assert_eq!(refused, Err(NotifyRefused::TooLarge { bytes: 96, bytes_max: 95 }));
}

#[test]
fn a_notification_for_another_stream_is_refused() {
    let mut lanes = lanes(10);
    let version = lanes.outbound.version();
    lanes.notify(1, "<n/>").unwrap();
    lanes.outbound.lose_stream();
    assert_eq!(lanes.notify(2, "<n/>"), Err(NotifyRefused::Down));
    assert!(lanes.outbound.is_ready_since(version));
    lanes.open(2, 10);
    assert_eq!(lanes.notify(2, "<n/>"), Err(NotifyRefused::Down));
    assert_eq!(lanes.stage(), "", "what the old stream had queued is gone");
}

#[test]
fn replies_that_a_stream_did_not_take_go_out_on_the_next_in_order() {
    let mut lanes = lanes(10);
    for reply in ["<r1/>", "<r2/>", "<r3/>"] {
        lanes.reply(reply);
    }
    assert_eq!(lanes.stage(), "<r1/><r2/><r3/>");
    lanes.reply("<r4/>");
    lanes.outbound.written(9);
    lanes.outbound.lose_stream();
    lanes.accept(2, 10);
    assert_eq!(lanes.stage(), "<r2/><r3/><r4/>|!");
}

#[test]
fn a_reply_gives_its_room_back_when_it_is_written() {
    let mut lanes = lanes(10);
    lanes.reply("<r1/>");
    lanes.stage();
    assert_eq!(lanes.room.available_permits(), 999_995);
    lanes.outbound.written(4);
    assert_eq!(lanes.room.available_permits(), 999_995);
    lanes.outbound.written(1);
    assert_eq!(lanes.room.available_permits(), 1_000_000);
}

#[test]
fn one_round_is_bounded() {
    let mut lanes = lanes(10);
    lanes.room.add_permits(1_000_000);
    for _ in 0..WRITE_BYTES {
        lanes.reply("<r/>");
    }
    assert_eq!(lanes.stage().len(), WRITE_BYTES);
}

#[test]
fn a_round_at_rest_ends_with_padding_and_one_that_was_cut_short_does_not() {
    let mut lanes = lanes(10);
    lanes.room.add_permits(1_000_000);
    for _ in 0..=WRITE_BYTES / 4 {
        lanes.reply("<r/>");
    }
    assert_eq!(lanes.stage_padded().1, 0, "more follows at once");
    assert_eq!(lanes.stage_padded(), ("<r/>".to_owned(), 4));
    assert_eq!(lanes.stage_padded(), (String::new(), 0), "once");
}

#[test]
fn padding_that_a_full_round_owes_comes_with_the_next() {
    let mut lanes = lanes(10);
    lanes.room.add_permits(1_000_000);
    for _ in 0..WRITE_BYTES / 4 {
        lanes.reply("<r/>");
    }
    assert_eq!(lanes.stage_padded().1, 0);
    assert_eq!(lanes.stage_padded(), (String::new(), 4));
}

#[test]
fn padding_does_not_wait_for_notifications_that_wait_for_an_answer() {
    let mut lanes = lanes(1);
    for ticket in 1.. {
        lanes.notify(ticket, "<n/>").unwrap();
        let (_, padding) = lanes.stage_padded();
        if !lanes.outbound.notifications.is_empty() {
            break;
        }
        assert!(padding > 0, "of notification {ticket}");
    }
    lanes.reply("<r/>");
    assert_eq!(lanes.stage_padded(), ("<r/>".to_owned(), 4), "the answer may depend on it");
}

#[test]
fn padding_belongs_to_its_stream() {
    let mut lanes = lanes(10);
    lanes.room.add_permits(1_000_000);
    for _ in 0..WRITE_BYTES / 4 {
        lanes.reply("<r/>");
    }
    lanes.stage();
    lanes.outbound.written(WRITE_BYTES);
    lanes.outbound.lose_stream();
    lanes.open(2, 10);
    assert_eq!(lanes.stage_padded(), (String::new(), 0));
}

#[test]
fn notifications_wait_when_too_many_barriers_are_unanswered() {
    let mut lanes = lanes(1);
    let mut ticket = 0;
    while lanes.outbound.notifications.is_empty() {
        ticket += 1;
        lanes.notify(ticket, "<n/>").unwrap();
        lanes.stage();
        assert!(ticket < 1000);
    }
    assert_eq!(lanes.answer(0), Some(1));
    assert!(lanes.stage().contains("<n/>"));
}

#[test]
fn a_draining_stream_takes_replies_only_and_is_drained_when_all_is_proven() {
    let mut lanes = lanes(10);
    lanes.notify(1, "<n1/>").unwrap();
    lanes.outbound.drain();
    assert_eq!(lanes.notify(2, "<n2/>"), Err(NotifyRefused::Down));
    lanes.reply("<r1/>");
    assert!(!lanes.outbound.is_drained());
    assert_eq!(lanes.stage(), "<r1/><n1/>|0");
    assert!(!lanes.outbound.is_drained());
    lanes.answer(0);
    assert!(lanes.outbound.is_drained());
}

#[test]
fn a_wanted_barrier_goes_out_alone() {
    let mut lanes = lanes(10);
    lanes.outbound.want_barrier();
    assert_eq!(lanes.stage(), "|0");
    assert_eq!(lanes.answer(0), None);
}

#[test]
fn an_answer_is_overdue_from_the_oldest_barrier_without_one() {
    let mut lanes = lanes(1);
    let limit = Duration::from_millis(LinkLimits::default().dead_after_ms);
    assert_eq!(lanes.outbound.proof_overdue(lanes.now + limit), None, "nothing was asked");
    let first = lanes.now;
    for (ticket, stanza) in [(1, "<n1/>"), (2, "<n2/>")] {
        lanes.notify(ticket, stanza).unwrap();
        lanes.stage();
        lanes.now += Duration::from_secs(1);
    }
    assert_eq!(lanes.outbound.statistics().barriers_unanswered, 2);
    assert_eq!(lanes.outbound.proof_overdue(first + limit - Duration::from_millis(1)), None);
    assert_eq!(lanes.outbound.proof_overdue(first + limit), Some(limit));
    lanes.answer(0);
    assert_eq!(lanes.outbound.statistics().barriers_unanswered, 1);
    assert_eq!(lanes.outbound.proof_overdue(first + limit), None, "the second is younger");
    lanes.outbound.lose_stream();
    assert_eq!(lanes.outbound.proof_overdue(first + limit * 2), None, "nobody is there to answer");
    assert_eq!(lanes.outbound.statistics().barriers_unanswered, 0);
}

#[test]
fn a_closed_link_takes_nothing() {
    let mut lanes = lanes(10);
    lanes.outbound.close();
    let room = Arc::clone(&lanes.room).try_acquire_owned().unwrap();
    let refused =
        lanes.outbound.push_reply(QueuedReply { stanza: Bytes::new(), behind: Vec::new(), _room: room });
    assert_eq!(refused, Err(ReplyRefused::Closed));
    assert_eq!(lanes.notify(1, "<n/>"), Err(NotifyRefused::Down));
}

#[test]
fn what_belongs_together_leaves_on_one_stream() {
    let mut lanes = lanes(10);
    lanes.reply_with("<e1/>", &["<e2/>", "<fin/>"]);
    assert_eq!(lanes.stage(), "<e1/><e2/><fin/>");
    lanes.outbound.written("<e1/><e2/>".len());
    lanes.outbound.lose_stream();
    lanes.accept(2, 10);
    assert_eq!(lanes.stage(), "<e1/><e2/><fin/>|!", "again, as a whole");
}

#[test]
fn one_stanza_that_is_too_long_takes_with_it_what_it_belongs_to() {
    let mut lanes = lanes(10);
    let long: &'static str = Box::leak("x".repeat(100_000).into_boxed_str());
    lanes.reply_with("<e1/>", &[long, "<fin/>"]);
    lanes.reply("<r1/>");
    for generation in [2, 3] {
        assert!(lanes.stage().contains(long), "tried twice");
        lanes.outbound.stanza_refused();
        lanes.outbound.lose_stream();
        lanes.accept(generation, 10);
    }
    assert_eq!(lanes.stage(), "<r1/>|!", "the rest of it went with the long one");
}

#[test]
fn a_flood_of_replies_leaves_room_for_notifications() {
    let mut lanes = lanes(10);
    let reply: &'static str = Box::leak("r".repeat(WRITE_BYTES / 2).into_boxed_str());
    lanes.notify(1, "<n1/>").unwrap();
    for rounds in 1.. {
        lanes.reply(reply);
        lanes.reply(reply);
        let staged = lanes.stage();
        lanes.outbound.written(staged.len());
        if staged.contains("<n1/>") {
            assert_eq!(rounds, 1 + REPLIES_IN_A_ROW_BYTES / WRITE_BYTES, "then it is their turn");
            return;
        }
    }
}
