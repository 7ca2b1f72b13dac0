use super::*;
use crate::access::{Action, may, may_receive_below, may_receive_through_collection};
use crate::{AccessModel, BareJid, NodeConfig, PublishModel, Role, facts};

fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

fn relation(kind: RelationKind, id: i64) -> Relation {
    Relation { kind, node: NodeId(id), name: name(&format!("n{id}")) }
}

fn wish(link: Option<&str>, parent: Option<&str>) -> RelationWish {
    let named = |text: &str| Some(text).filter(|text| !text.is_empty()).map(name);
    RelationWish { link: link.map(named), parent: parent.map(named) }
}

fn wanted(kind: RelationKind, to: &str, claimed_parent: Option<&str>) -> Wanted {
    Wanted::Relation { kind, name: name(to), claimed_parent: claimed_parent.map(name) }
}

#[test]
fn a_wish_makes_one_relation_of_the_one_that_there_is() {
    use RelationKind::{Link, Parent};
    let (linked, child) = (relation(Link, 1), relation(Parent, 2));
    let derived = name("p");
    let refused = || Err(invalid(LINKING_HAS_NO_PARENT));
    for (of_wish, now, parent, expected) in [
        (wish(None, None), None, None, Ok(Wanted::AsIs)),
        (wish(Some("a"), None), None, None, Ok(wanted(Link, "a", None))),
        (wish(None, Some("a")), None, None, Ok(wanted(Parent, "a", None))),
        (wish(Some(""), Some("")), None, None, Ok(Wanted::AsIs)),
        (wish(Some("a"), Some("b")), None, None, Ok(wanted(Link, "a", Some("b")))),
        // One that has a link.
        (wish(None, None), Some(&linked), Some(&derived), Ok(Wanted::AsIs)),
        (wish(Some("n1"), Some("p")), Some(&linked), Some(&derived), Ok(Wanted::AsIs)),
        (wish(Some("n1"), Some("")), Some(&linked), Some(&derived), Ok(Wanted::AsIs)),
        (wish(None, Some("other")), Some(&linked), Some(&derived), refused()),
        (wish(None, Some("other")), Some(&linked), None, refused()),
        (wish(Some(""), None), Some(&linked), Some(&derived), Ok(wanted(Parent, "p", None))),
        (wish(Some(""), Some("")), Some(&linked), Some(&derived), Ok(Wanted::Nothing)),
        (wish(Some(""), None), Some(&linked), None, Ok(Wanted::Nothing)),
        (wish(Some(""), Some("p")), Some(&linked), Some(&derived), Ok(wanted(Parent, "p", None))),
        // One that has a parent.
        (wish(None, Some("n2")), Some(&child), Some(&child.name), Ok(Wanted::AsIs)),
        (wish(None, Some("a")), Some(&child), Some(&child.name), Ok(wanted(Parent, "a", None))),
        (wish(None, Some("")), Some(&child), Some(&child.name), Ok(Wanted::Nothing)),
        (wish(Some("a"), None), Some(&child), Some(&child.name), Ok(wanted(Link, "a", Some("n2")))),
        (wish(Some("a"), Some("")), Some(&child), Some(&child.name), Ok(wanted(Link, "a", None))),
    ] {
        assert_eq!(of_wish.resolve(now, parent), expected, "{of_wish:?} of {now:?}");
    }
}

#[test]
fn trees_stay_trees_of_a_certain_size() {
    use RelationKind::{Link, Parent};
    let limits = Limits { node_relation_levels_max: 3, node_relatives_max: 10, ..Limits::default() };
    let to = relation(Parent, 1);
    let path = [relation(Link, 2), relation(Parent, 3)];
    let check =
        |relation: &Relation, above: &[Relation], nodes: (u32, u32), levels, claimed: Option<&str>| {
            let surroundings = Surroundings {
                above,
                tree: Subtree { nodes: nodes.0, levels: 0 },
                below: Subtree { nodes: nodes.1, levels },
            };
            check(NodeId(9), relation, claimed.map(name).as_ref(), surroundings, &limits).is_ok()
        };
    assert!(check(&to, &[], (0, 0), 0, None));
    assert!(!check(&relation(Parent, 9), &[], (0, 0), 0, None), "itself");
    assert!(!check(&to, &[relation(Link, 9)], (0, 0), 0, None), "what is above it");
    assert!(!check(&to, &[relation(Link, 2), relation(Parent, 9)], (0, 0), 0, None));
    assert_eq!([0, 1].map(|below| check(&to, &path, (0, 0), below, None)), [true, false], "levels");
    assert_eq!([(5, 4), (5, 5)].map(|nodes| check(&to, &[], nodes, 0, None)), [true, false], "nodes");
    assert_eq!(["n3", "n2"].map(|claimed| check(&to, &path, (0, 0), 0, Some(claimed))), [true, false]);
    assert!(!check(&to, &[relation(Link, 2)], (0, 0), 0, Some("n3")), "the other one has no parent");
}

#[test]
fn only_who_owns_both_nodes_relates_them() {
    let actor = |role| Actor::new(BareJid::new("o@example.org").unwrap(), role);
    let other = |affiliation| Member {
        id: NodeId(1),
        name: name("n1"),
        config: NodeConfig::default(),
        affiliation,
        children: 0,
    };
    let user = actor(Role::User);
    assert_eq!(check_owner(&user, &other(Affiliation::Owner)), Ok(()));
    for affiliation in [Affiliation::None, Affiliation::Publisher, Affiliation::Outcast] {
        assert_eq!(check_owner(&user, &other(affiliation)), Err(BusError::AssociationForbidden));
    }
    assert_eq!(check_owner(&actor(Role::Admin), &other(Affiliation::None)), Ok(()));
}

/// A node below a whitelisted one, which is below one that anybody publishes on.
fn grandchild() -> NodeFacts {
    let with = |id, access_model, publish_model, kind: Option<RelationKind>| {
        let relation = kind.map(|kind| relation(kind, id + 1));
        let config = NodeConfig { access_model, publish_model, relation, ..NodeConfig::default() };
        NodeFacts { id: NodeId(id), config, ..facts::sample() }
    };
    let top = Arc::new(with(3, AccessModel::Open, PublishModel::Open, None));
    let mut middle = with(2, AccessModel::Whitelist, PublishModel::Publishers, Some(RelationKind::Parent));
    middle.affiliations_mut().set(BareJid::new("m@example.org").unwrap(), Affiliation::Member);
    let middle = Arc::new(below(middle, Some(&top)));
    below(with(1, AccessModel::Open, PublishModel::Open, Some(RelationKind::Parent)), Some(&middle))
}

#[test]
fn every_node_above_has_to_let_somebody_in() {
    let facts = grandchild();
    let can = |user: &str, action| may(&facts, &Actor::new(BareJid::new(user).unwrap(), Role::User), action);
    for action in [Action::Discover, Action::Subscribe, Action::SubscribeAtOnce, Action::Retrieve] {
        assert_eq!(can("stranger@example.org", action), Err(BusError::ClosedNode), "{action:?}");
        assert_eq!(can("m@example.org", action), Ok(()), "{action:?}");
    }
    assert_eq!(can("m@example.org", Action::Publish), Err(BusError::Forbidden));
    assert_eq!(can("owner@example.org", Action::Publish), Ok(()));
    let hears = |user: &str| {
        let jid = BareJid::new(user).unwrap();
        (
            may_receive_below(&facts, &jid, Role::User),
            may_receive_through_collection(&facts, &jid, Role::User),
        )
    };
    assert_eq!(hears("stranger@example.org"), (false, false));
    assert_eq!(hears("m@example.org"), (true, true));
}

#[test]
fn owners_do_what_they_like_to_the_node_itself() {
    let mut facts = grandchild();
    let mine = BareJid::new("mine@example.org").unwrap();
    facts.affiliations_mut().set(mine.clone(), Affiliation::Owner);
    let owner = Actor::new(mine, Role::User);
    assert_eq!(may(&facts, &owner, Action::Retrieve), Err(BusError::ClosedNode));
    for action in [Action::Configure, Action::Delete, Action::Affiliate, Action::Purge, Action::RetractAny] {
        assert_eq!(may(&facts, &owner, action), Ok(()), "{action:?}");
    }
    facts.affiliations_mut().set(owner.bare().clone(), Affiliation::Publisher);
    for action in [Action::RetractAny, Action::RetractOwn] {
        assert_eq!(may(&facts, &owner, action), Err(BusError::Forbidden), "{action:?}");
    }
}

#[test]
fn a_linking_node_has_the_parent_of_the_linked_one_and_not_its_rules() {
    let linked = Arc::new(grandchild());
    let config = NodeConfig { relation: Some(relation(RelationKind::Link, 1)), ..NodeConfig::default() };
    let linking = below(NodeFacts { config, ..facts::sample() }, Some(&linked));
    assert_eq!(linking.above.as_ref().map(|above| above.id), Some(NodeId(2)));
    assert!(!linking.is_orphan);
}

#[test]
fn what_is_below_a_node_that_is_gone_is_gone_for_everybody() {
    let config = NodeConfig { relation: Some(relation(RelationKind::Parent, 2)), ..NodeConfig::default() };
    let orphan = below(NodeFacts { config, ..facts::sample() }, None);
    let lower = below(grandchild(), Some(&Arc::new(orphan.clone())));
    let admin = Actor::new(BareJid::new("owner@example.org").unwrap(), Role::Admin);
    for facts in [&orphan, &lower] {
        assert_eq!(may(facts, &admin, Action::Configure), Err(BusError::NodeNotFound));
        let deletion = crate::delete::decide_orphan(facts, &admin, facts.id).unwrap();
        assert!(deletion.notify);
    }
    let gone = Err(BusError::NodeNotFound);
    assert_eq!(crate::delete::decide_orphan(&orphan, &admin, NodeId(77)), gone, "another one of its name");
    assert_eq!(crate::delete::decide_orphan(&grandchild(), &admin, NodeId(1)), gone, "it is none any more");
}
