//! What is decided while a batch is in flight.

use std::cell::Cell;

use super::*;

/// What becomes of a batch.
type Outcome<'a> = &'a dyn Fn(&mut Test);

/// How many publishes are decided ahead now: each takes an id.
fn decided_ahead(committer: &mut Test) -> u32 {
    let ids = Cell::new(0);
    committer.decide_ahead(&|| {
        ids.set(ids.get() + 1);
        ItemId::new("made").unwrap()
    });
    ids.get()
}

/// A publish on node `a` is in flight, and three wait.
fn busy() -> Test {
    let mut committer = committer(EngineLimits::default());
    committer.submit(publish("a"), 0, Some(facts("a", 1)));
    assert_eq!(next_batch(&mut committer), ["a"]);
    for ticket in 1..=3 {
        committer.submit(publish("a"), ticket, None);
    }
    committer
}

fn written(committer: &mut Test, count: usize) -> Vec<(u32, bool)> {
    answers(committer.batch_written(vec![done(FactsAfter::Same); count]))
}

#[test]
fn publishes_are_decided_once_and_while_a_batch_is_in_flight() {
    let mut committer = busy();
    assert_eq!(decided_ahead(&mut committer), 3);
    assert_eq!(decided_ahead(&mut committer), 0);
    committer.submit(publish("b"), 4, Some(facts("b", 1)));
    assert_eq!(decided_ahead(&mut committer), 1);
    written(&mut committer, 1);
    let ids = Cell::new(0);
    let actions = committer.next_batch(&|| {
        ids.set(ids.get() + 1);
        ItemId::new("made").unwrap()
    });
    assert_eq!(ids.get(), 0, "all are decided");
    assert!(matches!(&actions[..], [Action::Write(batch)] if batch.entries.len() == 4));
    let all = [(1, true), (2, true), (3, true), (4, true)];
    assert_eq!(written(&mut committer, 4), all);
    assert!(committer.is_idle());
}

#[test]
fn nothing_is_decided_ahead_of_what_it_depends_on() {
    let mut committer = committer(EngineLimits::default());
    committer.submit(subscribe("a"), 0, Some(facts("a", 1)));
    assert_eq!(next_batch(&mut committer), ["a"]);
    committer.submit(publish("a"), 1, None);
    assert_eq!(decided_ahead(&mut committer), 0, "what is in flight may change the rules");
    written(&mut committer, 1);
    assert_eq!(next_batch(&mut committer), ["a"]);
    committer.submit(subscribe("a"), 2, None);
    committer.submit(publish("a"), 3, None);
    committer.submit(publish("b"), 4, Some(facts("b", 1)));
    assert_eq!(decided_ahead(&mut committer), 0, "nor is what waits passed by");
    written(&mut committer, 1);
    assert_eq!(next_batch(&mut committer), ["a", "b"]);
    written(&mut committer, 2);
    assert_eq!(next_batch(&mut committer), ["a"]);
}

#[test]
fn a_refusal_waits_for_its_turn_and_is_not_tried_for_each_command() {
    let mut committer = busy();
    let stranger = Actor::new(BareJid::new("stranger@example.org").unwrap(), Role::Creator);
    committer.submit(Command { actor: stranger, ..publish("a") }, 4, None);
    committer.submit(publish("a"), 5, None);
    assert_eq!(decided_ahead(&mut committer), 3);
    assert!(committer.ahead.is_closed);
    written(&mut committer, 1);
    let mut actions = next(&mut committer);
    assert!(matches!(actions.pop(), Some(Action::Write(batch)) if batch.entries.len() == 4));
    assert_eq!(answers(actions), [(4, false)]);
    assert_eq!(written(&mut committer, 4).last(), Some(&(5, true)));
}

#[test]
fn what_goes_back_comes_before_what_was_decided_behind_it() {
    let read_again = |committer: &mut Test| {
        committer.facts_loaded(&name("a"), Ok(Some(facts("a", 2))));
    };
    let postponed = |committer: &mut Test| drop(committer.batch_written(vec![EntryResult::Postponed]));
    let stale = |committer: &mut Test| {
        committer.batch_written(vec![EntryResult::Stale]);
        read_again(committer);
    };
    let unavailable = |committer: &mut Test| drop(committer.batch_failed(BatchFailure::Unavailable));
    let unknown = |committer: &mut Test| {
        committer.batch_failed(BatchFailure::Unknown);
        read_again(committer);
    };
    let outcomes: [(Outcome<'_>, u32); 4] = [(&postponed, 0), (&stale, 0), (&unavailable, 1), (&unknown, 1)];
    for (index, (outcome, first)) in outcomes.into_iter().enumerate() {
        let mut committer = busy();
        decided_ahead(&mut committer);
        outcome(&mut committer);
        let expected: Vec<_> = (first..=3).map(|ticket| (ticket, true)).collect();
        assert_eq!(next_batch(&mut committer).len(), expected.len(), "outcome {index}");
        assert_eq!(written(&mut committer, expected.len()), expected, "outcome {index}");
        assert!(committer.is_idle());
    }
}

#[test]
fn decisions_on_rules_that_have_moved_are_made_again() {
    let mut committer = busy();
    decided_ahead(&mut committer);
    assert!(matches!(&committer.rules_moved(&[name("a")])[..], [Action::Load(_)]));
    written(&mut committer, 1);
    assert_eq!(next_batch(&mut committer), Vec::<String>::new());
    committer.facts_loaded(&name("a"), Ok(Some(facts("a", 2))));
    let Some(Action::Write(batch)) = next(&mut committer).pop() else { panic!("no batch") };
    assert!(batch.entries.iter().all(|entry| entry.facts.as_ref().unwrap().rules_version == 2));
}

#[test]
fn a_node_of_which_everything_is_answered_is_let_go_of() {
    let mut committer = busy();
    decided_ahead(&mut committer);
    committer.batch_failed(BatchFailure::Unknown);
    let mut without_owner = facts("a", 2);
    Arc::make_mut(&mut without_owner).affiliations = Affiliations::default().into();
    committer.facts_loaded(&name("a"), Ok(Some(without_owner)));
    assert_eq!(answers(next(&mut committer)), [(1, false), (2, false), (3, false)]);
    assert!(committer.is_idle());
}

#[test]
fn levels_take_turns_ahead_too() {
    let relaxed = |node: &str| {
        let mut relaxed = facts(node, 1);
        Arc::make_mut(&mut relaxed).config.durability = Durability::Relaxed;
        Some(relaxed)
    };
    let mut committer = busy();
    committer.submit(publish("r"), 4, relaxed("r"));
    committer.submit(publish("b"), 5, Some(facts("b", 1)));
    assert_eq!(decided_ahead(&mut committer), 3);
    written(&mut committer, 1);
    assert_eq!(next_batch(&mut committer), ["a", "a", "a", "b"]);
    committer.submit(publish("a"), 6, None);
    assert_eq!(decided_ahead(&mut committer), 1, "the other level is first in line");
    written(&mut committer, 4);
    assert_eq!(next_batch(&mut committer), ["r"]);
}
