use std::collections::BTreeMap;

use bus_domain::manage_subscriptions::Entry;
use bus_domain::{
    Acquaintance, Affiliation, BareJid, Epoch, EventKind, ItemId, Jid, NodeConfig, NodeName, Role, Seq,
    SubscriptionId, access,
};

use super::CommitIndex;

/// A node from its creation on.
#[derive(Debug)]
pub(crate) struct Life {
    /// Its name.
    pub name: NodeName,
    /// The name of this life.
    pub epoch: Epoch,
    /// Its configuration.
    pub config: NodeConfig,
    /// Standings.
    pub affiliations: BTreeMap<BareJid, Affiliation>,
    /// Counts changes of rules.
    pub rules_version: u64,
    /// Counts changes of recipients.
    pub recipients_version: u64,
    /// The log; the first event has the position 1.
    pub log: Vec<Logged>,
    /// Items and their newest events.
    pub items: BTreeMap<ItemId, Seq>,
    /// Every subscription that there has ever been.
    pub subscriptions: BTreeMap<SubscriptionId, SubscriptionLife>,
    /// Events up to here may never arrive, and the gap shows.
    pub may_miss_through: Seq,
    /// Whether it is gone.
    pub is_deleted: bool,
    /// Every configuration that it has had.
    pub(super) configs: Vec<NodeConfig>,
    /// Changes of standings that nobody has been told of yet.
    pub(super) unconfirmed_changes: Vec<Vec<(BareJid, Affiliation)>>,
    /// Lists of subscriptions that nobody has been told of yet.
    pub(super) unconfirmed_lists: Vec<Vec<Entry>>,
}

/// An event of the reference's log.
#[derive(Debug)]
pub(crate) struct Logged {
    /// What happened.
    pub kind: EventKind,
    /// Who did it.
    pub publisher: Jid,
    /// The due event before it, if it is due itself.
    pub due_after_seq: Option<Seq>,
    /// The recipients at its commit.
    pub recipients_version: u64,
    /// When it was committed.
    pub committed_at: CommitIndex,
}

/// A subscription from its beginning on.
#[derive(Debug)]
pub(crate) struct SubscriptionLife {
    /// The address.
    pub jid: Jid,
    /// Only later events are due.
    pub since_seq: Seq,
    /// When it ended.
    pub ended_at: Option<CommitIndex>,
    /// Whether its owner may receive.
    pub is_allowed: bool,
    /// Whether nothing is sent to it until its subscriber shows up.
    pub is_parked: bool,
    /// Whether nothing is ever sent to it: when somebody approves, another one takes its place.
    pub is_pending: bool,
    /// When one of the two changed; 0 for never.
    pub allowed_changed_at: CommitIndex,
}

impl Life {
    /// The newest position.
    pub(crate) fn head_seq(&self) -> Seq {
        self.log.len() as Seq
    }

    /// The newest position that was due.
    pub(crate) fn last_due_seq(&self) -> Seq {
        let newest = self.log.iter().rposition(|event| event.due_after_seq.is_some());
        newest.map_or(0, |index| index as Seq + 1)
    }

    /// The event of a position.
    pub(crate) fn event(&self, seq: Seq) -> Option<&Logged> {
        self.log.get(usize::try_from(seq.checked_sub(1)?).ok()?)
    }

    /// The events with their positions.
    pub(crate) fn events(&self) -> impl Iterator<Item = (Seq, &Logged)> {
        (1..).zip(&self.log)
    }

    /// Whether the standing of an address allows an action.
    pub(crate) fn allows(&self, jid: &BareJid, role: Role, action: access::Action) -> bool {
        let affiliation = self.affiliations.get(jid).copied().unwrap_or(Affiliation::None);
        let standing = access::effective(affiliation, role);
        let acquaintance = Acquaintance::Unknown;
        let standing = access::Standing { affiliation: standing, is_subscribed: true, acquaintance };
        access::allows(standing, self.config.access_model, self.config.publish_model, action)
    }
}

impl SubscriptionLife {
    /// Since when nothing may be handed to it, if that is so.
    pub(crate) fn barred_at(&self) -> Option<CommitIndex> {
        let is_barred = !self.is_allowed || self.is_parked || self.is_pending;
        self.ended_at.or_else(|| is_barred.then_some(self.allowed_changed_at))
    }

    /// Whether it waits for approval now.
    pub(super) fn waits(&self) -> bool {
        self.is_pending && self.ended_at.is_none()
    }

    /// Whether it was to be sent events from that commit until now, without a break.
    pub(crate) fn is_allowed_since(&self, commit: CommitIndex) -> bool {
        self.barred_at().is_none() && self.allowed_changed_at <= commit
    }

    /// Whether the event must arrive: it is due, and nothing has ever spoken against it since.
    pub(crate) fn is_owed(&self, seq: Seq, event: &Logged) -> bool {
        event.due_after_seq.is_some() && seq > self.since_seq && self.is_allowed_since(event.committed_at)
    }
}
