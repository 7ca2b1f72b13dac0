mod lives;

use bus_domain::{
    AccessModel, Affiliation, Epoch, EventKind, Jid, NodeConfig, NodeName, Roster, Subscription,
    SubscriptionState,
};
use bus_store::{Head, Recipient, Undelivered};

use super::super::DeliveryNode;
use super::super::lagging::LaggingBounds;
use super::super::mailbox::{Deltas, NodeSignal, RecipientChange, RecipientDelta};
use super::super::{Delivery, SinkFull};
use super::*;

mod attempts;
mod digests;
mod lagging;
mod look_again;
mod presence;
mod standings;
mod turns;

/// A sink that writes down (seq, subscription, after) and has room for so many.
struct Lane {
    room: usize,
    got: Vec<(Seq, i64, Seq)>,
    links: Vec<u64>,
}

impl NotificationSink for Lane {
    fn try_send(&mut self, delivery: &Delivery<'_>) -> Result<(), SinkFull> {
        if self.room == 0 {
            return Err(SinkFull);
        }
        self.room -= 1;
        self.links.push(delivery.hand_off.link);
        self.got.push((delivery.event.seq, delivery.subscription.id.0, delivery.after_seq));
        Ok(())
    }
}

/// A log and recipients that answer the dispatcher's needs.
struct World {
    dispatcher: Dispatcher,
    lane: Lane,
    log: Vec<Arc<Event>>,
    recipients: Vec<Recipient>,
    recipients_version: u64,
    epoch: Epoch,
    rosters: Option<Vec<Arc<Roster>>>,
    reads: usize,
}

const NODE: NodeId = NodeId(1);

const LAGGING: LaggingBounds = LaggingBounds {
    subscriptions_max: 2,
    window_events_max: 64,
    quiet_ms: 10,
    backoff_ms_min: 1_000,
    backoff_ms_max: 8_000,
};

fn event(seq: Seq, due: bool, recipients_version: u64) -> Arc<Event> {
    Arc::new(Event {
        seq,
        kind: EventKind::Retracted { item_id: bus_domain::ItemId::new(&seq.to_string()).unwrap() },
        publisher: Jid::new("a@example.org").unwrap(),
        published_at_ms: 0,
        recipients_version,
        due_after_seq: due.then(|| seq - 1),
    })
}

fn recipient(id: i64, since_seq: Seq) -> Recipient {
    let jid = Jid::new("a@example.org").unwrap();
    let subscription = Subscription::new(SubscriptionId(id), jid, SubscriptionState::Subscribed, since_seq);
    Recipient { subscription, affiliation: Affiliation::None }
}

fn admins() -> HashSet<BareJid> {
    [BareJid::new("admin@example.org").unwrap()].into()
}

fn bounds(nodes_max: usize, recipients_max: usize) -> DispatcherBounds {
    DispatcherBounds { nodes_max, recipients_max, lagging: LAGGING }
}

fn node() -> DeliveryNode {
    let name = NodeName::new("n").unwrap();
    DeliveryNode { id: NODE, name, epoch: Epoch(1), config: NodeConfig::default(), owners: None }
}

impl World {
    /// A log of so many due events and subscriptions from its start, nothing of it delivered.
    fn new(events: Seq, recipients: i64) -> Self {
        let mut dispatcher = Dispatcher::new(bounds(10, 1_000), admins());
        let head = Head {
            epoch: Epoch(1),
            seq: events,
            trimmed_through_seq: 0,
            rules_version: 1,
            recipients_version: 1,
        };
        let node = node();
        let position = Position::START;
        let behind = Undelivered { node: NODE, name: node.name, config: node.config, head, position };
        dispatcher.resume(vec![behind], None);
        Self {
            dispatcher,
            lane: Lane { room: 100_000, got: Vec::new(), links: Vec::new() },
            log: (1..=events).map(|seq| event(seq, true, 1)).collect(),
            recipients: (1..=recipients).map(|id| recipient(id, 0)).collect(),
            recipients_version: 1,
            epoch: Epoch(1),
            rosters: None,
            reads: 0,
        }
    }

    fn input(&mut self, input: DeliveryInput) -> &mut Self {
        self.dispatcher.input(input);
        self
    }

    /// Runs until nothing more can be done; returns what was sent by that.
    fn run(&mut self) -> Vec<(Seq, i64, Seq)> {
        while let Some(need) = self.dispatcher.pump(&mut self.lane) {
            self.reads += 1;
            assert!(self.reads < 10_000, "it needs the same thing again and again");
            match need {
                Need::Events { node, after_seq } | Need::Recent { node, after_seq } => {
                    let page =
                        self.log.iter().filter(|event| event.seq > after_seq).take(3).cloned().collect();
                    self.dispatcher.take_events(node, page);
                }
                Need::Recipients { node, after } => {
                    let behind = after.map_or(0, |id| id.0);
                    let page = self.recipients.iter().filter(|one| one.subscription.id.0 > behind);
                    let page = RecipientPage {
                        recipients_version: self.recipients_version,
                        recipients: page.take(2).cloned().collect(),
                    };
                    self.dispatcher.take_recipients(node, page, 2);
                }
                Need::Rosters { node } => self.dispatcher.take_rosters(node, self.rosters.clone()),
                Need::Below { .. } => unreachable!("there are no collections"),
                Need::Lagging { key, after_seq, events_max } => self.feed(key, after_seq, events_max),
            }
        }
        std::mem::take(&mut self.lane.got)
    }

    fn signal(&mut self, events: &[Arc<Event>], deltas: Vec<RecipientDelta>) {
        self.signal_with(node(), events, deltas);
    }

    fn signal_with(&mut self, node: DeliveryNode, events: &[Arc<Event>], deltas: Vec<RecipientDelta>) {
        let before_seq = self.log.last().map_or(0, |event| event.seq);
        self.log.extend_from_slice(events);
        let head_seq = self.log.last().map_or(0, |event| event.seq);
        self.dispatcher.signal(NodeSignal {
            node,
            from: Position::behind(before_seq),
            head_seq,
            deltas: Deltas::Known(deltas),
            deletion: None,
        });
    }

    fn proven(&self) -> Vec<Position> {
        self.dispatcher.cursor_moves().into_iter().map(|step| step.to).collect()
    }
}

fn position(seq: Seq, subscription: i64) -> Position {
    Position { through_seq: seq, through_subscription: SubscriptionId(subscription) }
}

#[test]
fn events_go_out_in_order_and_each_to_recipients_in_order() {
    let mut world = World::new(2, 3);
    assert_eq!(world.run(), [], "no link yet");
    let sent = world.input(DeliveryInput::LinkUp { link: 1 }).run();
    assert_eq!(sent, [(1, 1, 0), (1, 2, 0), (1, 3, 0), (2, 1, 1), (2, 2, 1), (2, 3, 1)]);
}

#[test]
fn cursors_move_with_proofs_only() {
    let mut world = World::new(2, 3);
    world.input(DeliveryInput::LinkUp { link: 1 }).run();
    assert_eq!(world.proven(), []);
    world.input(DeliveryInput::HandedOver { through_ticket: 3 });
    assert_eq!(world.proven(), [position(1, 0)]);
    world.input(DeliveryInput::HandedOver { through_ticket: 5 });
    assert_eq!(world.proven(), [position(1, 0)], "a position is noted per event");
    world.input(DeliveryInput::HandedOver { through_ticket: 6 });
    assert_eq!(world.proven(), [position(2, 0)]);
    let moves = world.dispatcher.cursor_moves();
    world.dispatcher.stored(&moves);
    assert_eq!(world.proven(), [], "stored once");
    assert_eq!(world.dispatcher.lag(), Lag::default());
}

#[test]
fn after_a_cut_delivery_goes_on_from_what_is_proven() {
    let mut world = World::new(3, 2);
    world.input(DeliveryInput::LinkUp { link: 1 }).run();
    world.input(DeliveryInput::HandedOver { through_ticket: 2 });
    assert_eq!(world.dispatcher.lag(), Lag { nodes: 1, events: 2, events_max: 2 });
    world.input(DeliveryInput::LinkDown);
    assert_eq!(world.run(), []);
    let again = world.input(DeliveryInput::LinkUp { link: 1 }).run();
    assert_eq!(again, [(2, 1, 1), (2, 2, 1), (3, 1, 2), (3, 2, 2)]);
    world.input(DeliveryInput::HandedOver { through_ticket: 6 });
    assert_eq!(world.proven(), [position(1, 0)], "a proof of the old link proves nothing new");
    world.input(DeliveryInput::HandedOver { through_ticket: 10 });
    assert_eq!(world.proven(), [position(3, 0)]);
    assert_eq!(world.dispatcher.repeats(), 4);
}

#[test]
fn a_cut_in_mid_fan_out_resumes_in_the_middle() {
    let mut world = World::new(1, 600);
    world.lane.room = 300;
    assert_eq!(world.input(DeliveryInput::LinkUp { link: 1 }).run().len(), 300);
    world.input(DeliveryInput::HandedOver { through_ticket: 300 });
    assert_eq!(world.proven(), [position(0, 300)]);
    world.lane.room = 1_000;
    let rest = world.input(DeliveryInput::LinkDown).input(DeliveryInput::LinkUp { link: 1 }).run();
    assert_eq!((rest.len(), rest[0]), (300, (1, 301, 0)));
}

#[test]
fn what_was_for_one_life_of_the_link_names_it() {
    let mut world = World::new(2, 1);
    world.lane.room = 1;
    world.input(DeliveryInput::LinkUp { link: 7 }).run();
    world.lane.room = 9;
    world.input(DeliveryInput::LinkDown).input(DeliveryInput::LinkUp { link: 8 }).run();
    assert_eq!(world.lane.links, [7, 8, 8]);
}

#[test]
fn a_full_sink_is_left_alone_until_it_has_room() {
    let mut world = World::new(1, 4);
    world.lane.room = 2;
    assert_eq!(world.input(DeliveryInput::LinkUp { link: 1 }).run(), [(1, 1, 0), (1, 2, 0)]);
    world.lane.room = 9;
    assert_eq!(world.run(), [], "nobody said that there is room");
    assert_eq!(world.input(DeliveryInput::RoomAgain).run(), [(1, 3, 0), (1, 4, 0)]);
}

#[test]
fn recipients_get_only_what_came_after_they_subscribed() {
    let mut world = World::new(3, 0);
    world.recipients = vec![recipient(1, 2), recipient(2, 0)];
    let sent = world.input(DeliveryInput::LinkUp { link: 1 }).run();
    assert_eq!(sent, [(1, 2, 0), (2, 2, 1), (3, 1, 2), (3, 2, 2)]);
}

#[test]
fn the_first_event_of_a_subscription_names_where_it_began() {
    let mut world = World::new(2, 0);
    world.recipients = vec![recipient(1, 2)];
    world.input(DeliveryInput::LinkUp { link: 1 }).run();
    let undue = event(3, false, 1);
    let due = Arc::new(Event { due_after_seq: Some(1), ..Event::clone(&event(4, true, 1)) });
    world.signal(&[undue, due], Vec::new());
    assert_eq!(world.run(), [(4, 1, 2)], "2, and not 1 from before it");
}

#[test]
fn banned_recipients_are_passed_over() {
    let mut world = World::new(1, 2);
    world.recipients[0].affiliation = Affiliation::Outcast;
    assert_eq!(world.input(DeliveryInput::LinkUp { link: 1 }).run(), [(1, 2, 0)]);
}

#[test]
fn events_that_are_due_to_nobody_are_proven_without_a_word() {
    let mut world = World::new(0, 1);
    world.input(DeliveryInput::LinkUp { link: 1 });
    world.signal(&[event(1, false, 1)], Vec::new());
    assert_eq!(world.run(), []);
    assert_eq!(world.proven(), [position(1, 0)]);
}

#[test]
fn an_event_waits_for_recipients_as_new_as_it_is() {
    let mut world = World::new(1, 1);
    world.input(DeliveryInput::LinkUp { link: 1 }).run();
    world.recipients.push(recipient(2, 1));
    world.recipients_version = 2;
    world.signal(&[event(2, true, 2)], Vec::new());
    assert_eq!(world.run(), [(2, 1, 1), (2, 2, 1)], "read again");
}

#[test]
fn a_warm_node_needs_no_read_for_what_subscribing_changes() {
    let mut world = World::new(1, 3);
    world.input(DeliveryInput::LinkUp { link: 1 }).run();
    let reads = world.reads;
    let added =
        RecipientDelta { recipients_version: 2, changes: vec![RecipientChange::Added(recipient(4, 1))] };
    let removed =
        RecipientDelta { recipients_version: 3, changes: vec![RecipientChange::Removed(SubscriptionId(1))] };
    world.signal(&[event(2, true, 3)], vec![added, removed]);
    let sent = world.run();
    assert_eq!(sent, [(2, 2, 1), (2, 3, 1), (2, 4, 1)]);
    assert_eq!(world.reads, reads + 1, "the event itself");
}

#[test]
fn a_change_that_the_snapshot_has_seen_is_passed_over() {
    let mut world = World::new(1, 1);
    world.recipients_version = 3;
    world.input(DeliveryInput::LinkUp { link: 1 }).run();
    let undone =
        RecipientDelta { recipients_version: 2, changes: vec![RecipientChange::Added(recipient(9, 0))] };
    world.signal(&[event(2, true, 3)], vec![undone]);
    assert_eq!(world.run(), [(2, 1, 1)], "9 had left before the snapshot was read");
}

#[test]
fn a_node_that_turns_up_later_starts_at_its_first_new_event() {
    let mut world = World::new(0, 0);
    world.dispatcher = Dispatcher::new(bounds(10, 10), admins());
    world.dispatcher.resume(Vec::new(), None);
    world.recipients = vec![recipient(1, 0)];
    world.log = (1..=4).map(|seq| event(seq, true, 1)).collect();
    world.signal(&[event(5, true, 1)], Vec::new());
    assert_eq!(world.input(DeliveryInput::LinkUp { link: 1 }).run(), [(5, 1, 4)]);
}

#[test]
fn memory_is_bounded_in_nodes_and_recipients() {
    let mut world = World::new(1, 5);
    world.dispatcher.bounds = bounds(0, 0);
    assert_eq!(
        world.input(DeliveryInput::LinkUp { link: 1 }).run().len(),
        5,
        "a node in use keeps its recipients"
    );
    world.input(DeliveryInput::HandedOver { through_ticket: 5 });
    let moves = world.dispatcher.cursor_moves();
    world.dispatcher.stored(&moves);
    assert!(world.dispatcher.nodes.is_empty(), "one with nothing to send does not");
}

#[test]
fn a_node_that_is_not_resumed_yet_is_left_to_that() {
    let mut world = World::new(0, 0);
    world.dispatcher = Dispatcher::new(bounds(10, 10), admins());
    world.input(DeliveryInput::LinkUp { link: 1 });
    world.recipients = vec![recipient(1, 0)];
    assert_eq!(world.dispatcher.next_to_resume(), Some(NodeId(i64::MIN)));
    world.signal(&[event(1, true, 1)], Vec::new());
    assert_eq!(world.run(), [], "what is behind its cursor is not known yet");
    world.dispatcher.resume(Vec::new(), Some(NodeId(0)));
    assert_eq!(world.dispatcher.next_to_resume(), Some(NodeId(0)));
    world.signal(&[event(2, true, 1)], Vec::new());
    assert_eq!(world.run(), []);
    world.dispatcher.resume(Vec::new(), None);
    world.signal(&[event(3, true, 1)], Vec::new());
    assert_eq!(world.run(), [(3, 1, 2)]);
}

#[test]
fn a_node_that_cannot_be_read_holds_up_no_other() {
    let mut world = World::new(0, 0);
    world.recipients = vec![recipient(1, 0)];
    world.input(DeliveryInput::LinkUp { link: 1 });
    let broken = DeliveryNode { id: NodeId(2), ..node() };
    world.dispatcher.moved_to(broken, 3, Position::START);
    world.signal(&[event(1, true, 1)], Vec::new());
    let Some(need) = world.dispatcher.pump(&mut world.lane) else { panic!("it needs events") };
    assert_eq!(need, Need::Events { node: NodeId(2), after_seq: 0 });
    world.dispatcher.failed(need, false);
    let Some(other) = world.dispatcher.pump(&mut world.lane) else { panic!("it needs events") };
    assert_eq!(other, Need::Events { node: NODE, after_seq: 0 }, "the other one's turn");
    world.dispatcher.failed(Need::Events { node: NodeId(2), after_seq: 0 }, true);
    assert_eq!(world.run(), [(1, 1, 0)]);
}

#[test]
fn what_is_due_to_nobody_takes_turns_and_leaves_no_pile() {
    let mut world = World::new(1, 1);
    world.input(DeliveryInput::LinkUp { link: 1 }).run();
    let silent: Vec<_> = (2..=1_000).map(|seq| event(seq, false, 1)).collect();
    world.signal(&silent, Vec::new());
    assert_eq!(world.run(), []);
    assert_eq!(world.dispatcher.marks.len(), 1, "one for the event that is not proven, and all behind it");
    world.input(DeliveryInput::HandedOver { through_ticket: 1 });
    assert_eq!(world.proven(), [position(1_000, 0)]);
}

#[test]
fn a_node_is_behind_by_what_is_not_proven() {
    let mut world = World::new(5, 1);
    let is_behind_by = |world: &World, events| world.dispatcher.nodes_behind_by(events).contains(&NODE);
    assert!(is_behind_by(&world, 5));
    assert!(!is_behind_by(&world, 6));
    world.input(DeliveryInput::LinkUp { link: 1 }).run();
    assert!(is_behind_by(&world, 5), "sent is not proven");
    world.input(DeliveryInput::HandedOver { through_ticket: 2 });
    assert!(!is_behind_by(&world, 4));
    assert!(is_behind_by(&world, 3));
}

#[test]
fn what_retention_has_taken_is_passed_over() {
    let mut world = World::new(5, 1);
    world.log.drain(..3);
    let sent = world.input(DeliveryInput::LinkUp { link: 1 }).run();
    assert_eq!(sent, [(4, 1, 3), (5, 1, 4)], "that 3 is missing shows in the first one");
    world.input(DeliveryInput::HandedOver { through_ticket: 2 });
    assert_eq!(world.proven(), [position(5, 0)]);
}

#[test]
fn what_another_instance_has_changed_is_caught_up_with() {
    let mut world = World::new(1, 2);
    world.input(DeliveryInput::LinkUp { link: 1 });
    assert_eq!(world.run().len(), 2);
    // Elsewhere, the first recipient was banned and an event was committed.
    world.recipients.remove(0);
    world.recipients_version = 2;
    world.log.push(event(2, true, 1));
    world.dispatcher.look_again();
    assert_eq!(world.dispatcher.next_to_resume(), Some(NodeId(i64::MIN)));
    let DeliveryNode { name, config, .. } = node();
    let head =
        Head { epoch: Epoch(1), seq: 2, trimmed_through_seq: 0, rules_version: 2, recipients_version: 2 };
    let behind = Undelivered { node: NODE, name, config, head, position: Position::START };
    world.dispatcher.resume(vec![behind], None);
    let sent: Vec<_> = world.run().into_iter().map(|(seq, recipient, _)| (seq, recipient)).collect();
    assert_eq!(
        sent,
        [(2, 2)],
        "from where it was in memory, to those of now, although the event needs no newer ones"
    );
}
