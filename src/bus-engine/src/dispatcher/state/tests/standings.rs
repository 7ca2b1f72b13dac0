use bus_domain::RosterEntry;

use super::*;

fn roster(contacts: &[&str]) -> Arc<Roster> {
    let mut roster = Roster::default();
    for contact in contacts {
        let entry = RosterEntry { sees_presence: true, groups: Vec::new() };
        roster.add(BareJid::new(contact).unwrap(), entry);
    }
    Arc::new(roster)
}

/// Two subscribers on a node for contacts, one of them with a standing of its own.
fn world() -> World {
    let mut world = World::new(1, 3);
    world.dispatcher.nodes.get_mut(&NODE).unwrap().node.config.access_model = AccessModel::Presence;
    world.recipients[1].subscription.jid = Jid::new("b@example.org/phone").unwrap();
    world.recipients[2].subscription.jid = Jid::new("c@example.org").unwrap();
    world.recipients[2].affiliation = Affiliation::Member;
    world
}

#[test]
fn an_admin_gets_what_an_owner_would() {
    let mut world = World::new(1, 2);
    world.dispatcher.nodes.get_mut(&NODE).unwrap().node.config.access_model = AccessModel::Whitelist;
    world.recipients[1].subscription.jid = Jid::new("admin@example.org/phone").unwrap();
    assert_eq!(world.input(DeliveryInput::LinkUp { link: 1 }).run(), [(1, 2, 0)]);
}

#[test]
fn contacts_get_events_and_strangers_do_not() {
    let mut world = world();
    world.rosters = Some(vec![roster(&[]), roster(&["b@example.org"])]);
    assert_eq!(world.input(DeliveryInput::LinkUp { link: 1 }).run(), [(1, 2, 0), (1, 3, 0)]);
}

#[test]
fn where_no_roster_may_be_read_only_standings_count() {
    let mut world = world();
    world.rosters = Some(Vec::new());
    assert_eq!(world.input(DeliveryInput::LinkUp { link: 1 }).run(), [(1, 3, 0)]);
}

#[test]
fn a_node_waits_for_rosters_and_for_no_other_reason() {
    let mut world = world();
    world.rosters = None;
    assert_eq!(world.input(DeliveryInput::LinkUp { link: 1 }).run(), []);
    let reads = world.reads;
    assert_eq!((world.run(), world.reads), (Vec::new(), reads), "nothing is asked while it waits");
    assert_eq!(world.proven(), [], "what waits is not done");
    world.rosters = Some(vec![roster(&["a@example.org"])]);
    world.dispatcher.rosters_changed();
    assert_eq!(world.run(), [(1, 1, 0), (1, 3, 0)]);
}

#[test]
fn who_leaves_the_roster_gets_nothing_more() {
    let mut world = world();
    world.rosters = Some(vec![roster(&["a@example.org"])]);
    assert_eq!(world.input(DeliveryInput::LinkUp { link: 1 }).run(), [(1, 1, 0), (1, 3, 0)]);
    world.rosters = Some(vec![roster(&[])]);
    let mut node = node();
    node.config.access_model = AccessModel::Presence;
    world.signal_with(node, &[event(2, true, 1)], Vec::new());
    assert_eq!(world.run(), [(2, 3, 1)], "rosters are asked for when a node has something to send again");
}

/// In mid-fan-out too: a long list of recipients is not sent to by a roster of long ago.
#[test]
fn rosters_are_renewed_while_events_go_out() {
    let mut world = world();
    world.rosters = Some(vec![roster(&["a@example.org", "b@example.org"])]);
    world.lane.room = 1;
    assert_eq!(world.input(DeliveryInput::LinkUp { link: 1 }).run(), [(1, 1, 0)]);
    world.rosters = Some(vec![roster(&["a@example.org"])]);
    world.dispatcher.tick(5_000);
    world.lane.room = 10;
    assert_eq!(world.input(DeliveryInput::RoomAgain).run(), [(1, 3, 0)]);
}
