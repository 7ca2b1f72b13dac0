//! Commits of which no signal tells.

use super::*;

impl World {
    /// What the store says of the node, whose cursor was never stored.
    fn page(&self) -> Vec<Undelivered> {
        let head = Head {
            epoch: Epoch(1),
            seq: self.log.last().map_or(0, |event| event.seq),
            trimmed_through_seq: 0,
            rules_version: 1,
            recipients_version: self.recipients_version,
        };
        let DeliveryNode { id, name, config, .. } = node();
        vec![Undelivered { node: id, name, config, head, position: Position::START }]
    }

    /// A dispatcher that knows no node, and has read all pages.
    fn without_nodes(mut self) -> Self {
        self.dispatcher = Dispatcher::new(
            DispatcherBounds { nodes_max: 10, recipients_max: 10, lagging: LAGGING },
            admins(),
        );
        self.dispatcher.resume(Vec::new(), None);
        self.input(DeliveryInput::LinkUp { link: 1 });
        self
    }
}

#[test]
fn they_are_found_by_looking_again() {
    let mut world = World::new(1, 1);
    world.input(DeliveryInput::LinkUp { link: 1 }).run();
    world.log.extend([event(2, true, 1), event(3, true, 2)]);
    world.recipients.push(recipient(2, 2));
    world.recipients_version = 2;
    world.dispatcher.look_again();
    assert_eq!(world.dispatcher.next_to_resume(), Some(NodeId(i64::MIN)));
    let page = world.page();
    world.dispatcher.resume(page, None);
    assert_eq!(world.run(), [(2, 1, 1), (3, 1, 2), (3, 2, 2)], "from what was sent, not from the old cursor");
}

#[test]
fn a_ban_among_them_acts_on_what_was_committed_before_it() {
    let mut world = World::new(1, 2);
    world.lane.room = 1;
    assert_eq!(world.input(DeliveryInput::LinkUp { link: 1 }).run(), [(1, 1, 0)]);
    world.recipients[1].affiliation = Affiliation::Outcast;
    world.recipients_version = 2;
    let page = world.page();
    world.dispatcher.resume(page, None);
    world.lane.room = 9;
    world.log.push(event(2, true, 2));
    world.signal(&[], Vec::new());
    assert_eq!(world.input(DeliveryInput::RoomAgain).run(), [(2, 1, 1)]);
}

#[test]
fn a_node_that_is_not_known_is_left_to_the_pages_meanwhile() {
    let mut world = World::new(1, 1).without_nodes();
    world.dispatcher.look_again();
    world.signal(&[event(2, true, 1)], Vec::new());
    assert_eq!(world.run(), [], "1 would be passed over");
    let page = world.page();
    world.dispatcher.resume(page, None);
    assert_eq!(world.run(), [(1, 1, 0), (2, 1, 1)]);
}

#[test]
fn a_signal_that_begins_at_the_cursor_brings_what_others_have_committed() {
    let mut world = World::new(2, 1).without_nodes();
    world.dispatcher.signal(NodeSignal {
        node: node(),
        from: Position::START,
        head_seq: 2,
        deltas: Deltas::Known(Vec::new()),
        deletion: None,
    });
    assert_eq!(world.run(), [(1, 1, 0), (2, 1, 1)]);
}

#[test]
fn who_asks_again_and_again_does_not_keep_a_pass_from_its_end() {
    let mut world = World::new(1, 1).without_nodes();
    world.dispatcher.look_again();
    world.dispatcher.resume(Vec::new(), Some(NodeId(NODE.0 + 1)));
    world.dispatcher.look_again();
    assert_eq!(world.dispatcher.next_to_resume(), Some(NodeId(NODE.0 + 1)), "the pass goes on");
    world.signal(&[event(2, true, 1)], Vec::new());
    assert_eq!(world.run(), [], "1 may be what was asked for, and the pass is past it");
    world.dispatcher.resume(Vec::new(), None);
    assert_eq!(world.dispatcher.next_to_resume(), Some(NodeId(i64::MIN)), "then there is another one");
    let page = world.page();
    world.dispatcher.resume(page, None);
    assert_eq!((world.run(), world.dispatcher.next_to_resume()), (vec![(1, 1, 0), (2, 1, 1)], None));
}
