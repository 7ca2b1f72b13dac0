//! Levels of durability among the commands that wait.

use bus_domain::retract;

use super::*;

fn facts_at(node: &str, durability: Durability) -> Arc<NodeFacts> {
    let facts = NodeFacts::clone(&facts(node, 1));
    Arc::new(NodeFacts { config: NodeConfig { durability, ..facts.config }, ..facts })
}

fn retract(node: &str) -> Command {
    let request = retract::Request { item_ids: vec![ItemId::new("a").unwrap()], notify: None };
    command(node, Verb::Retract(request))
}

/// The level of the batch that comes next, with its nodes.
fn next_level(committer: &mut Test) -> Option<(CommitLevel, Vec<String>)> {
    match next(committer).pop()? {
        Action::Write(batch) => {
            let nodes = batch.entries.iter().map(|entry| entry.node.to_string()).collect();
            Some((batch.level, nodes))
        }
        other => panic!("{other:?}"),
    }
}

fn write_all(committer: &mut Test) -> Vec<(CommitLevel, Vec<String>)> {
    let mut batches = Vec::new();
    while let Some((level, nodes)) = next_level(committer) {
        committer.batch_written(vec![done(FactsAfter::Same); nodes.len()]);
        batches.push((level, nodes));
    }
    assert!(committer.is_idle());
    batches
}

fn batch(level: CommitLevel, nodes: &[&str]) -> (CommitLevel, Vec<String>) {
    (level, nodes.iter().map(ToString::to_string).collect())
}

/// Names of the nodes whose publishes are to be emitted, by their tickets.
fn emitted(actions: &[Action<u32>]) -> Vec<u32> {
    let emitted = actions.iter().filter_map(|action| match action {
        Action::Emit(emission) => Some(emission.ticket),
        _ => None,
    });
    emitted.collect()
}

#[test]
fn levels_never_share_a_batch_and_take_turns() {
    use CommitLevel::{Fsync, Relaxed};
    let limits = EngineLimits { batch_events_max: 2, ..EngineLimits::default() };
    let mut committer = committer(limits);
    for (node, durability) in
        [("a", Durability::Relaxed), ("b", Durability::Fsync), ("c", Durability::Relaxed)]
    {
        for ticket in 0..3 {
            committer.submit(publish(node), ticket, Some(facts_at(node, durability)));
        }
    }
    let expected = [
        batch(Relaxed, &["a", "a"]),
        batch(Fsync, &["b", "b"]),
        batch(Relaxed, &["c", "c"]),
        batch(Relaxed, &["a", "c"]),
        batch(Fsync, &["b"]),
    ];
    assert_eq!(write_all(&mut committer), expected, "whoever is passed over is the next");
}

#[test]
fn only_events_of_relaxed_nodes_do_without_their_sync() {
    use CommitLevel::{Fsync, Relaxed};
    for (durability, publish_level) in [(Durability::Relaxed, Relaxed), (Durability::Fsync, Fsync)] {
        let mut committer = committer(EngineLimits::default());
        for (ticket, command) in (1..).zip([publish("a"), retract("a"), subscribe("a"), publish("a")]) {
            committer.submit(command, ticket, Some(facts_at("a", durability)));
        }
        let expected = [publish_level, publish_level, Fsync, publish_level].map(|level| batch(level, &["a"]));
        assert_eq!(write_all(&mut committer), expected, "in their order");
    }
}

#[test]
fn a_refused_command_leaves_its_turn_to_another_level() {
    let mut committer = committer(EngineLimits::default());
    let empty = Command { verb: Verb::Publish(publish::Request::default()), ..publish("a") };
    committer.submit(empty, 1, Some(facts_at("a", Durability::Relaxed)));
    committer.submit(publish("b"), 2, Some(facts_at("b", Durability::Fsync)));
    let actions = next(&mut committer);
    let [Action::Reply(1, Err(_)), Action::Write(batch)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(batch.level, CommitLevel::Fsync);
}

#[test]
fn what_comes_behind_a_refused_command_joins_only_its_own_level() {
    let mut committer = committer(EngineLimits::default());
    let relaxed = |node| Some(facts_at(node, Durability::Relaxed));
    let empty = Command { verb: Verb::Publish(publish::Request::default()), ..publish("b") };
    committer.submit(publish("a"), 1, relaxed("a"));
    committer.submit(empty, 2, relaxed("b"));
    committer.submit(subscribe("b"), 3, relaxed("b"));
    let expected = [batch(CommitLevel::Relaxed, &["a"]), batch(CommitLevel::Fsync, &["b"])];
    assert_eq!(write_all(&mut committer), expected);
}

#[test]
fn a_publish_in_memory_waits_for_nothing_but_what_its_node_has_before_it() {
    let memory = || Some(facts_at("m", Durability::Memory));
    let mut committer = committer(EngineLimits { queued_commands_max: 3, ..EngineLimits::default() });
    committer.submit(publish("a"), 1, Some(facts("a", 1)));
    assert_eq!(next_batch(&mut committer), ["a"], "in flight");
    let at_once = committer.submit(publish("m"), 2, memory());
    assert_eq!(emitted(&at_once.into_iter().collect::<Vec<_>>()), [2]);
    assert_eq!(committer.queued().0, 1, "the one in flight");

    let banned = vec![(BareJid::new("x@example.org").unwrap(), Affiliation::Outcast)];
    assert!(committer.submit(command("m", Verb::Affiliate(banned.into())), 3, memory()).is_none());
    assert!(committer.submit(publish("m"), 4, memory()).is_none(), "behind a change of rules");
    let full = committer.submit(publish("b"), 5, Some(facts("b", 1)));
    assert!(matches!(full, Some(Action::Reply(5, Err(BusError::Busy)))));
    let at_once = committer.submit(publish("n"), 6, Some(facts_at("n", Durability::Memory)));
    assert_eq!(emitted(&at_once.into_iter().collect::<Vec<_>>()), [6], "whatever else is queued");

    committer.batch_written(vec![done(FactsAfter::Same)]);
    assert_eq!(next_batch(&mut committer), ["m"], "the change of rules");
    let mut changed = NodeFacts::clone(&memory().unwrap());
    changed.rules_version = 2;
    committer.batch_written(vec![done(FactsAfter::Now(Some(Arc::new(changed))))]);
    let actions = next(&mut committer);
    let [Action::Emit(emission)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!((emission.ticket, emission.facts.rules_version), (4, 2), "decided on the new rules");
    assert!(committer.is_idle());
    assert_eq!(committer.queued(), (0, 0));
}

#[test]
fn publishes_in_memory_come_with_a_batch_of_any_level() {
    for durability in Durability::ALL {
        let mut committer = committer(EngineLimits::default());
        committer.submit(publish("a"), 1, Some(facts_at("a", Durability::Relaxed)));
        committer.submit(publish("m"), 2, None);
        committer.facts_loaded(&name("m"), Ok(Some(facts_at("m", durability))));
        let actions = next(&mut committer);
        let expected: &[u32] = if durability == Durability::Memory { &[2] } else { &[] };
        assert_eq!(emitted(&actions), expected, "{durability:?}");
    }
}
