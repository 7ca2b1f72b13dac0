use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bus_domain::{
    AccessModel, BareJid, Event, NodeConfig, NodeFacts, NodeId, NodeName, Role, Source, access,
};

use crate::DeliveryNode;

/// Rules of other nodes that decide who hears of an event: of the nodes below a collection, because only who may read one of
/// them hears of it through the collection (XEP-0248 §12), and of what is above the node itself (XEP-0496). Known for a turn at
/// most, so that a ban there acts at once.
#[derive(Debug, Default)]
pub struct Below {
    nodes: HashMap<NodeId, Known>,
    admins: Arc<HashSet<BareJid>>,
}

/// What is known of a node.
#[derive(Debug, Clone)]
pub enum Known {
    /// Its rules of now.
    Rules(Arc<NodeFacts>),
    /// Nothing of it is left, and its rules are gone with it.
    Gone,
    /// Its rules cannot be read.
    Unreadable,
}

/// The nodes whose rules some events of a node need, each once: it goes by its own name if it is related to another one.
pub(super) fn sources<'a>(
    (node, name, config): (NodeId, &NodeName, &NodeConfig),
    events: impl Iterator<Item = &'a Arc<Event>>,
) -> Vec<(NodeId, NodeName)> {
    let mut seen = HashSet::new();
    let all = events.flat_map(|event| about(event)).filter(|source| seen.insert(source.node));
    let own = config.relation.is_some().then(|| (node, name.clone()));
    own.into_iter().chain(all.map(|source| (source.node, source.name.clone()))).collect()
}

impl Below {
    /// What is known of nodes. Admins count as owners of all of them.
    pub fn new(nodes: HashMap<NodeId, Known>, admins: Arc<HashSet<BareJid>>) -> Self {
        Self { nodes, admins }
    }

    /// Whether everything is known that an event of a node needs.
    pub(super) fn knows(&self, node: &DeliveryNode, event: &Event) -> bool {
        let own = is_related(node).then_some(node.id);
        own.into_iter().chain(about(event).map(|source| source.node)).all(|it| self.nodes.contains_key(&it))
    }

    /// Whether somebody may hear of an event of a node, as far as other nodes have a say in it.
    pub(super) fn shows(&self, node: &DeliveryNode, event: &Event, to: &BareJid) -> bool {
        let role = if self.admins.contains(to) { Role::Admin } else { Role::User };
        let is_shown_above = !is_related(node)
            || match self.nodes.get(&node.id) {
                Some(Known::Rules(facts)) => access::may_receive_below(facts, to, role),
                Some(Known::Gone | Known::Unreadable) | None => false,
            };
        is_shown_above
            && about(event).all(|source| match self.nodes.get(&source.node) {
                Some(Known::Rules(facts)) => access::may_receive_through_collection(facts, to, role),
                // What it was when this happened is known.
                Some(Known::Gone) => role == Role::Admin || source.access_model == AccessModel::Open,
                Some(Known::Unreadable) | None => false,
            })
    }

    /// The node where an event has happened, if it is still there.
    pub(super) fn source_of(&self, event: &Event) -> Option<&NodeFacts> {
        match self.nodes.get(&event.kind.source()?.node)? {
            Known::Rules(facts) => Some(facts),
            Known::Gone | Known::Unreadable => None,
        }
    }

    /// Lets go of what is known.
    pub(super) fn forget(&mut self) {
        self.nodes.clear();
    }
}

fn about(event: &Event) -> impl Iterator<Item = &Source> {
    event.kind.source().into_iter().chain(event.kind.child())
}

/// Whether other nodes' rules count for the node itself.
fn is_related(node: &DeliveryNode) -> bool {
    node.config.relation.is_some()
}

#[cfg(test)]
mod tests {
    use bus_domain::{Affiliation, Affiliations, Epoch, EventKind, Jid, Relation, RelationKind};

    use super::*;

    fn source(access_model: AccessModel) -> Source {
        Source {
            node: NodeId(7),
            name: NodeName::new("leaf").unwrap(),
            distance: 1,
            epoch: Epoch(1),
            seq: 1,
            published_at_ms: 0,
            access_model,
        }
    }

    fn shows(below: &Below, kind: EventKind, to: &str) -> bool {
        let publisher = Jid::new("p@example.org").unwrap();
        let event = Event {
            seq: 1,
            kind,
            publisher,
            published_at_ms: 0,
            recipients_version: 1,
            due_after_seq: Some(0),
        };
        below.shows(&node(None), &event, &BareJid::new(to).unwrap())
    }

    fn below(facts: Option<NodeFacts>) -> Below {
        knowing(facts.map_or(Known::Gone, |facts| Known::Rules(Arc::new(facts))))
    }

    fn knowing(known: Known) -> Below {
        let admins = [BareJid::new("admin@example.org").unwrap()].into();
        Below::new([(NodeId(7), known)].into(), Arc::new(admins))
    }

    /// The node in whose log the events are.
    fn node(relation: Option<Relation>) -> DeliveryNode {
        let config = NodeConfig { relation, ..NodeConfig::default() };
        DeliveryNode {
            id: NodeId(7),
            name: NodeName::new("n").unwrap(),
            epoch: Epoch(1),
            config,
            owners: None,
        }
    }

    fn forwarded(access_model: AccessModel, kind: EventKind) -> EventKind {
        EventKind::Forwarded { source: Box::new(source(access_model)), kind: Box::new(kind) }
    }

    #[test]
    fn only_who_may_read_the_node_hears_of_it() {
        let member = BareJid::new("member@example.org").unwrap();
        let banned = BareJid::new("banned@example.org").unwrap();
        let affiliations: Affiliations =
            [(member.clone(), Affiliation::Member), (banned, Affiliation::Outcast)].into_iter().collect();
        for (access_model, expected) in [
            (AccessModel::Open, [true, true, false, true]),
            (AccessModel::Whitelist, [false, true, false, true]),
            (AccessModel::Authorize, [false, true, false, true]),
            (AccessModel::Presence, [false, true, false, true]),
        ] {
            let facts = NodeFacts {
                id: NodeId(7),
                name: NodeName::new("leaf").unwrap(),
                epoch: Epoch(1),
                creator: member.clone(),
                created_at_ms: 0,
                config: NodeConfig { access_model, ..NodeConfig::default() },
                affiliations: Arc::new(affiliations.clone()),
                rules_version: 1,
                above: None,
                is_orphan: false,
            };
            let below = below(Some(facts));
            let all = ["stranger", "member", "banned", "admin"].map(|user| format!("{user}@example.org"));
            for kind in [
                forwarded(AccessModel::Open, EventKind::Purged),
                EventKind::Associated { child: Box::new(source(AccessModel::Open)) },
            ] {
                let shown = all.clone().map(|user| shows(&below, kind.clone(), &user));
                assert_eq!(shown, expected, "{access_model:?} {kind:?}");
            }
        }
    }

    #[test]
    fn what_has_happened_on_a_node_that_is_gone_is_told_if_it_was_open() {
        let gone = below(None);
        for (kind, expected) in [
            (forwarded(AccessModel::Open, EventKind::Deleted { redirect: None }), true),
            (EventKind::Dissociated { child: Box::new(source(AccessModel::Open)) }, true),
            (forwarded(AccessModel::Whitelist, EventKind::Deleted { redirect: None }), false),
            (forwarded(AccessModel::Open, EventKind::Purged), true),
            (forwarded(AccessModel::Whitelist, EventKind::Purged), false),
        ] {
            assert_eq!(shows(&gone, kind.clone(), "stranger@example.org"), expected, "{kind:?}");
        }
        assert!(shows(
            &gone,
            forwarded(AccessModel::Whitelist, EventKind::Deleted { redirect: None }),
            "admin@example.org"
        ));
        assert!(!shows(&Below::default(), forwarded(AccessModel::Open, EventKind::Purged), "a@example.org"));
        assert!(shows(&Below::default(), EventKind::Purged, "a@example.org"), "of the node itself");
    }

    #[test]
    fn a_node_whose_rules_cannot_be_read_is_shown_to_nobody() {
        let unreadable = knowing(Known::Unreadable);
        for user in ["stranger@example.org", "admin@example.org"] {
            assert!(!shows(&unreadable, forwarded(AccessModel::Open, EventKind::Purged), user));
        }
    }

    #[test]
    fn what_is_above_a_node_has_a_say_in_who_hears_of_it() {
        let owner = BareJid::new("owner@example.org").unwrap();
        let facts = |access_model| NodeFacts {
            id: NodeId(7),
            name: NodeName::new("n").unwrap(),
            epoch: Epoch(1),
            creator: owner.clone(),
            created_at_ms: 0,
            config: NodeConfig { access_model, ..NodeConfig::default() },
            affiliations: Arc::default(),
            rules_version: 1,
            above: None,
            is_orphan: false,
        };
        let relation =
            Relation { kind: RelationKind::Parent, node: NodeId(8), name: NodeName::new("above").unwrap() };
        let child = node(Some(relation));
        let event = Event {
            seq: 1,
            kind: EventKind::Purged,
            publisher: owner.clone().into(),
            published_at_ms: 0,
            recipients_version: 1,
            due_after_seq: Some(0),
        };
        assert!(!Below::default().knows(&child, &event) && Below::default().knows(&node(None), &event));
        let stranger = BareJid::new("stranger@example.org").unwrap();
        let shows = |known| knowing(known).shows(&child, &event, &stranger);
        for (access_model, expected) in [(AccessModel::Open, true), (AccessModel::Whitelist, false)] {
            let above = Some(Arc::new(facts(access_model)));
            let known = Known::Rules(Arc::new(NodeFacts { above, ..facts(AccessModel::Open) }));
            assert_eq!(shows(known), expected, "{access_model:?}");
        }
        assert!(!shows(Known::Gone) && !shows(Known::Unreadable));
    }
}
