use bus_domain::{NodeId, SubscriptionId};

use super::*;
use crate::{EventRef, MessageRef};

fn bounce(from: &str, after_seq: Seq, seq: Seq, class: BounceClass) -> Bounce {
    let event = EventRef { node: NodeId(1), epoch: Epoch(1), seq };
    let message = MessageRef { event, subscription: SubscriptionId(1), after_seq };
    Bounce { message, from: Jid::new(from).unwrap(), class }
}

fn added(bounces: &[(Seq, Seq, BounceClass)]) -> PendingBounce {
    let mut all = Bounces::default();
    for (after_seq, seq, class) in bounces {
        all.add(bounce("a@example.org", *after_seq, *seq, *class));
    }
    let (mut pending, passed_over) = all.take(|_| true);
    assert_eq!((pending.len(), passed_over), (1, 0));
    pending.remove(0)
}

#[test]
fn what_comes_back_in_a_row_is_one_run() {
    use BounceClass::{Failing, Gone, Retry};
    let run = |class, after_seq, through_seq| BouncedRun { class, after_seq, through_seq };
    for (bounces, expected, oldest_retry_seq) in [
        (vec![(4, 5, Failing), (5, 7, Failing), (7, 8, Gone)], run(Gone, 4, 8), None),
        (vec![(4, 5, Failing), (4, 5, Failing)], run(Failing, 4, 5), None),
        (vec![(4, 5, Failing), (6, 7, Failing)], run(Failing, 6, 7), None),
        (vec![(5, 6, Retry), (4, 5, Retry)], run(Retry, 5, 6), Some(5)),
        (vec![(4, 5, Failing), (5, 6, Retry), (6, 7, Failing)], run(Failing, 4, 7), Some(6)),
    ] {
        let pending = added(&bounces);
        assert_eq!((pending.run, pending.oldest_retry_seq), (expected, oldest_retry_seq), "{bounces:?}");
        assert_eq!(pending.count, bounces.len() as u64);
    }
}

#[test]
fn addresses_are_not_mixed_up() {
    let mut all = Bounces::default();
    for from in ["a@example.org", "mallory@example.org", "a@example.org"] {
        all.add(bounce(from, 4, 5, BounceClass::Failing));
    }
    let (mut pending, _) = all.take(|_| true);
    pending.sort_by_key(|one| one.count);
    let counts: Vec<_> = pending.iter().map(|one| (one.from.as_str(), one.count)).collect();
    assert_eq!(counts, [("mallory@example.org", 1), ("a@example.org", 2)]);
}

#[test]
fn a_flood_is_bounded() {
    let mut all = Bounces::default();
    for number in 0..Bounces::SUBSCRIPTIONS_MAX + 3 {
        all.add(bounce(&format!("a{number}@example.org"), 4, 5, BounceClass::Retry));
    }
    assert!(all.is_full());
    all.add(bounce("a0@example.org", 5, 6, BounceClass::Retry));
    let (pending, passed_over) = all.take(|_| true);
    assert_eq!((pending.len(), passed_over), (Bounces::SUBSCRIPTIONS_MAX, 3));
    assert_eq!(all.take(|_| true), (Vec::new(), 0));
}

#[test]
fn what_says_nothing_does_not_lengthen_a_run() {
    let mut all = Bounces::default();
    all.add(bounce("a@example.org", 4, 5, BounceClass::Failing));
    all.add(bounce("a@example.org", 5, 6, BounceClass::Ignored));
    let (pending, passed_over) = all.take(|_| true);
    let expected = BouncedRun { class: BounceClass::Failing, after_seq: 4, through_seq: 5 };
    assert_eq!((pending[0].run, passed_over), (expected, 1));
}
