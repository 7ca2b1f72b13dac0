mod ahead;
mod levels;

use bus_domain::{
    Actor, Affiliation, Affiliations, BareJid, Durability, Epoch, ItemId, Jid, LimitKind, NodeConfig, NodeId,
    Payload, Role, publish,
};
use bus_store::{CommitLevel, LockMode};

use super::*;
use crate::{EngineLimits, Published, Verb};

type Test = Committer<u32>;

fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

fn owner() -> Actor {
    Actor::new(BareJid::new("owner@example.org").unwrap(), Role::Creator)
}

fn facts(node: &str, rules_version: u64) -> Arc<NodeFacts> {
    let affiliations: Affiliations = [(owner().bare().clone(), Affiliation::Owner)].into_iter().collect();
    Arc::new(NodeFacts {
        id: NodeId(1),
        name: name(node),
        epoch: Epoch(1),
        creator: owner().bare().clone(),
        created_at_ms: 0,
        config: NodeConfig::default(),
        affiliations: affiliations.into(),
        rules_version,
        above: None,
        is_orphan: false,
    })
}

fn command(node: &str, verb: Verb) -> Command {
    Command { actor: owner(), node: name(node), verb }
}

fn publish(node: &str) -> Command {
    let item = publish::NewItem { id: None, payload: Some(Payload::from_serialised("<a/>")) };
    command(node, Verb::Publish(publish::Request { items: vec![item], ..publish::Request::default() }))
}

fn subscribe(node: &str) -> Command {
    command(node, Verb::Subscribe(Jid::new("owner@example.org").unwrap().into()))
}

fn committer(limits: EngineLimits) -> Test {
    Committer::new(Settings { engine: limits, ..Settings::default() })
}

fn next(committer: &mut Test) -> Vec<Action<u32>> {
    committer.next_batch(&|| ItemId::new("made").unwrap())
}

/// The nodes of the batch that comes next; empty if none does.
fn next_batch(committer: &mut Test) -> Vec<String> {
    match next(committer).pop() {
        Some(Action::Write(batch)) => batch.entries.iter().map(|entry| entry.node.to_string()).collect(),
        _ => Vec::new(),
    }
}

fn done(facts: FactsAfter) -> EntryResult {
    let published = Published {
        epoch: Epoch(1),
        first_seq: 1,
        item_ids: Vec::new(),
        durability: Durability::Fsync,
        duplicate: false,
    };
    EntryResult::Done { outcome: Box::new(Outcome::Published(published)), facts }
}

/// Tickets of the commands answered, with whether they were carried out.
fn answers(actions: Vec<Action<u32>>) -> Vec<(u32, bool)> {
    actions
        .into_iter()
        .filter_map(|action| match action {
            Action::Reply(ticket, answer) => Some((ticket, answer.is_ok())),
            _ => None,
        })
        .collect()
}

#[test]
fn what_queues_up_during_a_commit_is_the_next_batch() {
    let mut committer = committer(EngineLimits::default());
    committer.submit(publish("a"), 1, Some(facts("a", 1)));
    assert_eq!(next_batch(&mut committer), ["a"]);
    for ticket in 2..5 {
        committer.submit(publish("a"), ticket, None);
    }
    committer.submit(publish("b"), 5, Some(facts("b", 1)));
    assert_eq!(next_batch(&mut committer), Vec::<String>::new(), "one batch at a time");
    assert_eq!(answers(committer.batch_written(vec![done(FactsAfter::Same)])), [(1, true)]);
    assert_eq!(next_batch(&mut committer), ["a", "a", "a", "b"]);
    let results = vec![done(FactsAfter::Same); 4];
    assert_eq!(answers(committer.batch_written(results)), [(2, true), (3, true), (4, true), (5, true)]);
    assert!(committer.is_idle());
    assert_eq!(committer.queued(), (0, 0));
}

#[test]
fn unknown_facts_are_loaded_once_for_all_that_wait() {
    let mut committer = committer(EngineLimits::default());
    assert!(matches!(committer.submit(publish("a"), 1, None), Some(Action::Load(_))));
    assert!(committer.submit(publish("a"), 2, None).is_none());
    assert_eq!(next_batch(&mut committer), Vec::<String>::new());
    assert!(committer.facts_loaded(&name("a"), Ok(Some(facts("a", 1)))).is_empty());
    assert_eq!(next_batch(&mut committer), ["a", "a"]);
}

#[test]
fn a_node_that_is_not_there_or_cannot_be_read_answers_at_once() {
    let mut committer = committer(EngineLimits::default());
    committer.submit(publish("a"), 1, None);
    committer.facts_loaded(&name("a"), Ok(None));
    assert_eq!(answers(next(&mut committer)), [(1, false)]);
    assert!(committer.is_idle());
    committer.submit(publish("a"), 2, None);
    let unread = committer.facts_loaded(&name("a"), Err(BusError::StoreUnavailable));
    assert!(matches!(unread[..], [Action::Reply(2, Err(BusError::StoreUnavailable))]));
    assert!(committer.is_idle());
}

#[test]
fn a_command_that_others_depend_on_is_alone_and_in_its_order() {
    let mut committer = committer(EngineLimits::default());
    committer.submit(publish("a"), 1, Some(facts("a", 1)));
    committer.submit(subscribe("a"), 2, None);
    committer.submit(publish("a"), 3, None);
    committer.submit(publish("b"), 4, Some(facts("b", 1)));
    for expected in [vec!["a", "b"], vec!["a"], vec!["a"]] {
        assert_eq!(next_batch(&mut committer), expected);
        committer.batch_written(vec![done(FactsAfter::Same); expected.len()]);
    }
    assert!(committer.is_idle());
}

#[test]
fn commands_behind_a_change_of_rules_are_decided_on_the_new_rules() {
    let mut committer = committer(EngineLimits::default());
    let banned = vec![(BareJid::new("x@example.org").unwrap(), Affiliation::Outcast)];
    committer.submit(command("a", Verb::Affiliate(banned.into())), 1, Some(facts("a", 1)));
    assert_eq!(next_batch(&mut committer), ["a"]);
    committer.submit(publish("a"), 2, None);
    committer.batch_written(vec![done(FactsAfter::Now(Some(facts("a", 2))))]);
    let actions = next(&mut committer);
    let [Action::Write(batch)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(batch.entries[0].facts.as_ref().unwrap().rules_version, 2);
}

#[test]
fn a_stale_decision_is_made_again_in_the_old_order() {
    let mut committer = committer(EngineLimits::default());
    committer.submit(publish("a"), 1, Some(facts("a", 1)));
    committer.submit(publish("a"), 2, None);
    next_batch(&mut committer);
    committer.submit(publish("a"), 3, None);
    let actions = committer.batch_written(vec![EntryResult::Stale; 2]);
    assert!(matches!(actions[..], [Action::Load(_)]), "{actions:?}");
    assert_eq!(next_batch(&mut committer), Vec::<String>::new(), "not before the rules are known");
    committer.facts_loaded(&name("a"), Ok(Some(facts("a", 2))));
    assert_eq!(next_batch(&mut committer).len(), 3);
    let answered = answers(committer.batch_written(vec![done(FactsAfter::Same); 3]));
    assert_eq!(answered, [(1, true), (2, true), (3, true)]);
}

#[test]
fn rules_that_never_rest_end_in_an_answer() {
    let mut committer = committer(EngineLimits::default());
    committer.submit(publish("a"), 1, Some(facts("a", 1)));
    for _ in 0..=ATTEMPTS_MAX {
        assert_eq!(next_batch(&mut committer), ["a"]);
        let actions = committer.batch_written(vec![EntryResult::Stale]);
        if let [Action::Reply(1, Err(BusError::Contended)), ..] = actions[..] {
            return;
        }
        committer.facts_loaded(&name("a"), Ok(Some(facts("a", 1))));
    }
    panic!("no answer");
}

#[test]
fn a_postponed_entry_waits_for_the_next_batch() {
    let mut committer = committer(EngineLimits::default());
    committer.submit(publish("a"), 1, Some(facts("a", 1)));
    committer.submit(publish("b"), 2, Some(facts("b", 1)));
    next_batch(&mut committer);
    let answered = answers(committer.batch_written(vec![EntryResult::Postponed, done(FactsAfter::Same)]));
    assert_eq!(answered, [(2, true)]);
    assert_eq!(next_batch(&mut committer), ["a"]);
}

#[test]
fn a_head_that_is_held_again_and_again_is_waited_for_and_not_for_ever() {
    let mut committer = committer(EngineLimits::default());
    committer.submit(publish("a"), 1, Some(facts("a", 1)));
    let mut modes = Vec::new();
    let mut answered = Vec::new();
    while let Some(Action::Write(batch)) = next(&mut committer).pop() {
        modes.push(batch.entries[0].lock);
        answered = answers(committer.batch_written(vec![EntryResult::Postponed]));
    }
    let skips = modes.iter().take_while(|mode| **mode == LockMode::SkipHeld).count();
    assert_eq!((skips, modes.len()), (SKIPS_MAX as usize, (SKIPS_MAX + WAITS_MAX) as usize + 1));
    assert!(modes[skips..].iter().all(|mode| *mode == LockMode::Wait));
    assert_eq!(answered, [(1, false)], "its sender may try again");
    assert!(committer.is_idle());
}

#[test]
fn on_a_shared_store_a_refusal_rests_on_facts_that_were_read_for_it() {
    let banned = |version| {
        let mut facts = NodeFacts::clone(&facts("a", version));
        facts.affiliations = Affiliations::default().into();
        Arc::new(facts)
    };
    let mut committer = committer(EngineLimits::default()).on_shared_store(true);
    committer.submit(publish("a"), 1, Some(banned(1)));
    committer.submit(publish("a"), 2, None);
    let asked = next(&mut committer);
    assert!(matches!(&asked[..], [Action::Load(_)]), "the ban in memory may be an old one: {asked:?}");
    assert!(next(&mut committer).is_empty(), "once");
    committer.facts_loaded(&name("a"), Ok(Some(facts("a", 2))));
    assert_eq!(next_batch(&mut committer), ["a", "a"]);
    committer.batch_written(vec![done(FactsAfter::Same); 2]);
    assert!(committer.is_idle());

    committer.submit(publish("a"), 3, Some(facts("a", 2)));
    committer.submit(subscribe("a"), 4, None);
    assert_eq!(next_batch(&mut committer), ["a"], "nothing is read for what is allowed");
    committer.submit(publish("a"), 5, None);
    committer.batch_written(vec![done(FactsAfter::Now(Some(banned(3))))]);
    assert_eq!(next_batch(&mut committer), ["a"], "subscribing is open to all");
    committer.batch_written(vec![done(FactsAfter::Same)]);
    assert!(matches!(&next(&mut committer)[..], [Action::Load(_)]));
    committer.facts_loaded(&name("a"), Ok(Some(banned(3))));
    assert_eq!(answers(next(&mut committer)), [(5, false)]);
    assert!(committer.is_idle());
}

#[test]
fn a_refused_batch_is_halved_until_the_offender_is_alone() {
    let mut committer = committer(EngineLimits::default());
    for ticket in 0..8 {
        committer.submit(publish("a"), ticket, Some(facts("a", 1)));
    }
    let mut answered = Vec::new();
    let offender = 5;
    let mut first = 0;
    while !committer.is_idle() {
        let length = u32::try_from(next_batch(&mut committer).len()).unwrap();
        let holds_offender = (first..first + length).contains(&offender);
        let actions = if holds_offender {
            committer.batch_failed(BatchFailure::Refused)
        } else {
            committer.batch_written(vec![done(FactsAfter::Same); length as usize])
        };
        let now = answers(actions);
        first += u32::try_from(now.len()).unwrap();
        answered.extend(now);
        assert!(answered.len() <= 8);
    }
    assert_eq!(answered, (0..8).map(|ticket| (ticket, ticket != offender)).collect::<Vec<_>>());
}

#[test]
fn a_store_that_is_away_is_said_to_everyone_in_the_batch() {
    let mut committer = committer(EngineLimits::default());
    committer.submit(publish("a"), 1, Some(facts("a", 1)));
    committer.submit(publish("a"), 2, None);
    next_batch(&mut committer);
    let actions = committer.batch_failed(BatchFailure::Unavailable);
    assert!(matches!(actions[0], Action::Reply(1, Err(BusError::StoreUnavailable))));
    assert_eq!(actions.len(), 2);
    assert!(committer.is_idle());
}

#[test]
fn what_is_no_publish_is_tried_without_publishes_before_a_store_counts_as_full_for_it() {
    let mut committer = committer(EngineLimits::default());
    committer.submit(publish("a"), 1, Some(facts("a", 1)));
    committer.submit(subscribe("b"), 2, Some(facts("b", 2)));
    assert_eq!(next_batch(&mut committer), ["a", "b"]);
    let actions = committer.batch_failed(BatchFailure::Unavailable);
    assert!(matches!(actions[..], [Action::Reply(1, Err(BusError::StoreUnavailable))]));
    committer.submit(publish("a"), 3, Some(facts("a", 1)));
    assert_eq!(next_batch(&mut committer), ["b"], "it is alone");
    let actions = committer.batch_failed(BatchFailure::Unavailable);
    assert!(matches!(actions[..], [Action::Reply(2, Err(BusError::StoreUnavailable))]));
}

#[test]
fn a_batch_that_may_be_there_has_its_nodes_read_again() {
    let mut committer = committer(EngineLimits::default());
    committer.submit(publish("a"), 1, Some(facts("a", 1)));
    next_batch(&mut committer);
    committer.submit(publish("a"), 2, None);
    let actions = committer.batch_failed(BatchFailure::Unknown);
    let [Action::Reply(1, Err(BusError::StoreUnavailable)), Action::Load(node)] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(*node, name("a"));
    assert!(next_batch(&mut committer).is_empty(), "what waits is not decided on what may be old");
    committer.facts_loaded(&name("a"), Ok(Some(facts("a", 2))));
    assert_eq!(next_batch(&mut committer), ["a"]);
}

#[test]
fn the_queue_is_bounded_in_count_and_bytes() {
    let mut few = committer(EngineLimits { queued_commands_max: 1, ..EngineLimits::default() });
    assert!(few.submit(publish("a"), 1, Some(facts("a", 1))).is_none());
    assert!(matches!(few.submit(publish("a"), 2, None), Some(Action::Reply(2, Err(BusError::Busy)))));
    let small = EngineLimits { queued_bytes_max: publish("a").weight_bytes(), ..EngineLimits::default() };
    let mut small = committer(small);
    assert!(small.submit(publish("a"), 1, Some(facts("a", 1))).is_none());
    assert!(matches!(small.submit(publish("a"), 2, None), Some(Action::Reply(2, Err(BusError::Busy)))));
    next_batch(&mut small);
    small.batch_written(vec![done(FactsAfter::Same)]);
    assert!(small.submit(publish("a"), 3, Some(facts("a", 1))).is_none(), "there is room again");
}

#[test]
fn a_batch_is_bounded_in_events() {
    let mut committer = committer(EngineLimits { batch_events_max: 3, ..EngineLimits::default() });
    for ticket in 0..5 {
        committer.submit(publish("a"), ticket, Some(facts("a", 1)));
        committer.submit(publish("b"), ticket, Some(facts("b", 1)));
    }
    assert_eq!(next_batch(&mut committer), ["a", "a", "a"]);
    committer.batch_written(vec![done(FactsAfter::Same); 3]);
    assert_eq!(next_batch(&mut committer), ["b", "b", "b"], "nodes take turns");
}

#[test]
fn publishes_on_a_node_with_too_much_to_deliver_are_refused_until_it_has_less() {
    let mut committer = committer(EngineLimits::default());
    committer.undelivered_full(HashSet::from([NodeId(1)]));
    committer.submit(publish("a"), 1, Some(facts("a", 1)));
    let full = BusError::LimitReached(LimitKind::Undelivered);
    assert!(matches!(&next(&mut committer)[..], [Action::Reply(1, Err(error))] if *error == full));
    committer.submit(subscribe("a"), 2, Some(facts("a", 1)));
    assert_eq!(next_batch(&mut committer), ["a"], "only publishing has to wait");
    committer.batch_written(vec![EntryResult::Refused(BusError::Internal)]);
    committer.undelivered_full(HashSet::new());
    committer.submit(publish("a"), 3, Some(facts("a", 1)));
    assert_eq!(next_batch(&mut committer), ["a"]);
}
