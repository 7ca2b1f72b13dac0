//! Who may see what of a node, and what is said to who may not.

use crate::access::{Action, may, may_receive_through_collection, models_open_to};
use crate::affiliate::{self, Approval, settles_pending};
use crate::archive::Matches;
use crate::collection::{self, Placement, Wish};
use crate::{
    AccessModel, Affiliation, Affiliations, BusError, Durability, Limits, NodeConfig, NodeName, NodeType,
    Role, SendLastItem, Setting, configure, manage_subscriptions, retrieve,
};

use super::sample::{bare, node, owner, stranger};

fn collection() -> NodeConfig {
    NodeConfig { node_type: NodeType::Collection, ..NodeConfig::default() }
}

fn with(access_model: AccessModel) -> NodeConfig {
    NodeConfig { access_model, ..NodeConfig::default() }
}

#[test]
fn lists_of_a_node_are_for_those_who_may_change_them() {
    let node = node(NodeConfig::default());
    assert_eq!(affiliate::decide_reading(&node, &owner()), Ok(()));
    assert_eq!(manage_subscriptions::decide_reading(&node, &owner()), Ok(()));
    assert_eq!(affiliate::decide_reading(&node, &stranger()), Err(BusError::Forbidden));
    assert_eq!(manage_subscriptions::decide_reading(&node, &stranger()), Err(BusError::Forbidden));
}

#[test]
fn a_closed_node_is_not_there_to_be_seen() {
    assert_eq!(retrieve::decide_node(&node(with(AccessModel::Open)), &stranger()), Ok(()));
    let closed = node(with(AccessModel::Whitelist));
    assert_eq!(retrieve::decide_node(&closed, &stranger()), Err(BusError::ClosedNode));
    assert_eq!(retrieve::decide_node(&closed, &owner()), Ok(()));
}

#[test]
fn a_closed_door_is_named_to_readers_and_to_nobody_else() {
    for (model, refusal) in [
        (AccessModel::Whitelist, BusError::ClosedNode),
        (AccessModel::Authorize, BusError::SubscriptionRequired),
        (AccessModel::Presence, BusError::RosterUnavailable),
        (AccessModel::Roster, BusError::RosterUnavailable),
    ] {
        let node = node(with(model));
        assert_eq!(may(&node, &stranger(), Action::Retrieve), Err(refusal), "{model:?}");
        for action in [Action::Publish, Action::Configure, Action::Purge] {
            assert_eq!(may(&node, &stranger(), action), Err(BusError::Forbidden), "{model:?}");
        }
    }
}

#[test]
fn admins_see_nodes_of_every_model_and_strangers_the_open_ones() {
    assert_eq!(models_open_to(Role::Admin), AccessModel::ALL);
    assert_eq!(models_open_to(Role::User), [AccessModel::Open, AccessModel::Authorize]);
}

#[test]
fn owners_are_listed_by_name() {
    let entries = [("b", Affiliation::Owner), ("m", Affiliation::Member), ("a", Affiliation::Owner)];
    let jid = |name: &str| bare(&format!("{name}@example.org"));
    let affiliations: Affiliations = entries.into_iter().map(|(name, it)| (jid(name), it)).collect();
    assert_eq!(affiliations.owners(), [jid("a"), jid("b")]);
    assert_eq!((affiliations.is_empty(), affiliations.len()), (false, 3));
    assert!(Affiliations::default().is_empty());
}

#[test]
fn an_affiliation_settles_what_waits_for_an_owner() {
    let settled = Affiliation::ALL.map(settles_pending);
    let granted = Some(Approval::Granted);
    assert_eq!(settled, [granted, granted, None, granted, None, Some(Approval::Denied)]);
}

#[test]
fn the_newest_item_is_sent_where_there_is_one_and_somebody_is_told() {
    let sends = NodeConfig { send_last_item: SendLastItem::OnSubscribe, ..NodeConfig::default() };
    assert!(sends.sends_last_item());
    for silent in [
        NodeConfig { send_last_item: SendLastItem::Never, ..sends.clone() },
        NodeConfig { persist_items: false, ..sends.clone() },
        NodeConfig { deliver_notifications: false, ..sends.clone() },
        NodeConfig { durability: Durability::Memory, ..sends }.settled(),
    ] {
        assert!(!silent.sends_last_item(), "{silent:?}");
    }
}

#[test]
fn through_a_collection_hears_who_may_read_the_node_itself() {
    let (owner, stranger) = (bare("owner@example.org"), bare("stranger@example.org"));
    for (model, expected) in
        [(AccessModel::Open, true), (AccessModel::Whitelist, false), (AccessModel::Presence, false)]
    {
        let node = node(with(model));
        assert_eq!(may_receive_through_collection(&node, &stranger, Role::User), expected, "{model:?}");
        assert!(may_receive_through_collection(&node, &owner, Role::User), "{model:?}");
        assert!(may_receive_through_collection(&node, &stranger, Role::Admin), "{model:?}");
    }
}

#[test]
fn only_a_collection_takes_children_and_only_its_owners_place_a_node() {
    let name = || NodeName::new("child").unwrap();
    let limits = Limits::default();
    for wish in [Wish::Associate(name()), Wish::Dissociate(name())] {
        let leaf = collection::decide(&node(NodeConfig::default()), &owner(), wish.clone(), &limits);
        assert!(matches!(leaf, Err(BusError::InvalidAssociation { .. })), "{leaf:?}");
        assert!(
            collection::decide(&node(collection()), &stranger(), wish, &limits).is_ok(),
            "its policy decides"
        );
    }
    let placed = |actor| {
        let wish = Wish::Placement(Placement {
            collections: Some(vec![name()]),
            children: None,
            ..Placement::default()
        });
        collection::decide(&node(NodeConfig::default()), actor, wish, &limits).map(drop)
    };
    assert_eq!((placed(&owner()), placed(&stranger())), (Ok(()), Err(BusError::Forbidden)));
}

#[test]
fn a_leaf_may_become_a_collection() {
    let makes = |before: NodeConfig| {
        let settings = [Setting::NodeType(NodeType::Collection), Setting::Title(Some("t".to_owned()))];
        let decided = configure::decide(&node(before.clone()), &owner(), &settings, &Limits::default());
        decided.unwrap().expect("something changes").makes_collection_of(&before)
    };
    assert_eq!((makes(NodeConfig::default()), makes(collection())), (true, false));
    let titled = [Setting::Title(Some("t".to_owned()))];
    let leaf = configure::decide(&node(NodeConfig::default()), &owner(), &titled, &Limits::default());
    assert!(!leaf.unwrap().expect("something changes").makes_collection_of(&NodeConfig::default()));
}

#[test]
fn a_list_of_standings_is_set_as_a_whole() {
    let entries = vec![(bare("a@example.org"), Affiliation::Member)];
    let request = affiliate::Request::from(entries.clone());
    assert_eq!((request.entries, request.is_partial), (entries, false));
}

#[test]
fn between_two_positions_is_neither_of_them() {
    let listed = Matches::Listed(vec![1, 2, 3, 4]);
    assert_eq!(listed.between(1, 4), Matches::Listed(vec![2, 3]));
}
