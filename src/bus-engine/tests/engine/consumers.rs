//! Durable subscriptions of services, over the embedded store.

mod filters;
mod letters;
mod orders;
mod places;

use std::time::Duration;

use bus_domain::consumer::create::Wish;
use bus_domain::consumer::lease::LeaseId;
use bus_domain::consumer::retry::Failure;
use bus_domain::consumer::start::Start;
use bus_domain::consumer::{ConsumerError, ConsumerName, Mode, NodePattern};
use bus_domain::retention::History;
use bus_domain::{Affiliation, BusError, NodeConfig, Role};
use bus_engine::{ConsumerFrame, ConsumerSession, Credit, Delivered, LeaseOutcome, Settings, Verb};

use crate::fixture::{Bus, actor, bare, name};

fn consumer_name(text: &str) -> ConsumerName {
    ConsumerName::new(text).expect("a name")
}

fn wish(mode: Mode, nodes: &[&str]) -> Wish {
    Wish {
        nodes: nodes.iter().map(|node| NodePattern::new(node).expect("a pattern")).collect(),
        mode,
        start: Start::Earliest,
        lease_ms: None,
        retry_schedule_ms: Vec::new(),
        attempts_max: None,
        dead_letter_node: None,
        in_flight_max: None,
        filter: None,
        key_ordered: false,
        destination: None,
    }
}

async fn create(bus: &Bus, consumer: &str, wish: &Wish) {
    bus.engine.create_consumer(&actor("owner"), consumer_name(consumer), wish).await.expect("a consumer");
}

/// Opens a consumer as its owner, with credit for everything.
async fn open(bus: &Bus, consumer: &str) -> ConsumerSession {
    let session =
        bus.engine.open_consumer(&actor("owner"), &consumer_name(consumer), "").await.expect("a session");
    session.add_credit(Credit { messages: 1_000, bytes: 1_000_000 });
    session
}

async fn next(session: &mut ConsumerSession) -> ConsumerFrame {
    tokio::time::timeout(Duration::from_mins(1), session.next()).await.expect("it comes").expect("no end")
}

async fn end(session: &mut ConsumerSession) -> BusError {
    loop {
        match tokio::time::timeout(Duration::from_mins(1), session.next()).await.expect("it ends") {
            Ok(_) => {}
            Err(why) => return why,
        }
    }
}

/// The next so many events.
async fn events(session: &mut ConsumerSession, count: usize) -> Vec<Delivered> {
    let mut taken = Vec::new();
    while taken.len() < count {
        match next(session).await {
            ConsumerFrame::Events(events) => taken.extend(events),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(taken.len(), count, "{taken:?}");
    taken
}

/// The same, while hours pass: leases and waits come to their ends. An hour passes when nothing has come for so long that nothing is
/// on its way.
async fn events_in_time(bus: &Bus, session: &mut ConsumerSession, count: usize) -> Vec<Delivered> {
    let mut taken = Vec::new();
    while taken.len() < count {
        tokio::select! {
            frame = next(session) => match frame {
                ConsumerFrame::Events(events) => taken.extend(events),
                other => panic!("{other:?}"),
            },
            () = tokio::time::sleep(Duration::from_millis(1_500)) => bus.clock.jump(3_600),
        }
    }
    taken
}

fn seqs(events: &[Delivered]) -> Vec<u64> {
    events.iter().map(|event| event.event.seq).collect()
}

fn leases(events: &[Delivered]) -> Vec<LeaseId> {
    events.iter().filter_map(|event| event.lease).collect()
}

async fn acknowledge(session: &mut ConsumerSession, leases: &[LeaseId]) -> Vec<LeaseOutcome> {
    session.acknowledge(leases).expect("a queue");
    outcomes(session).await
}

/// What is reported of leases; events that come in between are passed over.
async fn outcomes(session: &mut ConsumerSession) -> Vec<LeaseOutcome> {
    loop {
        if let ConsumerFrame::Leases(reports) = next(session).await {
            return reports.iter().map(|report| report.outcome).collect();
        }
    }
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was_committed_also_after_a_restart() {
    let bus = Bus::start().await;
    bus.create("n").await;
    bus.publish("n", &["a", "b"]).await;
    create(&bus, "c", &wish(Mode::Stream, &["n"])).await;
    let mut session = open(&bus, "c").await;
    assert_eq!(seqs(&events(&mut session, 2).await), [1, 2]);
    bus.publish("n", &["c"]).await;
    assert_eq!(seqs(&events(&mut session, 1).await), [3], "live");
    session.commit(None, 2).expect("committed");
    let ConsumerFrame::Committed { through_seq: 2, .. } = next(&mut session).await else {
        panic!("a report")
    };
    drop(session);
    let bus = bus.restart().await;
    let mut session = open(&bus, "c").await;
    assert_eq!(seqs(&events(&mut session, 1).await), [3]);
    assert!(matches!(session.commit(None, 4), Err(ConsumerError::Invalid { .. })), "not sent yet");
    assert!(matches!(session.acknowledge(&[]), Err(ConsumerError::WrongMode { .. })));
}

#[tokio::test]
async fn what_was_acknowledged_never_comes_again_and_what_was_not_does() {
    let bus = Bus::start().await;
    bus.create("n").await;
    create(&bus, "q", &Wish { lease_ms: Some(5_000), ..wish(Mode::Queue, &["n"]) }).await;
    bus.publish("n", &["a", "b", "c", "d"]).await;
    let mut session = open(&bus, "q").await;
    let first = events(&mut session, 4).await;
    let [a, _, c, _] = leases(&first)[..] else { panic!("four leases") };
    assert_eq!(acknowledge(&mut session, &[c, a]).await, [LeaseOutcome::Accepted; 2]);
    drop(session);
    let bus = bus.restart().await;
    let mut session = open(&bus, "q").await;
    let again = events_in_time(&bus, &mut session, 2).await;
    let mut seqs = seqs(&again);
    seqs.sort_unstable();
    assert_eq!(seqs, [2, 4]);
    assert_eq!(acknowledge(&mut session, &leases(&again)).await, [LeaseOutcome::Accepted; 2]);
    assert_eq!(bus.stored("(SELECT count(*) FROM consumer_deliveries)").await, 0);
    assert_eq!(bus.stored("(SELECT seq FROM consumer_cursors)").await, 4);
}

#[tokio::test]
async fn attempts_are_counted_over_restarts_and_leases_of_before_hold() {
    let bus = Bus::start().await;
    bus.create("n").await;
    create(&bus, "q", &wish(Mode::Queue, &["n"])).await;
    bus.publish("n", &["a"]).await;
    let mut session = open(&bus, "q").await;
    let [first] = leases(&events(&mut session, 1).await)[..] else { panic!("a lease") };
    session.refuse(&[first], Failure::Refused { delay_ms: Some(0) }).expect("a queue");
    let second = loop {
        if let ConsumerFrame::Events(events) = next(&mut session).await {
            break leases(&events)[0];
        }
    };
    assert_eq!(second.attempt, 2);
    bus.until_stored("(SELECT coalesce(max(attempts), 0) FROM consumer_deliveries)", 2).await;
    drop(session);
    let bus = bus.restart().await;
    let mut session = open(&bus, "q").await;
    assert_eq!(
        acknowledge(&mut session, &[first, second]).await,
        [LeaseOutcome::Expired, LeaseOutcome::Accepted]
    );
}

#[tokio::test]
async fn many_consumers_are_written_together() {
    let bus = Bus::start().await;
    bus.create("n").await;
    let mut sessions = Vec::new();
    for number in 0..40 {
        let consumer = format!("q-{number}");
        create(&bus, &consumer, &wish(Mode::Queue, &["n"])).await;
        sessions.push(open(&bus, &consumer).await);
    }
    bus.publish("n", &["a"; 1]).await;
    let mut taken = Vec::new();
    for session in &mut sessions {
        taken.push(leases(&events(session, 1).await));
    }
    let before = bus.engine.statistics().snapshot().consumer_flushes;
    for (session, leases) in sessions.iter().zip(&taken) {
        session.acknowledge(leases).expect("a queue");
    }
    for session in &mut sessions {
        assert_eq!(outcomes(session).await, [LeaseOutcome::Accepted]);
    }
    let flushes = bus.engine.statistics().snapshot().consumer_flushes - before;
    assert!((1..=4).contains(&flushes), "{flushes} transactions for 40 consumers");
}

#[tokio::test]
async fn a_consumer_can_be_moved_paused_and_deleted() {
    let bus = Bus::start().await;
    bus.create("n").await;
    bus.publish("n", &["a", "b", "c"]).await;
    create(&bus, "q", &wish(Mode::Queue, &["n"])).await;
    let (owner, q) = (actor("owner"), consumer_name("q"));
    let mut session = open(&bus, "q").await;
    let all = leases(&events(&mut session, 3).await);
    acknowledge(&mut session, &all[1..]).await;
    let backlog = bus.engine.consumer_backlog(&owner, &q).await.expect("a backlog");
    let node = &backlog.nodes[0];
    assert_eq!((node.head_seq, node.through_seq, node.leased, node.waiting), (3, 3, 1, 0));
    assert_eq!(backlog.oldest_unsettled_at_ms, Some(bus.engine.now_ms()));

    bus.engine.seek_consumer(&owner, &q, None, Start::After(1)).await.expect("moved");
    assert_eq!(end(&mut session).await, ConsumerError::Moved.into());
    drop(session);
    let mut session = open(&bus, "q").await;
    assert_eq!(seqs(&events(&mut session, 2).await), [2, 3]);
    let before = acknowledge(&mut session, &all[..2]).await;
    assert_eq!(before, [LeaseOutcome::Unknown, LeaseOutcome::Expired], "1 is forgotten, 2 is leased anew");

    let paused = bus.engine.pause_consumer(&owner, &q, true).await.expect("paused");
    assert!(paused.is_paused);
    bus.publish("n", &["d"]).await;
    drop(session);
    let bus = bus.restart().await;
    let mut session = open(&bus, "q").await;
    bus.engine.pause_consumer(&owner, &q, false).await.expect("resumed");
    assert_eq!(seqs(&events(&mut session, 1).await), [4], "2 and 3 are leased");

    bus.engine.delete_consumer(&owner, &q).await.expect("deleted");
    assert_eq!(end(&mut session).await, ConsumerError::NotFound.into());
    assert_eq!(bus.engine.consumer(&owner, &q).await, Err(ConsumerError::NotFound.into()));
    let left = "(SELECT count(*) FROM consumer_cursors) + (SELECT count(*) FROM consumer_deliveries)";
    assert_eq!(bus.stored(left).await, 0);
}

#[tokio::test]
async fn only_the_owner_and_admins_see_a_consumer_and_reading_passes_the_access_table() {
    let bus = Bus::start().await;
    bus.create("n").await;
    let reader = actor("reader");
    let q = consumer_name("q");
    bus.engine.create_consumer(&reader, q.clone(), &wish(Mode::Stream, &["n"])).await.expect("an open node");
    let taken = bus.engine.create_consumer(&reader, q.clone(), &wish(Mode::Stream, &["n"])).await;
    assert_eq!(taken, Err(ConsumerError::Exists.into()));
    for stranger in ["owner", "other"] {
        let refused = bus.engine.open_consumer(&actor(stranger), &q, "").await.map(drop);
        assert_eq!(refused, Err(ConsumerError::NotFound.into()), "{stranger}");
    }
    let admin = bus_domain::Actor::new(bare("admin"), Role::Admin);
    assert_eq!(bus.engine.consumers(&admin, None, 10).await.expect("a page").consumers.len(), 1);
    assert_eq!(bus.engine.consumers(&actor("other"), None, 10).await.expect("a page").consumers.len(), 0);

    let mut session = bus.engine.open_consumer(&reader, &q, "").await.expect("a session");
    session.add_credit(Credit { messages: 10, bytes: 10_000 });
    bus.publish("n", &["a"]).await;
    assert_eq!(seqs(&events(&mut session, 1).await), [1]);
    bus.affiliate("n", "reader", Affiliation::Outcast).await;
    bus.publish("n", &["b"]).await;
    assert_eq!(end(&mut session).await, BusError::Forbidden);
    let refused = bus.engine.create_consumer(&reader, consumer_name("x"), &wish(Mode::Stream, &["n"])).await;
    assert_eq!(refused, Err(BusError::Forbidden));
    let unknown =
        bus.engine.create_consumer(&reader, consumer_name("x"), &wish(Mode::Stream, &["none"])).await;
    assert_eq!(unknown, Err(BusError::NodeNotFound));
}

#[tokio::test]
async fn who_has_lost_its_claim_moves_nothing() {
    let [first, second] = Bus::start_two().await;
    first.create("n").await;
    create(&first, "q", &wish(Mode::Queue, &["n"])).await;
    first.publish("n", &["a", "b"]).await;
    let mut session = open(&first, "q").await;
    let held = leases(&events(&mut session, 2).await);
    // On a store of one process the newest claim counts, as after a kill; the older one is fenced off at its next write.
    let _other = open(&second, "q").await;
    session.acknowledge(&held).expect("a queue");
    assert_eq!(end(&mut session).await, ConsumerError::Elsewhere.into());
}

#[tokio::test]
async fn so_many_consumers_are_of_one_principal() {
    let limits = bus_domain::Limits { consumers_per_jid_max: 1, consumer_nodes_max: 1, ..Default::default() };
    let bus = Bus::start_with(Settings { limits, ..Settings::default() }).await;
    bus.create("a").await;
    bus.create("b").await;
    let many =
        bus.engine.create_consumer(&actor("owner"), consumer_name("x"), &wish(Mode::Stream, &[">"])).await;
    assert!(matches!(many, Err(BusError::Consumer(ConsumerError::Invalid { .. }))), "{many:?}");
    create(&bus, "x", &wish(Mode::Stream, &["a"])).await;
    let refused =
        bus.engine.create_consumer(&actor("owner"), consumer_name("y"), &wish(Mode::Stream, &["a"])).await;
    assert_eq!(refused, Err(ConsumerError::TooMany { consumers_max: 1 }.into()));
}

#[tokio::test]
async fn what_a_reader_does_not_take_is_bounded_by_its_credit_and_goes_to_others_with_it() {
    let bus = Bus::start().await;
    bus.create("n").await;
    create(&bus, "q", &wish(Mode::Queue, &["n"])).await;
    bus.publish("n", &["a"; 1]).await;
    for _ in 0..10 {
        bus.publish("n", &["", "", "", "", ""]).await;
    }
    let idle = bus.engine.open_consumer(&actor("owner"), &consumer_name("q"), "").await.expect("a session");
    idle.add_credit(Credit { messages: 3, bytes: 1_000_000 });
    bus.until_stored("(SELECT count(*) FROM consumer_deliveries WHERE is_leased = 1)", 3).await;
    drop(idle);
    let mut worker = open(&bus, "q").await;
    let all = events(&mut worker, 51).await;
    assert!(all.iter().all(|it| it.lease.expect("a queue").attempt == 1), "what never left is no attempt");
}
