use jid::Jid;

use crate::{Seq, SubscriptionId};

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
}

/// XEP-0060 §4.2. The states that await an owner or a form are not reachable yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionState {
    /// Events are due.
    Subscribed,
}

impl SubscriptionState {
    /// The value of XEP-0060's `subscription` attribute; stores use it too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Subscribed => "subscribed",
        }
    }

    /// The inverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        (text == "subscribed").then_some(Self::Subscribed)
    }
}
