//! One consumer without I/O: what is handed out, to whom, how often, and what must be on disk of it.

mod filters;
mod lines;
mod nodes;

use bus_domain::consumer::ConsumerError;
use bus_domain::consumer::NodePattern;
use bus_domain::consumer::create::{self, Wish};
use bus_domain::consumer::retry::Failure;
use bus_domain::consumer::start::Start;
use bus_domain::{BareJid, Epoch, EventKind, ItemId, Jid, Limits, NodeConfig, NodeName};
use bus_store::DeliveryRow;

use super::*;

const NODE: NodeId = NodeId(7);
const LEASE_MS: i64 = 10_000;
const GENERATION: u64 = 5;

fn facts(id: i64) -> Arc<NodeFacts> {
    Arc::new(NodeFacts {
        id: NodeId(id),
        name: NodeName::new(&format!("node-{id}")).unwrap(),
        epoch: Epoch(3),
        creator: BareJid::new("owner@example.org").unwrap(),
        created_at_ms: 0,
        config: NodeConfig::default(),
        affiliations: Arc::default(),
        rules_version: 1,
        above: None,
        is_orphan: false,
    })
}

fn event(seq: Seq) -> Arc<Event> {
    let item_id = ItemId::new(&format!("item-{seq}")).unwrap();
    event_of(seq, EventKind::Published { item_id, payload: None })
}

fn event_of(seq: Seq, kind: EventKind) -> Arc<Event> {
    let publisher = Jid::new("a@example.org").unwrap();
    let event =
        Event { seq, kind, publisher, published_at_ms: 0, recipients_version: 1, due_after_seq: None };
    Arc::new(event)
}

fn wish(mode: Mode) -> Wish {
    Wish {
        nodes: vec![NodePattern::new(">").unwrap()],
        mode,
        start: Start::Earliest,
        lease_ms: None,
        retry_schedule_ms: vec![],
        attempts_max: None,
        dead_letter_node: None,
        in_flight_max: None,
        filter: None,
        key_ordered: false,
        destination: None,
    }
}

/// A row that is put: position, attempts, whether it is leased.
type Put = (Seq, u32, bool);

/// A queue with leases of 10 seconds, waits of 1 and 5, and a log of so many events.
struct Rig {
    state: ConsumerState,
    log: Seq,
    now_ms: i64,
}

impl Rig {
    fn queue(log: Seq) -> Self {
        let wish = Wish {
            lease_ms: Some(LEASE_MS.unsigned_abs()),
            retry_schedule_ms: vec![1_000, 5_000],
            ..wish(Mode::Queue)
        };
        Self::with(&wish, log)
    }

    fn with(wish: &Wish, log: Seq) -> Self {
        let config = create::decide(wish, &Limits::default()).unwrap();
        let mut state = ConsumerState::new(config, 100, GENERATION, false);
        state.add_node(facts(NODE.0), 0, None);
        Self { state, log, now_ms: 0 }
    }

    fn attach(&mut self, session: u64, messages: u64) {
        self.state.attach(SessionId(session), "").unwrap();
        self.credit(session, messages);
    }

    fn credit(&mut self, session: u64, messages: u64) {
        self.state.add_credit(SessionId(session), Credit { messages, bytes: 1_000_000 });
    }

    /// Does what is asked for until nothing is; says what was handed out.
    fn run(&mut self) -> Vec<(u64, Seq, u32)> {
        let mut handed = Vec::new();
        loop {
            let actions = self.state.act(self.now_ms);
            if actions.is_empty() {
                return handed;
            }
            for action in actions {
                match action {
                    Action::Read { facts, after_seq, .. } => {
                        let events = (after_seq + 1..=self.log).take(3).map(event).collect();
                        self.state.take_page(facts.id, after_seq, Page::new(events, 0));
                    }
                    Action::ReadOne { facts, seq } => self.state.take_event(facts.id, seq, Some(event(seq))),
                    Action::Deliver { session, events } => handed.extend(
                        events
                            .iter()
                            .map(|it| (session.0, it.event.seq, it.lease.map_or(0, |lease| lease.attempt))),
                    ),
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    fn lease(seq: Seq, attempt: u32) -> LeaseId {
        LeaseId { node: NODE, epoch: Epoch(3), seq, attempt, generation: GENERATION }
    }

    fn acknowledge(&mut self, seq: Seq, attempt: u32) -> LeaseOutcome {
        self.state.acknowledge(SessionId(1), Self::lease(seq, attempt));
        self.outcome()
    }

    /// What is reported of the last lease.
    fn outcome(&mut self) -> LeaseOutcome {
        self.state.take_moves(false);
        match &*self.state.stored() {
            [.., Stored::Leases(_, leases)] => leases.last().expect("one").1,
            other => panic!("{other:?}"),
        }
    }

    /// The cursor, the rows that are put (position, attempts, leased) and those that go.
    fn moves(&mut self, is_whole: bool) -> (Option<Seq>, Vec<Put>, Vec<Seq>) {
        let moves = self.state.take_moves(is_whole);
        self.state.stored();
        (
            moves.cursors.first().map(|place| place.through_seq),
            moves.put.iter().map(|(_, row)| (row.seq, row.attempts, row.is_leased)).collect(),
            moves.removed.iter().map(|(_, seq)| *seq).collect(),
        )
    }
}

#[test]
fn workers_share_the_log_as_far_as_their_credit_goes() {
    let mut rig = Rig::queue(5);
    assert_eq!(rig.run(), [], "nobody reads");
    rig.attach(1, 2);
    rig.attach(2, 1);
    assert_eq!(rig.run(), [(1, 1, 1), (1, 3, 1), (2, 2, 1)]);
    rig.credit(2, 9);
    assert_eq!(rig.run(), [(2, 4, 1), (2, 5, 1)]);
    rig.log = 6;
    assert_eq!(rig.run(), [], "nobody has told");
    rig.state.log_has_moved(NODE);
    assert_eq!(rig.run(), [(2, 6, 1)]);
}

#[test]
fn bytes_are_credit_too_and_the_last_event_may_go_over_it() {
    let mut rig = Rig::queue(3);
    rig.state.attach(SessionId(1), "").unwrap();
    rig.state.add_credit(SessionId(1), Credit { messages: 9, bytes: 1 });
    assert_eq!(rig.run(), [(1, 1, 1)]);
    rig.state.add_credit(SessionId(1), Credit { messages: 0, bytes: 10_000 });
    assert_eq!(rig.run(), [(1, 2, 1), (1, 3, 1)]);
}

#[test]
fn what_is_settled_before_it_is_written_costs_no_row() {
    let mut rig = Rig::queue(3);
    rig.attach(1, 9);
    rig.run();
    for seq in 1..=3 {
        rig.state.acknowledge(SessionId(1), Rig::lease(seq, 1));
    }
    assert_eq!(rig.moves(false), (Some(3), vec![], vec![]));
    assert!(!rig.state.wants_flush());
}

#[test]
fn what_is_pending_up_to_the_cursor_has_its_row() {
    let mut rig = Rig::queue(4);
    rig.attach(1, 9);
    rig.run();
    rig.state.acknowledge(SessionId(1), Rig::lease(3, 1));
    assert_eq!(rig.moves(false), (Some(3), vec![(1, 1, true), (2, 1, true)], vec![]), "4 can wait");
    rig.state.acknowledge(SessionId(1), Rig::lease(1, 1));
    assert_eq!(rig.moves(false), (None, vec![], vec![1]));
    assert_eq!(rig.moves(true), (Some(4), vec![(4, 1, true)], vec![]), "what nobody waits for");
    assert_eq!(rig.moves(true), (None, vec![], vec![]));
}

#[test]
fn what_could_not_be_written_is_the_same_when_it_is_asked_for_again() {
    let mut rig = Rig::queue(2);
    rig.attach(1, 9);
    rig.run();
    rig.state.acknowledge(SessionId(1), Rig::lease(1, 1));
    let moves = rig.state.take_moves(false);
    rig.state.acknowledge(SessionId(1), Rig::lease(2, 1));
    assert_eq!(rig.state.take_moves(true), moves);
    assert_eq!(rig.state.stored().len(), 1);
    assert_eq!(rig.moves(false).0, Some(2), "what came meanwhile");
}

#[test]
fn leases_run_out_and_refusals_rest_by_the_same_schedule() {
    let mut rig = Rig::queue(2);
    rig.attach(1, 9);
    assert_eq!(rig.run(), [(1, 1, 1), (1, 2, 1)]);
    rig.state.refuse(SessionId(1), Rig::lease(2, 1), Failure::Refused { delay_ms: None }, 0);
    rig.now_ms = 999;
    assert_eq!(rig.run(), []);
    rig.now_ms = 1_000;
    assert_eq!(rig.run(), [(1, 2, 2)]);
    rig.now_ms = LEASE_MS;
    assert_eq!(rig.run(), [], "the first lease is over, and the event rests");
    rig.now_ms = LEASE_MS + 999;
    assert_eq!(rig.run(), []);
    rig.now_ms = LEASE_MS + 1_000;
    assert_eq!(rig.run(), [(1, 1, 2)], "its second one has begun later, and is over now");
    rig.now_ms = LEASE_MS + 1_000 + 5_000;
    assert_eq!(rig.run(), [(1, 2, 3)], "the second entry of the schedule");
}

#[test]
fn a_refusal_may_name_its_delay_and_an_extension_its_end() {
    let mut rig = Rig::queue(1);
    rig.attach(1, 9);
    rig.run();
    rig.state.refuse(SessionId(1), Rig::lease(1, 1), Failure::Refused { delay_ms: Some(0) }, 0);
    assert_eq!(rig.run(), [(1, 1, 2)]);
    rig.state.extend(SessionId(1), Rig::lease(1, 2), 60_000, 5_000);
    rig.now_ms = 64_999;
    assert_eq!(rig.run(), []);
    assert_eq!(rig.state.next_due_ms(), Some(65_000));
    assert_eq!(rig.acknowledge(1, 2), LeaseOutcome::Accepted);
}

#[test]
fn leases_that_are_not_current_are_reported() {
    let mut rig = Rig::queue(1);
    rig.attach(1, 9);
    rig.run();
    assert_eq!(rig.acknowledge(9, 1), LeaseOutcome::Unknown);
    rig.now_ms = LEASE_MS;
    rig.run();
    rig.now_ms = LEASE_MS + 1_000;
    rig.run();
    assert_eq!(rig.acknowledge(1, 1), LeaseOutcome::Expired, "somebody else has it");
    let other_life = LeaseId { epoch: Epoch(4), ..Rig::lease(1, 2) };
    rig.state.acknowledge(SessionId(1), other_life);
    assert_eq!(rig.outcome(), LeaseOutcome::Unknown);
    assert_eq!(rig.acknowledge(1, 2), LeaseOutcome::Accepted);
    assert_eq!(rig.acknowledge(1, 2), LeaseOutcome::Unknown, "it is settled");
}

#[test]
fn a_late_answer_counts_as_long_as_nobody_else_has_the_event() {
    let mut rig = Rig::queue(1);
    rig.attach(1, 9);
    rig.run();
    rig.now_ms = LEASE_MS + 1;
    rig.run();
    rig.state.extend(SessionId(1), Rig::lease(1, 1), 1_000, rig.now_ms);
    assert_eq!(rig.outcome(), LeaseOutcome::Expired);
    assert_eq!(rig.acknowledge(1, 1), LeaseOutcome::Accepted);
    rig.now_ms += 60_000;
    assert_eq!(rig.run(), []);
}

#[test]
fn what_never_left_is_no_attempt() {
    let mut rig = Rig::queue(2);
    rig.attach(1, 9);
    rig.run();
    rig.state.detach(SessionId(1), &[Rig::lease(2, 1)]);
    rig.attach(2, 9);
    assert_eq!(rig.run(), [(2, 2, 1)], "1 keeps its lease");
}

#[test]
fn a_dead_letter_is_written_once_its_event_has_a_row() {
    let dead = Some(NodeName::new("$dead").unwrap());
    let wish = Wish {
        nodes: vec![NodePattern::new("node-7").unwrap()],
        attempts_max: Some(1),
        dead_letter_node: dead,
        ..wish(Mode::Queue)
    };
    let mut rig = Rig::with(&wish, 2);
    rig.attach(1, 9);
    rig.run();
    rig.state.refuse(SessionId(1), Rig::lease(1, 1), Failure::Refused { delay_ms: Some(5) }, 0);
    assert!(rig.state.act(0).is_empty(), "the row comes first");
    assert!(rig.state.wants_flush_now());
    assert_eq!(rig.moves(false).1, [(1, 1, false)]);
    let actions = rig.state.act(0);
    let [Action::DeadLetter { seq: 1, attempts: 1, reason: "it was refused", .. }] = &*actions else {
        panic!("{actions:?}");
    };
    assert!(rig.state.act(0).is_empty(), "once");
    rig.state.letter_ended(NODE, 1);
    rig.state.dead_letter_failed(NODE, 1, 0);
    rig.now_ms = 60_000;
    assert!(rig.state.act(rig.now_ms).is_empty());
    rig.moves(true);
    assert!(
        rig.state.act(rig.now_ms).iter().any(|it| matches!(it, Action::DeadLetter { seq: 1, .. })),
        "again"
    );
    rig.state.letter_ended(NODE, 1);
    rig.state.dead_lettered(NODE, 1);
    assert_eq!(rig.moves(true).2, Vec::<Seq>::new(), "the letter's transaction has removed the row");
    assert_eq!(rig.acknowledge(1, 1), LeaseOutcome::Unknown);
}

#[test]
fn only_so_many_are_leased_and_only_so_many_are_unsettled() {
    let wish = Wish { in_flight_max: Some(2), retry_schedule_ms: vec![60_000], ..wish(Mode::Queue) };
    let mut rig = Rig::with(&wish, 300);
    rig.attach(1, 1_000);
    assert_eq!(rig.run().len(), 2);
    let mut handed = 2;
    for seq in 1..=150 {
        rig.state.refuse(SessionId(1), Rig::lease(seq, 1), Failure::Refused { delay_ms: None }, 0);
        handed += rig.run().len();
    }
    assert_eq!(handed, 100, "the bound on rows");
}

#[test]
fn what_is_nobodys_work_is_passed_over_in_a_queue() {
    let mut rig = Rig::queue(0);
    rig.attach(1, 9);
    rig.run();
    let page = Page::new(vec![event_of(1, EventKind::Configured), event(2)], 0);
    rig.state.take_page(NODE, 0, page);
    assert_eq!(rig.run(), [(1, 2, 1)]);
    rig.acknowledge(2, 1);
    assert!(!rig.state.wants_flush(), "the cursor is behind both");
}

#[test]
fn what_is_reported_of_a_first_attempt_has_its_row() {
    let mut rig = Rig::queue(3);
    rig.attach(1, 9);
    rig.run();
    rig.state.extend(SessionId(1), Rig::lease(1, 1), 60_000, 0);
    assert_eq!(rig.moves(false), (Some(1), vec![(1, 1, true)], vec![]));
    rig.state.refuse(SessionId(1), Rig::lease(2, 1), Failure::Refused { delay_ms: None }, 0);
    assert_eq!(rig.moves(false), (Some(2), vec![(2, 1, false)], vec![]));
}

#[test]
fn what_nobody_may_read_rests_and_counts_no_attempt() {
    let mut rig = Rig::queue(1);
    rig.attach(1, 9);
    rig.run();
    rig.state.refuse(SessionId(1), Rig::lease(1, 1), Failure::Refused { delay_ms: Some(0) }, 0);
    assert!(matches!(&*rig.state.act(0), [Action::ReadOne { .. }]));
    rig.state.event_denied(NODE, 1, 0);
    assert!(rig.state.act(0).is_empty(), "it is not asked for again and again");
    rig.now_ms = 30_000;
    assert_eq!(rig.run(), [(1, 1, 2)]);
}
