//! Logs in memory, and logs that begin a new life.

use bus_domain::{Durability, ItemId};

use super::*;

/// A dispatcher with its link up that has heard of no node yet.
fn world(recipients: i64) -> World {
    let mut world = World::new(0, recipients);
    world.dispatcher = Dispatcher::new(
        DispatcherBounds { nodes_max: 10, recipients_max: 1_000, lagging: LAGGING },
        admins(),
    );
    world.dispatcher.resume(Vec::new(), None);
    world.input(DeliveryInput::LinkUp { link: 1 });
    world
}

fn of_epoch(epoch: u64, durability: Durability) -> DeliveryNode {
    let mut node = node();
    node.epoch = Epoch(epoch);
    node.config.durability = durability;
    node
}

fn in_memory() -> DeliveryNode {
    of_epoch(1, Durability::Memory)
}

fn deleted(seq: Seq) -> Arc<Event> {
    Arc::new(Event { kind: EventKind::Deleted { redirect: None }, ..Event::clone(&event(seq, true, 0)) })
}

impl World {
    /// Word of events that come behind the log as it was.
    fn publish(&mut self, node: &DeliveryNode, events: impl IntoIterator<Item = Arc<Event>>) {
        let before_seq = self.log.last().map_or(0, |event| event.seq);
        self.log.extend(events);
        let last = self.log.last().expect("something was published").clone();
        let deletion = Some(&last).filter(|last| last.kind.is_deletion()).cloned();
        let deltas = Deltas::Known(Vec::new());
        let node = node.clone();
        self.dispatcher.signal(NodeSignal {
            node,
            from: Position::behind(before_seq),
            head_seq: last.seq,
            deltas,
            deletion,
        });
    }
}

fn events(seqs: impl IntoIterator<Item = Seq>) -> Vec<Arc<Event>> {
    seqs.into_iter().map(|seq| event(seq, true, 0)).collect()
}

#[test]
fn a_log_in_memory_has_no_cursor() {
    let mut world = world(1);
    world.publish(&in_memory(), events(1..=2));
    assert_eq!(world.run(), [(1, 1, 0), (2, 1, 1)]);
    world.input(DeliveryInput::HandedOver { through_ticket: 2 });
    assert_eq!(world.proven(), []);
    assert_eq!(world.dispatcher.lag().nodes, 0);
    world.dispatcher.bounds.nodes_max = 0;
    world.dispatcher.bound_nodes();
    assert!(world.dispatcher.nodes.is_empty(), "nothing is left to do");
}

#[test]
fn after_a_cut_what_memory_still_has_comes_again() {
    let mut world = world(1);
    world.publish(&in_memory(), events(1..=4));
    assert_eq!(world.run().len(), 4);
    world.input(DeliveryInput::HandedOver { through_ticket: 1 });
    world.log.drain(..2);
    let again = world.input(DeliveryInput::LinkDown).input(DeliveryInput::LinkUp { link: 2 }).run();
    assert_eq!(again, [(3, 1, 2), (4, 1, 3)], "2 is gone, and `after` says so");
}

#[test]
fn what_memory_has_lost_is_passed_over_and_never_asked_of_the_log() {
    let mut world = world(1);
    world.input(DeliveryInput::LinkDown);
    world.publish(&in_memory(), events(1..=9));
    world.log.clear();
    world.input(DeliveryInput::LinkUp { link: 2 });
    let need = world.dispatcher.pump(&mut world.lane);
    assert_eq!(need, Some(Need::Recent { node: NODE, after_seq: 0 }));
    assert_eq!(world.run(), [], "all of it is gone");
    assert_eq!(world.dispatcher.lag().nodes, 0, "and nothing waits for it");
    world.dispatcher.signal(NodeSignal {
        node: in_memory(),
        from: Position::behind(9),
        head_seq: 10,
        deltas: Deltas::Known(Vec::new()),
        deletion: None,
    });
    world.log.extend(events([10]));
    assert_eq!(world.run(), [(10, 1, 9)]);
}

#[test]
fn the_end_of_a_log_in_memory_is_told_whatever_memory_has_lost() {
    let mut world = world(1);
    world.input(DeliveryInput::LinkDown);
    world.publish(&in_memory(), events(1..=2));
    world.publish(&in_memory(), [deleted(3)]);
    world.log.clear();
    for link in 2..4 {
        assert_eq!(world.input(DeliveryInput::LinkUp { link }).run(), [(3, 1, 2)]);
        assert_eq!(world.proven(), [], "not before it is handed over");
        world.input(DeliveryInput::LinkDown);
    }
    world.input(DeliveryInput::LinkUp { link: 4 }).run();
    world.input(DeliveryInput::HandedOver { through_ticket: 3 });
    assert_eq!(world.proven(), [position(3, 0)], "the one thing that the store hears of it");
    let moves = world.dispatcher.cursor_moves();
    world.dispatcher.stored(&moves);
    assert!(world.dispatcher.take_ended() && world.dispatcher.nodes.is_empty());
}

#[test]
fn the_end_of_a_log_that_another_process_had_in_memory_is_read_from_the_store() {
    let mut world = world(1);
    let DeliveryNode { id, name, config, .. } = in_memory();
    let head =
        Head { epoch: Epoch(1), seq: 1, trimmed_through_seq: 0, rules_version: 2, recipients_version: 1 };
    let ended = Undelivered { node: id, name, config, head, position: Position::START };
    world.dispatcher.resume(vec![ended], None);
    assert_eq!(world.dispatcher.pump(&mut world.lane), Some(Need::Events { node: NODE, after_seq: 0 }));
    world.log.push(deleted(1));
    assert_eq!(world.run(), [(1, 1, 0)]);
    world.input(DeliveryInput::HandedOver { through_ticket: 1 });
    assert_eq!(world.proven(), [position(1, 0)]);
}

#[test]
fn a_new_life_goes_on_from_the_end_of_the_old_one() {
    let mut world = world(1);
    let old = of_epoch(1, Durability::Relaxed);
    world.publish(&old, events(1..=5));
    world.run();
    world.input(DeliveryInput::HandedOver { through_ticket: 4 });
    assert_eq!(world.proven(), [position(4, 0)]);

    // 3 to 5 were lost, and 3 was given again.
    world.log.truncate(2);
    let added = RecipientDelta { recipients_version: 2, changes: vec![RecipientChange::Access] };
    let item_id = ItemId::new("new").unwrap();
    let new = Event { kind: EventKind::Retracted { item_id }, ..Event::clone(&event(3, true, 2)) };
    world.log.push(Arc::new(new));
    world.recipients_version = 2;
    world.dispatcher.signal(NodeSignal {
        node: of_epoch(2, Durability::Relaxed),
        from: Position::behind(2),
        head_seq: 3,
        deltas: Deltas::Known(vec![added]),
        deletion: None,
    });
    assert_eq!(world.run(), [(3, 1, 2)]);
    world.input(DeliveryInput::HandedOver { through_ticket: 5 });
    assert_eq!(world.proven(), [position(2, 0)], "a proof of the old 5 proves nothing of the new 3");
    world.input(DeliveryInput::HandedOver { through_ticket: 6 });
    assert_eq!(world.proven(), [position(3, 0)]);
}
