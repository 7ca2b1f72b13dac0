use bus_domain::Show;

use super::*;
use crate::{Availability, HeardPresence};

const HERE: HeardPresence = HeardPresence::Available { show: Show::Online, priority: 0, is_old: false };

/// Three subscribers a, b and c on a node that sends to those who are there, on a link.
fn world() -> World {
    let mut world = World::new(1, 3);
    world.dispatcher.nodes.get_mut(&NODE).unwrap().node.config.presence_based_delivery = true;
    for (recipient, name) in world.recipients.iter_mut().zip(["a", "b", "c"]) {
        recipient.subscription.jid = Jid::new(&format!("{name}@example.org")).unwrap();
    }
    world.dispatcher.presence.link_up();
    world.input(DeliveryInput::LinkUp { link: 1 });
    world
}

impl World {
    fn hears(&mut self, name: &str, heard: HeardPresence) {
        let from = Jid::new(&format!("{name}@example.org/x")).unwrap();
        self.dispatcher.presence.hear(&from, heard);
    }

    /// What is sent from the next tick on.
    fn tick(&mut self) -> Vec<(Seq, i64, Seq)> {
        self.dispatcher.tick(1);
        self.run()
    }

    fn publish_one(&mut self, seq: Seq) -> Vec<(Seq, i64, Seq)> {
        let mut node = node();
        node.config.presence_based_delivery = true;
        self.signal_with(node, &[event(seq, true, 1)], Vec::new());
        self.run()
    }
}

#[test]
fn those_who_are_there_get_events_and_the_others_do_not() {
    let mut world = world();
    assert_eq!(world.run(), [], "it is not known yet who is there");
    world.hears("a", HERE);
    world.hears("b", HeardPresence::Unsubscribed);
    assert_eq!(world.tick(), [(1, 1, 0)], "the next one is waited for");
    assert_eq!(world.proven(), [], "what waits is not done");
    world.hears("c", HERE);
    assert_eq!(world.tick(), [(1, 3, 0)]);
}

#[test]
fn whoever_goes_gets_nothing_and_sees_the_gap_when_he_is_back() {
    let mut world = world();
    world.run();
    for name in ["a", "b", "c"] {
        world.hears(name, HERE);
    }
    assert_eq!(world.tick().len(), 3);
    world.hears("a", HeardPresence::Unavailable);
    assert_eq!(world.publish_one(2), [(2, 2, 1), (2, 3, 1)]);
    world.hears("a", HERE);
    assert_eq!(world.publish_one(3), [(3, 1, 2), (3, 2, 2), (3, 3, 2)]);
}

#[test]
fn a_cut_makes_presence_unknown_and_loses_nothing() {
    let mut world = world();
    for name in ["a", "b", "c"] {
        world.hears(name, HERE);
    }
    assert_eq!(world.run().len(), 3);
    world.dispatcher.presence.link_down();
    world.input(DeliveryInput::LinkDown);
    assert_eq!(world.run(), [], "nothing is passed over while there is no link");
    world.dispatcher.presence.link_up();
    world.input(DeliveryInput::LinkUp { link: 2 });
    assert_eq!(world.run(), []);
    for name in ["c", "b", "a"] {
        world.hears(name, HERE);
    }
    assert_eq!(world.tick(), [(1, 1, 0), (1, 2, 0), (1, 3, 0)]);
}

/// The leg knows of a cut before delivery does.
#[test]
fn a_cut_in_mid_fan_out_passes_nobody_over() {
    let mut world = world();
    for name in ["a", "b", "c"] {
        world.hears(name, HERE);
    }
    world.lane.room = 1;
    assert_eq!(world.run(), [(1, 1, 0)]);
    world.dispatcher.presence.link_down();
    world.lane.room = 10;
    assert_eq!(world.input(DeliveryInput::RoomAgain).run(), []);
    world.input(DeliveryInput::HandedOver { through_ticket: 1 });
    assert_eq!(world.proven(), [position(0, 1)]);
}

#[test]
fn other_nodes_ask_nobody() {
    let mut world = world();
    world.dispatcher.nodes.get_mut(&NODE).unwrap().node.config.presence_based_delivery = false;
    assert_eq!(world.run().len(), 3);
    let somebody = Jid::new("a@example.org").unwrap();
    assert_eq!(world.dispatcher.presence.availability(&somebody), Availability::Unknown);
}

/// The same, on a node that asks nobody, with options of b's.
fn world_with_options() -> World {
    let mut world = world();
    world.dispatcher.nodes.get_mut(&NODE).unwrap().node.config.presence_based_delivery = false;
    world.recipients[1].subscription.options.show_values = [Show::Chat].into_iter().collect();
    world
}

impl World {
    fn publish_to_all(&mut self, seq: Seq) -> Vec<(Seq, i64, Seq)> {
        self.signal_with(node(), &[event(seq, true, 1)], Vec::new());
        self.run()
    }
}

#[test]
fn what_a_resource_shows_decides_where_a_subscriber_wants_it_so() {
    let mut world = world_with_options();
    world.hears("b", HERE);
    world.hears("b", HeardPresence::Available { show: Show::Chat, priority: 0, is_old: false });
    assert_eq!(world.run(), [(1, 1, 0), (1, 2, 0), (1, 3, 0)]);
    world.hears("b", HERE);
    assert_eq!(world.publish_to_all(2), [(2, 1, 1), (2, 3, 1)]);
    world.hears("b", HeardPresence::Available { show: Show::Chat, priority: 0, is_old: false });
    assert_eq!(world.publish_to_all(3), [(3, 1, 2), (3, 2, 2), (3, 3, 2)]);
}

#[test]
fn a_subscriber_of_whom_nothing_is_heard_holds_the_others_up_once_in_the_life_of_a_link() {
    let mut world = world_with_options();
    assert_eq!(world.run(), [(1, 1, 0)], "b is asked about");
    world.dispatcher.tick(9_999);
    assert_eq!(world.run(), []);
    world.dispatcher.tick(10_000);
    assert_eq!(world.run(), [(1, 3, 0)]);
    assert_eq!(world.publish_to_all(2), [(2, 1, 1), (2, 3, 1)]);
    world.input(DeliveryInput::HandedOver { through_ticket: 4 });
    world.dispatcher.presence.link_down();
    world.input(DeliveryInput::LinkDown);
    world.dispatcher.presence.link_up();
    world.input(DeliveryInput::LinkUp { link: 2 });
    assert_eq!(world.publish_to_all(3), [(3, 1, 2)], "on another link he may be heard of");
}

#[test]
fn of_the_subscriptions_of_one_address_one_that_wants_no_presence_gets_the_event() {
    let mut world = world_with_options();
    for (recipient, sub_id) in world.recipients.iter_mut().zip([None, Some(2), Some(3)]) {
        recipient.subscription.sub_id = sub_id.map(SubscriptionId);
    }
    world.recipients[2].subscription.jid = world.recipients[1].subscription.jid.clone();
    world.hears("b", HERE);
    assert_eq!(world.run(), [(1, 1, 0), (1, 3, 0)]);
    world.hears("b", HeardPresence::Available { show: Show::Chat, priority: 0, is_old: false });
    assert_eq!(world.publish_to_all(2), [(2, 1, 1), (2, 2, 1)], "once, for both");
}
