//! Sources: services of users that the bus reads itself, as a stream of events with tokens, into a node.

use jid::{BareJid, Jid};
use thiserror::Error;

use crate::access::{self, Action};
use crate::consumer::destination::Secret;
use crate::consumer::{ConsumerName, Standing};
use crate::{Actor, BusError, NodeFacts, NodeName, Role};

/// The store's number of a source. Never used again after the source is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub i64);

/// Bytes of a token.
pub const RESUME_TOKEN_BYTES_MAX: usize = 4_096;

/// A source as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its number.
    pub id: SourceId,
    /// Its name, of the same form as a consumer's.
    pub name: ConsumerName,
    /// Whose it is: its events are published as this principal's.
    pub owner: BareJid,
    /// The node that its events are published on.
    pub node: NodeName,
    /// Where it is.
    pub uri: String,
    /// What is sent in `Authorization: Bearer`.
    pub bearer_token: Option<Secret>,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// The token of what was published last; empty at the beginning.
    pub resume_token: Vec<u8>,
    /// How it stands; `None` before that was tried.
    pub standing: Option<Standing>,
}

/// How far a source is read: from then on it goes on behind this token. Stored with what is published of it, in one
/// transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceMove {
    /// Which one.
    pub source: SourceId,
    /// The claim under which it is read.
    pub fence: u64,
    /// The token.
    pub resume_token: Vec<u8>,
}

/// What is wrong with a request about a source.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SourceError {
    /// There is none of this name, or it is somebody else's.
    #[error("there is no such source")]
    NotFound,
    /// The name is taken.
    #[error("a source of this name exists already")]
    Exists,
    /// It cannot be like this.
    #[error("the source cannot be like this: {reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
    /// The principal has as many as it may.
    #[error("no more than {sources_max} sources may be of one principal")]
    TooMany {
        /// The bound.
        sources_max: u64,
    },
    /// Another instance of the bus reads it, or it is gone.
    #[error("another instance of the bus reads the source at the moment")]
    Elsewhere,
}

/// What the resource of an event's publisher begins with that a source has written.
const RESOURCE_PREFIX: &str = "source:";

impl Source {
    /// Who publishes its events: its owner, with the source's name as resource, so that the log says where they come from.
    pub fn publisher(&self) -> Result<Jid, SourceError> {
        let resource = format!("{RESOURCE_PREFIX}{}", self.name);
        let jid = self.owner.with_resource_str(&resource);
        let invalid = |_| SourceError::Invalid { reason: "its name cannot be a resource".to_owned() };
        jid.map(Jid::from).map_err(invalid)
    }
}

/// Whether the source of this name has written an event.
pub fn has_written(source: &str, publisher: &Jid) -> bool {
    let resource = publisher.resource().map(jid::ResourceRef::as_str);
    resource.and_then(|resource| resource.strip_prefix(RESOURCE_PREFIX)) == Some(source)
}

/// Whether an actor may see or delete a source: its owner may, and the operator's admins. To everybody else it is not there.
pub fn may_use(owner: &BareJid, actor: &Actor) -> Result<(), SourceError> {
    if actor.bare() == owner || actor.role() == Role::Admin { Ok(()) } else { Err(SourceError::NotFound) }
}

/// Whether a source may be read into a node: by who may publish there, and where what was published and the token can be one
/// transaction.
pub fn check_node(facts: &NodeFacts, actor: &Actor) -> Result<(), BusError> {
    access::may(facts, actor, Action::Publish)?;
    if facts.config.is_transient() || facts.config.is_collection() {
        let reason = "its node must be a leaf on disk: the token is stored with the events".to_owned();
        return Err(SourceError::Invalid { reason }.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Durability, NodeConfig, NodeType, facts};

    #[test]
    fn the_log_says_what_a_source_has_written() {
        let source = Source {
            id: SourceId(1),
            name: ConsumerName::new("erp/1").unwrap(),
            owner: BareJid::new("shop@example.org").unwrap(),
            node: NodeName::new("n").unwrap(),
            uri: String::new(),
            bearer_token: None,
            created_at_ms: 0,
            resume_token: Vec::new(),
            standing: None,
        };
        let publisher = source.publisher().unwrap();
        assert_eq!(publisher.to_bare(), source.owner);
        assert!(has_written("erp/1", &publisher));
        assert!(!has_written("erp", &publisher));
        assert!(!has_written("erp/1", &Jid::from(source.owner)));
    }

    #[test]
    fn a_source_is_its_owners_and_the_admins() {
        let jid = |name: &str| BareJid::new(&format!("{name}@example.org")).unwrap();
        let actor = |name, role| Actor::new(jid(name), role);
        assert_eq!(may_use(&jid("a"), &actor("a", Role::User)), Ok(()));
        assert_eq!(may_use(&jid("a"), &actor("b", Role::Admin)), Ok(()));
        assert_eq!(may_use(&jid("a"), &actor("b", Role::Creator)), Err(SourceError::NotFound));
    }

    #[test]
    fn a_source_is_read_into_a_leaf_on_disk_where_its_owner_may_publish() {
        let actor =
            |name: &str| Actor::new(BareJid::new(&format!("{name}@example.org")).unwrap(), Role::User);
        let mut facts = facts::sample();
        assert_eq!(check_node(&facts, &actor("owner")), Ok(()));
        assert_eq!(check_node(&facts, &actor("stranger")), Err(BusError::Forbidden));
        let in_memory =
            NodeConfig { durability: Durability::Memory, persist_items: false, ..NodeConfig::default() };
        let collection = NodeConfig { node_type: NodeType::Collection, ..NodeConfig::default() };
        for config in [in_memory, collection] {
            facts.config = config;
            let refused = check_node(&facts, &actor("owner"));
            assert!(
                matches!(refused, Err(BusError::Source(SourceError::Invalid { .. }))),
                "{:?}: {refused:?}",
                facts.config,
            );
        }
    }
}
