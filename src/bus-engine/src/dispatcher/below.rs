use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bus_domain::{AccessModel, BareJid, Event, NodeFacts, NodeId, NodeName, Role, Source, access};

/// The nodes below a collection, as far as its next events are about them: only who may read a node hears of it through
/// the collection (XEP-0248 §12). Known for a turn at most, so that a ban there acts at once.
#[derive(Debug, Default)]
pub struct Below {
    /// `None` for a node that is gone.
    nodes: HashMap<NodeId, Option<Arc<NodeFacts>>>,
    admins: Arc<HashSet<BareJid>>,
}

/// The nodes below a collection that some events are about, each once.
pub(super) fn sources<'a>(events: impl Iterator<Item = &'a Arc<Event>>) -> Vec<(NodeId, NodeName)> {
    let mut seen = HashSet::new();
    let all = events.flat_map(|event| about(event)).filter(|source| seen.insert(source.node));
    all.map(|source| (source.node, source.name.clone())).collect()
}

impl Below {
    /// What is known of nodes. Admins count as owners of all of them.
    pub fn new(nodes: HashMap<NodeId, Option<Arc<NodeFacts>>>, admins: Arc<HashSet<BareJid>>) -> Self {
        Self { nodes, admins }
    }

    /// Whether everything is known that an event is about.
    pub(super) fn knows(&self, event: &Event) -> bool {
        about(event).all(|source| self.nodes.contains_key(&source.node))
    }

    /// Whether somebody may hear of it.
    pub(super) fn shows(&self, event: &Event, to: &BareJid) -> bool {
        let role = if self.admins.contains(to) { Role::Admin } else { Role::User };
        about(event).all(|source| match self.nodes.get(&source.node) {
            Some(Some(facts)) => access::may_receive_through_collection(facts, to, role),
            // Its rules are gone with it; what it was when this happened is known.
            Some(None) => role == Role::Admin || source.access_model == AccessModel::Open,
            None => false,
        })
    }

    /// The node where an event has happened, if it is still there.
    pub(super) fn source_of(&self, event: &Event) -> Option<&NodeFacts> {
        self.nodes.get(&event.kind.source()?.node)?.as_deref()
    }

    /// Lets go of what is known.
    pub(super) fn forget(&mut self) {
        self.nodes.clear();
    }
}

fn about(event: &Event) -> impl Iterator<Item = &Source> {
    event.kind.source().into_iter().chain(event.kind.child())
}

#[cfg(test)]
mod tests {
    use bus_domain::{Affiliation, Affiliations, Epoch, EventKind, Jid, NodeConfig};

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
        below.shows(&event, &BareJid::new(to).unwrap())
    }

    fn below(facts: Option<NodeFacts>) -> Below {
        let admins = [BareJid::new("admin@example.org").unwrap()].into();
        Below::new([(NodeId(7), facts.map(Arc::new))].into(), Arc::new(admins))
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
}
