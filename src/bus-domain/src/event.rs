use jid::Jid;

use crate::{ItemId, Payload, RedirectUri, Seq};

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
}

impl EventKind {
    /// The item that the event is about.
    pub fn item_id(&self) -> Option<&ItemId> {
        match self {
            Self::Published { item_id, .. } | Self::Retracted { item_id } => Some(item_id),
            Self::Purged | Self::Configured | Self::Deleted { .. } => None,
        }
    }

    /// The content that the event carries.
    pub fn payload(&self) -> Option<&Payload> {
        match self {
            Self::Published { payload, .. } => payload.as_ref(),
            Self::Retracted { .. } | Self::Purged | Self::Configured | Self::Deleted { .. } => None,
        }
    }

    /// Where the node is that the event is the end of.
    pub fn redirect(&self) -> Option<&RedirectUri> {
        match self {
            Self::Deleted { redirect } => redirect.as_ref(),
            Self::Published { .. } | Self::Retracted { .. } | Self::Purged | Self::Configured => None,
        }
    }

    /// Whether it is the end of the node.
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
