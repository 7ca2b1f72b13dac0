use super::create::{ATTEMPTS_MAX, RETRY_SCHEDULE_MS, Wish, decide};
use super::lease::LeaseId;
use super::retry::{Failure, Next, after};
use super::start::{LogEnds, Start, position};
use super::*;
use crate::{Epoch, Limits, NodeId};

fn pattern(text: &str) -> NodePattern {
    NodePattern::new(text).unwrap()
}

fn node(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

fn wish(mode: Mode) -> Wish {
    Wish {
        nodes: vec![pattern("orders")],
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

fn refused(wish: &Wish) -> String {
    match decide(wish, &Limits::default()) {
        Err(ConsumerError::Invalid { reason }) => reason,
        other => panic!("it is refused: {other:?}"),
    }
}

#[test]
fn patterns_stand_for_levels() {
    for (text, name, expected) in [
        ("orders", "orders", true),
        ("orders", "orders.eu", false),
        ("orders.*", "orders.eu", true),
        ("orders.*", "orders", false),
        ("orders.*", "orders.eu.new", false),
        ("*.new", "orders.new", true),
        ("orders.*.new", "orders.eu.new", true),
        ("orders.*.new", "orders.eu.old", false),
        ("orders.>", "orders.eu", true),
        ("orders.>", "orders.eu.new", true),
        ("orders.>", "orders", false),
        ("orders.>", "ordersx.eu", false),
        ("*.eu.>", "orders.eu.new", true),
        ("*.eu.>", "orders.us.new", false),
        (">", "orders", true),
        (">", "orders.eu", true),
        ("a*", "a*", true),
        ("a*", "ab", false),
        ("a>", "a>", true),
        ("a>", "ab", false),
    ] {
        assert_eq!(pattern(text).matches(&node(name)), expected, "{text} {name}");
    }
    for (text, prefix) in
        [("a.b", "a.b"), ("a.*.c", "a."), ("a.>", "a."), (">", ""), ("*", ""), ("a*.b", "a*.b")]
    {
        assert_eq!(pattern(text).literal_prefix(), prefix);
        assert_eq!(pattern(text).exact().is_some(), prefix == text, "{text}");
    }
}

#[test]
fn attempts_rest_by_the_schedule_however_they_failed() {
    let config = decide(&Wish { retry_schedule_ms: vec![10, 200], ..wish(Mode::Queue) }, &Limits::default());
    let config = config.unwrap();
    let refused = Failure::Refused { delay_ms: None };
    for (attempt, delay_ms) in [(1, 10), (2, 200), (3, 200), (99, 200)] {
        assert_eq!(after(&config, attempt, Failure::TimedOut), Next::Retry { delay_ms });
        assert_eq!(after(&config, attempt, refused), Next::Retry { delay_ms });
    }
    assert_eq!(after(&config, 1, Failure::Refused { delay_ms: Some(0) }), Next::Retry { delay_ms: 0 });
    let far = after(&config, 1, Failure::Refused { delay_ms: Some(u64::MAX) });
    assert_eq!(far, Next::Retry { delay_ms: retry::DELAY_MS_MAX });
    assert_eq!(after(&config, 1, Failure::Terminated), Next::GiveUp);
}

#[test]
fn the_last_attempt_is_followed_by_a_dead_letter() {
    let wish = Wish { dead_letter_node: Some(node("dead")), attempts_max: Some(2), ..wish(Mode::Queue) };
    let config = decide(&wish, &Limits::default()).unwrap();
    assert_eq!(after(&config, 1, Failure::TimedOut), Next::Retry { delay_ms: RETRY_SCHEDULE_MS[0] });
    assert_eq!(after(&config, 2, Failure::TimedOut), Next::DeadLetter);
    assert_eq!(after(&config, 2, Failure::Refused { delay_ms: Some(1) }), Next::DeadLetter);
    assert_eq!(after(&config, 1, Failure::Terminated), Next::DeadLetter);
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    let limits = Limits::default();
    let dead = Some(node("dead"));
    let queue = || wish(Mode::Queue);
    assert!(refused(&Wish { nodes: vec![], ..queue() }).contains("1 to 64"));
    assert!(refused(&Wish { lease_ms: Some(999), ..queue() }).contains("lease"));
    assert!(refused(&Wish { in_flight_max: Some(0), ..queue() }).contains("in_flight_max"));
    let too_many = limits.consumer_unsettled_max + 1;
    assert!(refused(&Wish { in_flight_max: Some(too_many), ..queue() }).contains("in_flight_max"));
    assert!(refused(&Wish { attempts_max: Some(3), ..queue() }).contains("dead_letter_node"));
    assert!(
        refused(&Wish { attempts_max: Some(0), dead_letter_node: dead.clone(), ..queue() })
            .contains("at least 1")
    );
    assert!(refused(&Wish { dead_letter_node: Some(node("orders")), ..queue() }).contains("come back"));
    assert!(refused(&Wish { retry_schedule_ms: vec![1; 33], ..queue() }).contains("32"));
    assert!(refused(&Wish { retry_schedule_ms: vec![u64::MAX], ..queue() }).contains("7 days"));
    for stream in [
        Wish { lease_ms: Some(5_000), ..wish(Mode::Stream) },
        Wish { dead_letter_node: dead.clone(), ..wish(Mode::Stream) },
        Wish { attempts_max: Some(0), ..wish(Mode::Stream) },
        Wish { key_ordered: true, ..wish(Mode::Stream) },
    ] {
        assert!(refused(&stream).contains("QUEUE"));
    }
    let with_default = decide(&Wish { dead_letter_node: dead, ..queue() }, &limits).unwrap();
    assert_eq!(with_default.attempts_max, ATTEMPTS_MAX);
    assert_eq!(decide(&queue(), &limits).unwrap().attempts_max, 0);
}

#[test]
fn a_consumer_has_as_much_as_its_bounds_say_and_no_more() {
    let named = |count| Wish { nodes: vec![pattern("orders"); count], ..wish(Mode::Queue) };
    let rests = |entries| Wish { retry_schedule_ms: vec![1; entries], ..wish(Mode::Queue) };
    let rest = |delay_ms| Wish { retry_schedule_ms: vec![delay_ms], ..wish(Mode::Queue) };
    let leased = |lease_ms| Wish { lease_ms: Some(lease_ms), ..wish(Mode::Queue) };
    let in_flight = |events| Wish { in_flight_max: Some(events), ..wish(Mode::Queue) };
    let limits = Limits { consumer_unsettled_max: 7, ..Limits::default() };
    for (what, last, beyond) in [
        ("a node", named(1), named(0)),
        ("64 nodes", named(64), named(65)),
        ("32 entries of a schedule", rests(32), rests(33)),
        ("seven days of rest", rest(604_800_000), rest(604_800_001)),
        ("a second of a lease", leased(1_000), leased(999)),
        ("twelve hours of a lease", leased(43_200_000), leased(43_200_001)),
        ("an event in flight", in_flight(1), in_flight(0)),
        ("as many in flight as may be unsettled", in_flight(7), in_flight(8)),
    ] {
        let passes = |wish| decide(&wish, &limits).is_ok();
        assert_eq!((passes(last), passes(beyond)), (true, false), "{what}");
    }
    let by_default = |limits| decide(&wish(Mode::Queue), &limits).unwrap().in_flight_max;
    assert_eq!((by_default(limits), by_default(Limits::default())), (7, 1_000), "what nobody asked for fits");
}

#[test]
fn a_position_to_start_behind_is_of_one_node() {
    let behind = |nodes: &[&str]| {
        let nodes = nodes.iter().map(|text| pattern(text)).collect();
        Wish { nodes, start: Start::After(3), ..wish(Mode::Queue) }
    };
    assert!(decide(&behind(&["orders"]), &Limits::default()).is_ok());
    for several in [["orders", "bills"].as_slice(), &["orders.*"]] {
        assert!(refused(&behind(several)).contains("several"), "{several:?}");
    }
}

#[test]
fn a_start_is_a_position_of_the_log() {
    let log = LogEnds { gone_through_seq: 3, head_seq: 9, first_since: None };
    let since = |first| position(Start::Time(5), LogEnds { first_since: Some(first), ..log });
    assert_eq!(position(Start::Earliest, log), Ok(3));
    assert_eq!(position(Start::Latest, log), Ok(9));
    assert_eq!(position(Start::LastPerItem, log), Ok(0));
    assert_eq!(position(Start::After(3), log), Ok(3));
    assert_eq!(position(Start::After(9), log), Ok(9));
    assert_eq!(position(Start::After(2), log), Err(ConsumerError::Trimmed { first_seq: 4 }));
    assert!(matches!(position(Start::After(10), log), Err(ConsumerError::Invalid { .. })));
    assert_eq!((since(1), since(6), since(10)), (Ok(3), Ok(5), Ok(9)));
    assert_eq!(position(Start::Time(5), log), Ok(9), "nothing was committed since");
}

#[test]
fn leases_have_one_name() {
    let lease =
        LeaseId { node: NodeId(7), epoch: Epoch(u64::MAX), seq: 300, attempt: 2, generation: 1 << 32 };
    assert_eq!(LeaseId::parse(&lease.encode()), Some(lease));
    let from_before = LeaseId { generation: 0, ..lease };
    assert_eq!(from_before.encode(), "7.ffffffffffffffff.12c.2");
    assert_eq!(LeaseId::parse(&from_before.encode()), Some(from_before));
    for bad in [
        "",
        "7",
        "7.1.2",
        "7.1.2.3.4.5",
        "7.1.2.3.x",
        "7.1.2.3.",
        "7.1.2.3.+4",
        "+7.1.2.3.4",
        "7.fffffffffffffffff.1.1.1",
        " 7.1.2.3.4",
    ] {
        assert_eq!(LeaseId::parse(bad), None, "{bad:?}");
    }
}

#[test]
fn consumers_are_their_owners_and_the_admins() {
    let owner = BareJid::new("worker@events.example.org").unwrap();
    let actor = |jid: &str, role| Actor::new(BareJid::new(jid).unwrap(), role);
    assert_eq!(may_use(&owner, &actor("worker@events.example.org", Role::Creator)), Ok(()));
    assert_eq!(may_use(&owner, &actor("admin@events.example.org", Role::Admin)), Ok(()));
    let stranger = actor("other@events.example.org", Role::Creator);
    assert_eq!(may_use(&owner, &stranger), Err(ConsumerError::NotFound));
}

#[test]
fn a_consumer_reads_what_one_of_its_patterns_stands_for() {
    let config = |nodes: &[&str]| {
        let nodes = nodes.iter().map(|text| pattern(text)).collect();
        decide(&Wish { nodes, ..wish(Mode::Stream) }, &Limits::default()).unwrap()
    };
    let both = config(&["orders", "bills.*"]);
    assert!(both.covers(&node("orders")) && both.covers(&node("bills.eu")) && !both.covers(&node("bills")));
    assert!(!both.names_nodes() && config(&["orders", "bills"]).names_nodes());
}

#[test]
fn what_is_for_one_mode_is_refused_in_the_other() {
    for mode in [Mode::Stream, Mode::Queue] {
        for wanted in [Mode::Stream, Mode::Queue] {
            assert_eq!(mode.expect(wanted).is_ok(), mode == wanted, "{mode:?} {wanted:?}");
        }
    }
}

#[test]
fn names_can_stand_anywhere() {
    let longest = "x".repeat(ConsumerName::BYTES_MAX);
    for good in ["a", "billing/worker-1.v2~x_y:z", longest.as_str()] {
        assert_eq!(ConsumerName::new(good).unwrap().as_str(), good);
    }
    let too_long = "x".repeat(ConsumerName::BYTES_MAX + 1);
    for bad in ["", "a b", "ä", "a\n", too_long.as_str()] {
        assert!(ConsumerName::new(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn what_is_stored_of_a_configuration_leads_back_to_it() {
    let wish = Wish { dead_letter_node: Some(node("dead <>")), ..wish(Mode::Queue) };
    let config = decide(&wish, &Limits::default()).unwrap();
    let stored = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<ConsumerConfig>(&stored).unwrap(), config);
}
