use super::*;

const NO_BOUND: History = History { events_max: None, age_seconds_max: None, bytes_max: None };

/// A log of ten events of ten bytes, one a second from 1 s on; everything is delivered.
const LOG: LogState = LogState {
    head_seq: 10,
    purged_through_seq: 0,
    delivered_through_seq: 10,
    lagging_through_seq: None,
    log_bytes: 100,
};

fn events(seqs: std::ops::RangeInclusive<u64>) -> Vec<LoggedEvent> {
    let event = |seq: u64| LoggedEvent {
        seq,
        payload_bytes: 10,
        published_at_ms: i64::try_from(seq).unwrap() * 1_000,
    };
    seqs.map(event).collect()
}

fn config(history: History) -> NodeConfig {
    NodeConfig { history, ..NodeConfig::default() }
}

#[test]
fn an_event_stays_while_it_is_within_all_bounds() {
    for (history, expected) in [
        (NO_BOUND, None),
        (History { events_max: Some(10), ..NO_BOUND }, None),
        (History { events_max: Some(4), ..NO_BOUND }, Some(6)),
        (History { bytes_max: Some(100), ..NO_BOUND }, None),
        (History { bytes_max: Some(99), ..NO_BOUND }, Some(1)),
        (History { bytes_max: Some(35), ..NO_BOUND }, Some(7)),
        (History { age_seconds_max: Some(9), ..NO_BOUND }, Some(1)),
        (History { age_seconds_max: Some(1), ..NO_BOUND }, Some(9)),
        (History { age_seconds_max: Some(u64::MAX), ..NO_BOUND }, None),
        (History { events_max: Some(9), bytes_max: Some(35), age_seconds_max: Some(9) }, Some(7)),
    ] {
        let through = trim_through(&config(history), &LOG, &events(1..=10), 1_000, 10_000);
        assert_eq!(through, expected, "{history:?}");
    }
}

#[test]
fn a_page_is_enough_to_go_on_from() {
    let config = config(History { events_max: Some(4), ..NO_BOUND });
    assert_eq!(trim_through(&config, &LOG, &events(1..=3), 1_000, 0), Some(3), "the rest comes next time");
    assert_eq!(trim_through(&config, &LOG, &[], 1_000, 0), None);
}

#[test]
fn what_is_not_delivered_stays_unless_the_node_prefers_a_gap() {
    let history = History { events_max: Some(2), ..NO_BOUND };
    let wait = config(history);
    let gap = NodeConfig { when_undelivered_full: WhenUndeliveredFull::Gap, ..config(history) };
    let keeps_all = NodeConfig { history: NO_BOUND, ..gap.clone() };
    for (config, delivered, undelivered_max, expected) in [
        (&wait, 3, 5, Some(3)),
        (&wait, 0, 5, None),
        (&gap, 3, 5, Some(5)),
        (&gap, 0, 100, None),
        (&gap, 7, 5, Some(7)),
        (&keeps_all, 3, 5, None),
        (&keeps_all, 0, 5, None),
    ] {
        let log = LogState { delivered_through_seq: delivered, ..LOG };
        let through = trim_through(config, &log, &events(1..=10), undelivered_max, 0);
        assert_eq!(through, expected, "{:?} {delivered} {undelivered_max}", config.when_undelivered_full);
    }
}

#[test]
fn one_who_lags_keeps_the_log_up_to_a_bound() {
    let config = config(History { events_max: Some(1), ..NO_BOUND });
    for (delivered, lagging, undelivered_max, expected) in [
        (10, Some(3), 100, Some(3)),
        (10, Some(3), 4, Some(6)),
        (5, Some(3), 4, Some(5)),
        (5, Some(9), 100, Some(5)),
        (10, None, 4, Some(9)),
    ] {
        let log = LogState { delivered_through_seq: delivered, lagging_through_seq: lagging, ..LOG };
        let through = trim_through(&config, &log, &events(1..=10), undelivered_max, 0);
        assert_eq!(through, expected, "{delivered} {lagging:?} {undelivered_max}");
    }
}

#[test]
fn a_purge_ends_the_history_in_front_of_it_once_it_is_delivered() {
    let config = config(NO_BOUND);
    for (delivered, expected) in [(10, Some(6)), (4, Some(4)), (0, None)] {
        let log = LogState { purged_through_seq: 7, delivered_through_seq: delivered, ..LOG };
        assert_eq!(trim_through(&config, &log, &events(1..=10), 1_000, 0), expected, "{delivered}");
    }
}

#[test]
fn a_clock_that_jumped_takes_nothing_but_by_age() {
    let config = config(History { age_seconds_max: Some(5), ..NO_BOUND });
    let mut log = events(1..=10);
    log[2].published_at_ms = i64::MAX;
    assert_eq!(trim_through(&config, &LOG, &log, 1_000, 10_000), Some(2), "stamped ahead: it waits");
    log[2].published_at_ms = i64::MIN;
    assert_eq!(
        trim_through(&config, &LOG, &log, 1_000, 7_000),
        Some(3),
        "stamped behind: nothing in front goes with it"
    );
    assert_eq!(trim_through(&config, &LOG, &log, 1_000, i64::MIN), None, "a clock far behind");
    assert_eq!(trim_through(&config, &LOG, &log, 1_000, i64::MAX), Some(10), "a clock far ahead");
}

#[test]
fn items_expire_by_age_alone() {
    let expiring = NodeConfig { item_expire_seconds: Some(60), ..NodeConfig::default() };
    assert_eq!(expired_through_ms(&expiring, 100_000), Some(40_000));
    assert_eq!(expired_through_ms(&expiring, i64::MIN), Some(i64::MIN));
    assert_eq!(expired_through_ms(&NodeConfig::default(), 100_000), None);
}

#[test]
fn publishers_wait_for_delivery_unless_the_node_prefers_a_gap() {
    let wait = NodeConfig::default();
    let gap = NodeConfig { when_undelivered_full: WhenUndeliveredFull::Gap, ..NodeConfig::default() };
    assert_eq!(check_undelivered(&wait, false), Ok(()));
    assert_eq!(check_undelivered(&wait, true), Err(BusError::LimitReached(LimitKind::Undelivered)));
    assert_eq!(check_undelivered(&gap, true), Ok(()));
}

#[test]
fn a_bound_of_nothing_is_refused() {
    assert_eq!(check(&config(NO_BOUND)), Ok(()));
    for wrong in [
        NodeConfig { item_expire_seconds: Some(0), ..NodeConfig::default() },
        config(History { events_max: Some(0), ..NO_BOUND }),
        config(History { age_seconds_max: Some(0), ..NO_BOUND }),
        config(History { bytes_max: Some(0), ..NO_BOUND }),
    ] {
        assert!(matches!(check(&wrong), Err(BusError::InvalidConfig { .. })), "{wrong:?}");
    }
}
