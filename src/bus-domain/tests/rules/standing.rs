//! Who may see what of a node, and what is said to who may not.

use bus_domain::access::{Action, may, models_open_to};
use bus_domain::affiliate::{self, Approval, settles_pending};
use bus_domain::{
    AccessModel, Affiliation, Affiliations, BusError, Durability, NodeConfig, Role, SendLastItem,
    manage_subscriptions, retrieve,
};

use crate::sample::{bare, node, owner, stranger};

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
