use super::*;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

#[test]
fn errors_are_classified_by_condition_and_type() {
    for (kind, condition, expected) in [
        ("wait", "remote-server-timeout", BounceClass::Retry),
        ("wait", "resource-constraint", BounceClass::Retry),
        ("wait", "recipient-unavailable", BounceClass::Retry),
        ("wait", "item-not-found", BounceClass::Retry),
        ("cancel", "remote-server-timeout", BounceClass::Retry),
        ("cancel", "gone", BounceClass::Gone),
        ("modify", "gone", BounceClass::Gone),
        ("cancel", "item-not-found", BounceClass::Gone),
        ("cancel", "service-unavailable", BounceClass::Failing),
        ("cancel", "remote-server-not-found", BounceClass::Failing),
        ("cancel", "not-allowed", BounceClass::Failing),
        ("cancel", "recipient-unavailable", BounceClass::Failing),
        ("auth", "forbidden", BounceClass::Failing),
        ("modify", "jid-malformed", BounceClass::Failing),
        ("modify", "not-acceptable", BounceClass::Ignored),
        ("continue", "service-unavailable", BounceClass::Ignored),
        ("cancel", "undefined-condition", BounceClass::Ignored),
        ("wait", "undefined-condition", BounceClass::Ignored),
        ("cancel", "feature-not-implemented", BounceClass::Ignored),
    ] {
        let kind = ErrorKind::parse(kind).unwrap();
        assert_eq!(classify(kind, condition), expected, "{kind:?} {condition}");
    }
    assert_eq!(ErrorKind::parse("later"), None);
}

#[test]
fn a_resource_speaks_for_itself_only() {
    let class = BounceClass::Failing;
    for (subscribed, from, expected) in [
        ("a@example.org", "a@example.org", Some(class)),
        ("a@example.org/phone", "a@example.org/phone", Some(class)),
        ("a@example.org/phone", "a@example.org", Some(class)),
        ("a@example.org", "a@example.org/phone", Some(BounceClass::Ignored)),
        ("a@example.org/phone", "a@example.org/desk", Some(BounceClass::Ignored)),
        ("a@example.org", "b@example.org", None),
        ("a@example.org", "example.org", None),
    ] {
        let weighed = weigh(class, &Jid::new(subscribed).unwrap(), &Jid::new(from).unwrap());
        assert_eq!(weighed, expected, "{subscribed} {from}");
    }
}

/// Failures known since day 0 through event 10, and a run some days later.
fn check(class: BounceClass, after_seq: Seq, through_seq: Seq, day: i64) -> (i64, Seq, bool) {
    check_attempt(Attempt::First, class, after_seq, through_seq, day)
}

fn check_attempt(
    attempt: Attempt,
    class: BounceClass,
    after_seq: Seq,
    through_seq: Seq,
    day: i64,
) -> (i64, Seq, bool) {
    let known = Some(Failures { since_ms: 0, through_seq: 10 });
    let run = BouncedRun { class, after_seq, through_seq };
    let Judgement { failures, parks } = judge(known, &run, attempt, day * DAY_MS, &Limits::default());
    (failures.since_ms / DAY_MS, failures.through_seq, parks)
}

#[test]
fn failures_park_by_their_time_and_never_by_their_number() {
    use BounceClass::{Failing, Gone, Retry};
    assert_eq!(check(Failing, 10, 1_000_000, 6), (0, 1_000_000, false), "however many");
    assert_eq!(check(Failing, 10, 11, 7), (0, 11, true));
    assert_eq!(check(Retry, 9, 10, 7), (0, 10, true), "the same one, sent again and again");
    assert_eq!(check(Gone, 10, 11, 0), (0, 11, false));
    assert_eq!(check(Gone, 10, 11, 1), (0, 11, true));
}

#[test]
fn an_event_that_did_not_come_back_was_delivered() {
    assert_eq!(check(BounceClass::Failing, 11, 12, 8), (8, 12, false), "11 was delivered");
    assert_eq!(check(BounceClass::Failing, 8, 9, 8), (0, 10, false), "an old one says nothing new");
}

#[test]
fn one_that_is_tried_again_and_again_is_parked_whatever_has_failed_at_first() {
    use Attempt::{Advanced, Repeated};
    let class = BounceClass::Retry;
    assert_eq!(check_attempt(Repeated, class, 0, 4, 6), (0, 10, false));
    assert_eq!(check_attempt(Repeated, class, 0, 4, 7), (0, 10, true), "nothing was taken for a week");
    assert_eq!(check_attempt(Repeated, class, 0, 12, 7), (0, 12, true));
    assert_eq!(check_attempt(Advanced, class, 4, 5, 7), (7, 10, false), "4 was delivered");
    assert_eq!(check_attempt(Advanced, class, 11, 12, 7), (7, 12, false));
}

#[test]
fn a_clock_that_goes_back_parks_nobody() {
    assert_eq!(check(BounceClass::Failing, 10, 11, -30), (0, 11, false));
}

#[test]
fn the_first_failure_parks_nobody() {
    let run = BouncedRun { class: BounceClass::Gone, after_seq: 0, through_seq: 1 };
    let judgement = judge(None, &run, Attempt::First, 9 * DAY_MS, &Limits::default());
    assert_eq!(judgement.failures, Failures { since_ms: 9 * DAY_MS, through_seq: 1 });
    assert!(!judgement.parks);
}
