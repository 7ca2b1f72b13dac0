//! What holds up one node, and no other.

use super::*;

#[test]
fn what_is_due_to_nobody_needs_no_link() {
    let mut world = World::new(3, 0);
    world.recipients = vec![recipient(1, 2)];
    assert_eq!(world.run(), []);
    assert_eq!(world.proven(), [position(2, 0)], "the one recipient came later");
    let reads = world.reads;
    world.signal(&[event(4, true, 1)], Vec::new());
    assert_eq!((world.run(), world.reads), (vec![], reads), "until there is a link, nothing more is read");
    assert_eq!(world.input(DeliveryInput::LinkUp { link: 1 }).run(), [(3, 1, 2), (4, 1, 3)]);
}

#[test]
fn what_waits_for_a_link_costs_no_write() {
    let mut world = World::new(1, 1);
    assert_eq!((world.run(), world.proven()), (vec![], vec![]));
}

#[test]
fn events_of_a_time_that_the_store_has_lost_wait_for_word_of_it() {
    let mut world = World::new(0, 1);
    world.log.push(event(1, true, 9));
    world.signal(&[], Vec::new());
    assert_eq!(world.input(DeliveryInput::LinkUp { link: 1 }).run(), [], "the store knows no version 9");
    let reads = world.reads;
    assert_eq!(world.run(), [], "it is not asked again at once");
    assert_eq!(world.reads, reads);
    world.dispatcher.tick(100);
    assert_eq!(world.run(), [], "only now and then");
    world.recipients_version = 9;
    world.dispatcher.tick(200);
    assert_eq!(world.run(), [(1, 1, 0)]);
}
