use super::*;

const IDLE_PING: Duration = Duration::from_secs(20);
const DEAD_AFTER: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);

fn liveness() -> (Liveness, Instant) {
    let now = Instant::now();
    let limits = LinkLimits {
        idle_ping_ms: 20_000,
        reprobe_ms: 20_000,
        dead_after_ms: 60_000,
        ..LinkLimits::default()
    };
    (Liveness::new(&limits, now), now)
}

fn ask_again_at(verdict: &Verdict) -> Instant {
    match verdict {
        Verdict::AskAgainAt(at) => *at,
        other => panic!("{other:?}"),
    }
}

#[test]
fn silence_is_answered_with_pings_and_then_with_death() {
    let (mut liveness, start) = liveness();
    assert_eq!(ask_again_at(&liveness.check(start, None, false)), start + IDLE_PING);
    for seconds in [20, 40] {
        let now = start + SECOND * seconds;
        assert!(matches!(liveness.check(now, None, false), Verdict::Ping));
        assert_eq!(ask_again_at(&liveness.check(now, None, false)), now + IDLE_PING);
    }
    assert!(matches!(liveness.check(start + DEAD_AFTER, None, false), Verdict::Dead(DownReason::Silent)));
}

#[test]
fn any_byte_is_a_sign_of_life() {
    let (mut liveness, start) = liveness();
    liveness.read(start + SECOND * 59);
    assert!(matches!(liveness.check(start + SECOND * 60, None, false), Verdict::AskAgainAt(_)));
    assert!(matches!(liveness.check(start + SECOND * 79, None, false), Verdict::Ping));
}

#[test]
fn a_barrier_without_answer_is_followed_by_a_ping_on_a_busy_stream() {
    let (mut liveness, start) = liveness();
    let now = start + SECOND * 30;
    liveness.read(now);
    assert!(matches!(liveness.check(now, Some(start + SECOND * 15), false), Verdict::AskAgainAt(_)));
    assert!(matches!(liveness.check(now, Some(start + SECOND * 10), false), Verdict::Ping));
    assert!(matches!(liveness.check(now, Some(start + SECOND * 10), false), Verdict::AskAgainAt(_)));
}

#[test]
fn silence_does_not_count_while_the_link_does_not_read() {
    let (mut liveness, start) = liveness();
    liveness.reading(false, start);
    let late = start + DEAD_AFTER * 10;
    assert!(matches!(liveness.check(late, None, false), Verdict::AskAgainAt(_)));
    liveness.reading(true, late);
    assert!(matches!(liveness.check(late, None, false), Verdict::AskAgainAt(_)));
    assert!(matches!(liveness.check(late + DEAD_AFTER, None, false), Verdict::Dead(DownReason::Silent)));
}

#[test]
fn two_sides_that_wait_for_each_other_are_given_up() {
    let (mut liveness, start) = liveness();
    liveness.writing(true, false, start);
    liveness.reading(false, start + SECOND * 30);
    assert!(matches!(liveness.check(start + SECOND * 89, None, false), Verdict::AskAgainAt(_)));
    assert!(matches!(liveness.check(start + SECOND * 90, None, false), Verdict::Dead(DownReason::Stalled)));
}

#[test]
fn a_server_that_still_takes_something_is_not_given_up() {
    let (mut liveness, start) = liveness();
    liveness.reading(false, start);
    liveness.writing(true, false, start);
    liveness.writing(true, true, start + SECOND * 59);
    assert!(matches!(liveness.check(start + SECOND * 118, None, false), Verdict::AskAgainAt(_)));
    assert!(matches!(liveness.check(start + SECOND * 119, None, false), Verdict::Dead(DownReason::Stalled)));
}

#[test]
fn limits_without_bound_do_not_overflow() {
    let now = Instant::now();
    let limits = LinkLimits { idle_ping_ms: u64::MAX, dead_after_ms: u64::MAX, ..LinkLimits::default() };
    assert!(matches!(Liveness::new(&limits, now).check(now, None, false), Verdict::AskAgainAt(_)));
}

#[test]
fn a_barrier_without_answer_is_followed_by_another_soon_and_a_contest_is_watched_closely() {
    let now = Instant::now();
    let limits = LinkLimits { idle_ping_ms: 20_000, reprobe_ms: 1_000, ..LinkLimits::default() };
    let pings = |oldest_barrier: Option<Instant>, is_contested| {
        let mut liveness = Liveness::new(&limits, now);
        let quarters = (1..=16).map(|quarter| now + SECOND / 4 * quarter);
        let is_ping = |at| matches!(liveness.check(at, oldest_barrier, is_contested), Verdict::Ping);
        quarters.map(is_ping).filter(|is_ping| *is_ping).count()
    };
    assert_eq!(pings(None, false), 0);
    assert_eq!(pings(Some(now), false), 4);
    assert_eq!(pings(None, true), 16);
    assert_eq!(pings(Some(now), true), 16);
}
