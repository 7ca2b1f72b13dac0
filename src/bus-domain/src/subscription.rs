use jid::Jid;

use crate::{Seq, SubscriptionId, SubscriptionOptions};

/// Somebody's wish to be sent a node's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Number within the node.
    pub id: SubscriptionId,
    /// Where notifications go: a bare or a full JID, exactly as subscribed.
    pub jid: Jid,
    /// How far the subscription has come.
    pub state: SubscriptionState,
    /// Only later events are due.
    pub since_seq: Seq,
    /// XEP-0060's SubID: the number under which it was asked for, which it keeps. `None` where the node gave no SubIDs
    /// then, so that its address is its only name.
    pub sub_id: Option<SubscriptionId>,
    /// What its subscriber wants of it.
    pub options: SubscriptionOptions,
}

impl Subscription {
    /// A subscription without a SubID, with the default options.
    pub fn new(id: SubscriptionId, jid: Jid, state: SubscriptionState, since_seq: Seq) -> Self {
        Self { id, jid, state, since_seq, sub_id: None, options: SubscriptionOptions::default() }
    }
}

/// XEP-0060 §4.2. Nothing has to be configured before events are due, so nobody is `unconfigured`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionState {
    /// Events are due.
    Subscribed,
    /// An owner is asked first.
    Pending,
}

impl SubscriptionState {
    /// Every state, for tables.
    pub const ALL: [Self; 2] = [Self::Subscribed, Self::Pending];

    /// The value of XEP-0060's `subscription` attribute; stores use it too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Subscribed => "subscribed",
            Self::Pending => "pending",
        }
    }

    /// The inverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}
