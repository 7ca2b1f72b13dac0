use super::*;
use crate::{AccessModel, Epoch, Event, EventKind, ItemId, NodeType, RelationWish, Role, Source};

fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

fn member(node_type: NodeType, affiliation: Affiliation) -> Member {
    let config = NodeConfig { node_type, ..NodeConfig::default() };
    Member { id: NodeId(1), name: name("n"), config, affiliation, children: 0 }
}

fn placing(wish: Wish) -> Placing {
    let actor = Actor::new(BareJid::new("alice@example.org").unwrap(), Role::User);
    let limits = Limits {
        collection_children_max: 2,
        node_collections_max: 2,
        collection_levels_max: 3,
        ..Limits::default()
    };
    Placing { actor, wish, config: NodeConfig::default(), limits }
}

fn begin(collection: &Member, child: &Member, links: Links) -> Result<(), BusError> {
    placing(Wish::Associate(name("child"))).check_begin(collection, child, links)
}

#[test]
fn what_a_node_is_to_be_related_to_is_looked_up() {
    let relation = RelationWish { link: Some(Some(name("to"))), parent: Some(Some(name("above"))) };
    let related = placing(Wish::Placement(Placement { relation, ..Placement::default() }));
    assert_eq!(related.targets().map(NodeName::as_str).collect::<Vec<_>>(), ["to", "above"]);
    let relation = RelationWish { link: Some(None), parent: None };
    let parted = placing(Wish::Placement(Placement { relation, ..Placement::default() }));
    assert!(parted.is_about_relations() && parted.targets().next().is_none());
    for other in [Wish::Placement(Placement::default()), Wish::Associate(name("child"))] {
        let other = placing(other);
        assert!(!other.is_about_relations() && other.targets().next().is_none());
    }
}

#[test]
fn the_owner_of_the_child_and_the_policy_of_the_collection_agree() {
    use Affiliation::{None, Outcast, Owner, Publisher};
    use AssociationPolicy::{All, Owners, Whitelist};
    let alice = Jid::new("alice@example.org/desk").unwrap();
    for (of_child, policy, of_collection, is_listed, expected) in [
        (Owner, Owners, Owner, false, true),
        (Owner, Owners, Publisher, true, false),
        (Owner, Whitelist, None, false, false),
        (Owner, Whitelist, None, true, true),
        (Owner, Whitelist, Owner, false, true),
        (Owner, All, None, false, true),
        (Owner, All, Outcast, true, false),
        (Publisher, All, Owner, true, false),
    ] {
        let mut collection = member(NodeType::Collection, of_collection);
        collection.config.children.association_policy = policy;
        if is_listed {
            collection.config.children.association_whitelist = vec![alice.clone()];
        }
        let decided = begin(&collection, &member(NodeType::Leaf, of_child), Links::default());
        let expected = if expected { Ok(()) } else { Err(BusError::AssociationForbidden) };
        assert_eq!(decided, expected, "{of_child:?} {policy:?} {of_collection:?} {is_listed}");
    }
}

#[test]
fn the_graph_stays_one_in_which_events_come_once_and_end_somewhere() {
    let collection = member(NodeType::Collection, Affiliation::Owner);
    let child = member(NodeType::Leaf, Affiliation::Owner);
    let levels = |levels| Links { levels, ..Links::default() };
    assert_eq!(begin(&collection, &child, levels(3)), Ok(()));
    for links in [
        Links { is_cycle: true, ..Links::default() },
        Links { is_second_way: true, ..Links::default() },
        levels(4),
    ] {
        let refused = begin(&collection, &child, links);
        assert!(matches!(refused, Err(BusError::InvalidAssociation { .. })), "{links:?}: {refused:?}");
    }
    let in_memory = Member {
        config: NodeConfig { durability: crate::Durability::Memory, ..NodeConfig::default() },
        ..child.clone()
    };
    for (above, below) in [(&child, &child), (&collection, &in_memory)] {
        let refused = begin(above, below, Links::default());
        assert!(matches!(refused, Err(BusError::InvalidAssociation { .. })), "{refused:?}");
    }
}

#[test]
fn associations_are_bounded_on_both_sides() {
    let collection = |children| Member { children, ..member(NodeType::Collection, Affiliation::Owner) };
    let leaf = member(NodeType::Leaf, Affiliation::Owner);
    let above = |collections| Links { collections, ..Links::default() };
    let too_many = |nodes_max| Err(BusError::TooManyAssociations { nodes_max });
    assert_eq!(begin(&collection(1), &leaf, above(2)), Ok(()));
    assert_eq!(begin(&collection(2), &leaf, above(1)), too_many(2));
    assert_eq!(begin(&collection(1), &leaf, above(3)), too_many(2));
    let mut small = collection(1);
    small.config.children.max = Some(1);
    assert_eq!(begin(&small, &leaf, above(1)), too_many(1));
}

#[test]
fn owners_of_either_node_end_an_association() {
    let placing = placing(Wish::Dissociate(name("child")));
    let member = |affiliation| member(NodeType::Collection, affiliation);
    for (above, below, expected) in [
        (Affiliation::Owner, Affiliation::None, Ok(())),
        (Affiliation::None, Affiliation::Owner, Ok(())),
        (Affiliation::Publisher, Affiliation::Publisher, Err(BusError::AssociationForbidden)),
    ] {
        assert_eq!(placing.check_end(&member(above), &member(below)), expected);
    }
}

#[test]
fn a_placement_is_what_leads_to_it_and_ends_come_first() {
    let neighbour = |text| Neighbour { id: NodeId(1), name: name(text) };
    let there =
        Neighbours { collections: vec![neighbour("up")], children: vec![neighbour("a"), neighbour("b")] };
    let changes = |collections: Option<&[&str]>, children: Option<&[&str]>| {
        let names = |all: &[&str]| all.iter().map(|text| name(text)).collect();
        let placement = Placement {
            collections: collections.map(names),
            children: children.map(names),
            ..Placement::default()
        };
        let changes = placing(Wish::Placement(placement)).changes(&name("n"), &there).unwrap();
        let shown = changes.iter().map(|Change { collection, child, is_end }| {
            format!("{}{collection}>{child}", if *is_end { "-" } else { "+" })
        });
        shown.collect::<Vec<_>>()
    };
    assert_eq!(changes(None, None), [""; 0]);
    assert_eq!(changes(Some(&["up"]), Some(&["b", "a"])), [""; 0]);
    assert_eq!(changes(Some(&["other"]), Some(&["b", "c", "c"])), ["-up>n", "-n>a", "+other>n", "+n>c"]);
    assert_eq!(changes(Some(&[]), None), ["-up>n"]);
    let many: Vec<NodeName> = (0..=CHANGES_MAX).map(|number| name(&number.to_string())).collect();
    let all = Placement { children: Some(many), ..Placement::default() };
    let refused = placing(Wish::Placement(all)).changes(&name("n"), &Neighbours::default());
    assert!(matches!(refused, Err(BusError::BadRequest(_))), "{refused:?}");
}

fn event(seq: Seq, is_due: bool, kind: EventKind) -> Event {
    let publisher = Jid::new("p@example.org").unwrap();
    let due_after_seq = is_due.then_some(0);
    Event { seq, kind, publisher, published_at_ms: 5, recipients_version: 1, due_after_seq }
}

fn published(seq: Seq) -> Event {
    event(seq, true, EventKind::Published { item_id: ItemId::new("i").unwrap(), payload: None })
}

/// What is told, and where the feed is then.
fn fed(from: FeedPosition, events: &[Event], head_seq: Seq) -> (Vec<String>, Option<Seq>) {
    let child = Child {
        id: NodeId(3),
        name: name("leaf"),
        epoch: Epoch(9),
        access_model: AccessModel::Open,
        changed_by: Jid::new("alice@example.org").unwrap(),
    };
    let (told, to) = forward(&child, from, events, head_seq, 7);
    let shown = told.iter().map(|told| match (&told.kind, told.kind.told()) {
        (EventKind::Forwarded { source, .. }, told) => {
            let kind = format!("{told:?}");
            let kind = kind.split([' ', '(']).next().unwrap_or_default().to_owned();
            format!("{kind} {} {}", source.distance, source.seq)
        }
        (EventKind::Associated { .. }, _) => "associated".to_owned(),
        (EventKind::Dissociated { .. }, _) => "dissociated".to_owned(),
        other => format!("{other:?}"),
    });
    (shown.collect(), to.map(|to| to.through_seq))
}

#[test]
fn a_feed_tells_of_the_child_what_the_child_tells() {
    let new = FeedPosition { through_seq: 4, is_new: true, ends_at_seq: None };
    assert_eq!(fed(new, &[], 4), (vec!["associated".to_owned()], Some(4)));
    let goes_on = FeedPosition { is_new: false, ..new };
    let silent = event(6, false, EventKind::Configured);
    let told = fed(goes_on, &[published(5), silent, published(7)], 7);
    assert_eq!(told, (vec!["Published 1 5".to_owned(), "Published 1 7".to_owned()], Some(7)));
    assert_eq!(fed(goes_on, &[], 9), (vec![], Some(9)), "retention has taken them");
}

#[test]
fn what_comes_from_further_below_is_one_further_away() {
    let from = FeedPosition { through_seq: 0, is_new: false, ends_at_seq: None };
    let source = Box::new(Source {
        node: NodeId(4),
        name: name("deep"),
        distance: 2,
        epoch: Epoch(1),
        seq: 70,
        published_at_ms: 1,
        access_model: AccessModel::Open,
    });
    let kind = EventKind::Forwarded { source: source.clone(), kind: Box::new(EventKind::Purged) };
    let associated = EventKind::Associated { child: source };
    let told = fed(from, &[event(1, true, kind), event(2, true, associated)], 2);
    assert_eq!(told, (vec!["Purged 3 70".to_owned(), "Associated 1 2".to_owned()], Some(2)));
}

#[test]
fn a_feed_ends_where_the_association_did_or_with_the_child() {
    let from = FeedPosition { through_seq: 4, is_new: false, ends_at_seq: Some(5) };
    let end = |told: &[&str]| (told.iter().map(ToString::to_string).collect::<Vec<_>>(), None);
    assert_eq!(fed(from, &[published(5), published(6)], 6), end(&["Published 1 5", "dissociated"]));
    assert_eq!(fed(from, &[published(7)], 7), end(&["dissociated"]), "retention has taken the last one");
    let further = FeedPosition { ends_at_seq: Some(8), ..from };
    assert_eq!(fed(further, &[published(5)], 8).1, Some(5), "there is another page");
    let open = FeedPosition { ends_at_seq: None, ..from };
    for (is_due, told) in [(true, "Deleted 1 5"), (false, "dissociated")] {
        assert_eq!(fed(open, &[event(5, is_due, EventKind::Deleted { redirect: None })], 5), end(&[told]));
    }
}
