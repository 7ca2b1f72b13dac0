use std::sync::Arc;

use jid::BareJid;

use crate::{Affiliations, Epoch, NodeConfig, NodeId, NodeName};

/// What decisions about a node rest on. Immutable: a change of rules makes new facts with a higher `rules_version`,
/// and a commit goes through only on the version that the decision saw.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeFacts {
    /// The store's number of the node.
    pub id: NodeId,
    /// XEP-0060's NodeID.
    pub name: NodeName,
    /// This life of the node's log.
    pub epoch: Epoch,
    /// Whose the node was first.
    pub creator: BareJid,
    /// Milliseconds since 1970.
    pub created_at_ms: i64,
    /// The configuration.
    pub config: NodeConfig,
    /// Who has a standing of their own.
    pub affiliations: Arc<Affiliations>,
    /// Moves with the configuration and the affiliations, and with those of the nodes above.
    pub rules_version: u64,
    /// The parent (XEP-0496), whose rules count as well.
    pub above: Option<Arc<NodeFacts>>,
    /// The parent, the node that it is linked to, or one above these is gone, and so it is as good as gone itself.
    pub is_orphan: bool,
}

impl NodeFacts {
    /// Whether the node's events live in memory alone.
    pub fn is_transient(&self) -> bool {
        self.config.is_transient()
    }

    /// The affiliations, for changing.
    pub fn affiliations_mut(&mut self) -> &mut Affiliations {
        Arc::make_mut(&mut self.affiliations)
    }
}

/// An open node of `owner@example.org`, for the tests of the rules.
#[cfg(test)]
pub(crate) fn sample() -> NodeFacts {
    let owner = BareJid::new("owner@example.org").expect("a JID");
    NodeFacts {
        id: NodeId(1),
        name: NodeName::new("sample").expect("a name"),
        epoch: Epoch(7),
        creator: owner.clone(),
        created_at_ms: 0,
        config: NodeConfig::default(),
        affiliations: Arc::new([(owner, crate::Affiliation::Owner)].into_iter().collect()),
        rules_version: 1,
        above: None,
        is_orphan: false,
    }
}
