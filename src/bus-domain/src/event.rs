use jid::Jid;

use crate::{ItemId, Payload, RedirectUri, Seq};

mod source;

pub use source::{Origin, Source};

/// One entry of a node's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The position.
    pub seq: Seq,
    /// What happened.
    pub kind: EventKind,
    /// Who made it happen.
    pub publisher: Jid,
    /// When it was committed, in milliseconds since 1970.
    pub published_at_ms: i64,
    /// The recipients at the commit: delivery uses a snapshot at least this new.
    pub recipients_version: u64,
    /// The event before this one that was due to subscribers (0 before the first); `None` when this one is due to
    /// nobody.
    pub due_after_seq: Option<Seq>,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// An item was published, or published again under its id.
    Published {
        /// Its id.
        item_id: ItemId,
        /// Its content, if it has any.
        payload: Option<Payload>,
    },
    /// An item was taken back.
    Retracted {
        /// Its id.
        item_id: ItemId,
    },
    /// All items were removed at once.
    Purged,
    /// The configuration was changed; it is read where it is needed, as it is then.
    Configured,
    /// The node is gone: the last event of its log.
    Deleted {
        /// Where it is from now on, if its owner says so.
        redirect: Option<RedirectUri>,
    },
    /// A collection has a new child (XEP-0248).
    Associated {
        /// The child.
        child: Box<Source>,
    },
    /// A collection has lost a child, which may be gone itself.
    Dissociated {
        /// The child that was.
        child: Box<Source>,
    },
    /// Something has happened on a node below a collection.
    Forwarded {
        /// Where.
        source: Box<Source>,
        /// What: never another one of these.
        kind: Box<EventKind>,
    },
}

impl EventKind {
    /// The item that the event is about.
    pub fn item_id(&self) -> Option<&ItemId> {
        match self.told() {
            Self::Published { item_id, .. } | Self::Retracted { item_id } => Some(item_id),
            _ => None,
        }
    }

    /// The content that the event carries.
    pub fn payload(&self) -> Option<&Payload> {
        if let Self::Published { payload, .. } = self.told() { payload.as_ref() } else { None }
    }

    /// What has happened, wherever that was.
    pub fn told(&self) -> &Self {
        if let Self::Forwarded { kind, .. } = self { kind } else { self }
    }

    /// Whether it is about a node's items, and not about the node.
    pub fn is_about_items(&self) -> bool {
        matches!(self.told(), Self::Published { .. } | Self::Retracted { .. } | Self::Purged)
    }

    /// The node below the collection where it has happened.
    pub fn source(&self) -> Option<&Source> {
        if let Self::Forwarded { source, .. } = self { Some(source) } else { None }
    }

    /// The child that was associated or dissociated.
    pub fn child(&self) -> Option<&Source> {
        match self.told() {
            Self::Associated { child } | Self::Dissociated { child } => Some(child),
            _ => None,
        }
    }

    /// How far below the collection in whose log this is the node is that it is about; `None` for what is about the
    /// collection itself.
    pub fn distance(&self) -> Option<u32> {
        let (of_source, of_child) = (self.source().map(|it| it.distance), self.child().map(|it| it.distance));
        match (of_source, of_child) {
            (None, None) => None,
            (source, child) => Some(source.unwrap_or(0) + child.unwrap_or(0)),
        }
    }

    /// What a store keeps of it beside the columns of every event.
    pub fn origin(&self) -> Option<Origin> {
        let (forwarded, child) = (self.source().cloned(), self.child().cloned());
        let has_one = forwarded.is_some() || child.is_some();
        has_one.then(|| Origin { forwarded: forwarded.map(Box::new), child: child.map(Box::new) })
    }

    /// The inverse of [`Self::origin`], for what was [`Self::told`].
    #[must_use]
    pub fn forwarded(self, origin: Option<Origin>) -> Self {
        match origin.and_then(|origin| origin.forwarded) {
            Some(source) => Self::Forwarded { source, kind: Box::new(self) },
            None => self,
        }
    }

    /// Where the node is that the event is the end of.
    pub fn redirect(&self) -> Option<&RedirectUri> {
        if let Self::Deleted { redirect } = self.told() { redirect.as_ref() } else { None }
    }

    /// Whether it is the end of the node in whose log it is.
    pub fn is_deletion(&self) -> bool {
        matches!(self, Self::Deleted { .. })
    }
}

impl Event {
    /// About how many bytes the event takes in memory; for bounds.
    pub fn weight_bytes(&self) -> usize {
        const FIXED_BYTES: usize = 160;
        let item_id_bytes = self.kind.item_id().map_or(0, |id| id.as_str().len());
        let payload_bytes = self.kind.payload().map_or(0, crate::Payload::len_bytes);
        let redirect_bytes = self.kind.redirect().map_or(0, |uri| uri.as_str().len());
        FIXED_BYTES + item_id_bytes + payload_bytes + redirect_bytes + self.publisher.as_str().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccessModel, Epoch, NodeId, NodeName};

    #[test]
    fn what_is_stored_of_an_origin_leads_back_to_the_event() {
        let source = |distance| {
            Box::new(Source {
                node: NodeId(7),
                name: NodeName::new("leaf <>").unwrap(),
                distance,
                epoch: Epoch(u64::MAX),
                seq: 9,
                published_at_ms: -1,
                access_model: AccessModel::Whitelist,
            })
        };
        let associated = EventKind::Associated { child: source(1) };
        let both = EventKind::Forwarded { source: source(2), kind: Box::new(associated.clone()) };
        for (kind, distance) in [(EventKind::Purged, None), (associated, Some(1)), (both, Some(3))] {
            let stored = kind.origin().map(|origin| serde_json::to_string(&origin).unwrap());
            let origin: Option<Origin> = stored.map(|stored| serde_json::from_str(&stored).unwrap());
            assert_eq!(origin, kind.origin());
            assert_eq!(kind.told().clone().forwarded(origin), kind);
            assert_eq!(kind.distance(), distance);
        }
    }
}
