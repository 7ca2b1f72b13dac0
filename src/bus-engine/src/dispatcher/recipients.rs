use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use bus_domain::access::Standing;
use bus_domain::{
    Acquaintance, Affiliation, BareJid, Event, Jid, NodeConfig, Role, Roster, Subscription, SubscriptionId,
    access, acquaintance, presence,
};
use bus_store::{Recipient, RecipientPage};

use super::below::Below;
use super::mailbox::{Deltas, RecipientChange, RecipientDelta};
use crate::{Availability, DeliveryNode, PresenceTable};

/// Who is to get a node's events, as far as that is in memory.
#[derive(Debug, Default)]
pub(super) struct Recipients {
    entries: BTreeMap<SubscriptionId, Recipient>,
    /// The subscriptions with SubIDs of each address that has some.
    numbered: HashMap<Jid, BTreeSet<SubscriptionId>>,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Nothing is in memory.
    #[default]
    Absent,
    /// Pages are being read; what changes meanwhile is applied to the whole.
    Loading { version: u64, changed: Vec<RecipientDelta> },
    /// A snapshot at least as new as this version.
    Loaded { version: u64 },
}

impl Recipients {
    /// True if the snapshot may be used for an event that needs this version.
    pub(super) fn are_as_new_as(&self, version: u64) -> bool {
        matches!(self.state, State::Loaded { version: known } if known >= version)
    }

    /// True if what was read to its end is older than this version.
    pub(super) fn are_older_than(&self, version: u64) -> bool {
        matches!(self.state, State::Loaded { version: known } if known < version)
    }

    /// True while pages are being read.
    pub(super) fn are_loading(&self) -> bool {
        matches!(self.state, State::Loading { .. })
    }

    /// Number in memory.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Lets go of everything.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Lets go of a snapshot that is older than this version: changes may have been missed. One that is being read
    /// is read to its end, so that changes elsewhere cannot starve a large node. True if there was one to let go of.
    pub(super) fn forget_older_than(&mut self, version: u64) -> bool {
        let are_older = self.are_older_than(version);
        if are_older {
            self.forget();
        }
        are_older
    }

    /// Lets go of a snapshot that is not complete.
    pub(super) fn forget_unless_loaded(&mut self) {
        if self.are_loading() {
            self.forget();
        }
    }

    /// Starts to read a fresh snapshot.
    pub(super) fn start_loading(&mut self) {
        self.entries.clear();
        self.numbered.clear();
        self.state = State::Loading { version: u64::MAX, changed: Vec::new() };
    }

    /// Takes a page; `Some` says behind which subscription the next one starts.
    pub(super) fn take_page(&mut self, page: RecipientPage, asked_for: usize) -> Option<SubscriptionId> {
        let before = std::mem::take(&mut self.state);
        let State::Loading { version, changed } = before else {
            self.state = before;
            return None;
        };
        let version = page.recipients_version.min(version);
        let is_last = page.recipients.len() < asked_for;
        let next = page.recipients.last().map(|recipient| recipient.subscription.id);
        page.recipients.into_iter().for_each(|recipient| self.insert(recipient));
        if !is_last {
            self.state = State::Loading { version, changed };
            return next;
        }
        self.state = State::Loaded { version };
        for delta in changed {
            self.apply(delta);
        }
        None
    }

    /// Takes note of what commits have changed.
    pub(super) fn change(&mut self, deltas: Deltas) {
        match deltas {
            Deltas::Reload => self.forget(),
            Deltas::Known(deltas) => deltas.into_iter().for_each(|delta| self.apply(delta)),
        }
    }

    /// Recipients behind one, in the order of their ids.
    pub(super) fn behind(&self, id: SubscriptionId) -> impl Iterator<Item = &Recipient> {
        self.entries.range((Excluded(id), Unbounded)).map(|(_, recipient)| recipient)
    }

    /// Those who get one message together with this recipient, itself among them: one address gets an event once, however
    /// many of its subscriptions it is due to (XEP-0060 §6.1.6). In the order of their ids.
    pub(super) fn together_with<'a>(
        &'a self,
        recipient: &'a Recipient,
    ) -> impl Iterator<Item = &'a Recipient> {
        let Subscription { jid, sub_id, .. } = &recipient.subscription;
        let others = sub_id.and_then(|_| self.numbered.get(jid));
        let alone = others.is_none().then_some(recipient);
        let others = others.into_iter().flatten().filter_map(|id| self.entries.get(id));
        alone.into_iter().chain(others)
    }

    fn insert(&mut self, recipient: Recipient) {
        let Subscription { id, jid, sub_id, .. } = &recipient.subscription;
        if sub_id.is_some() {
            self.numbered.entry(jid.clone()).or_default().insert(*id);
        }
        self.entries.insert(*id, recipient);
    }

    fn remove(&mut self, id: SubscriptionId) {
        let Some(recipient) = self.entries.remove(&id) else { return };
        if let Entry::Occupied(mut numbered) = self.numbered.entry(recipient.subscription.jid) {
            numbered.get_mut().remove(&id);
            if numbered.get().is_empty() {
                numbered.remove();
            }
        }
    }

    /// A change that the snapshot has seen already is passed over: it may have been undone since. One that leaves a
    /// gap keeps the old version, so that the snapshot is read again when an event needs more.
    fn apply(&mut self, delta: RecipientDelta) {
        match &mut self.state {
            State::Absent => {}
            State::Loading { changed, .. } => changed.push(delta),
            State::Loaded { version } if delta.recipients_version <= *version => {}
            State::Loaded { version } => {
                if delta.recipients_version == *version + 1 {
                    *version = delta.recipients_version;
                }
                for change in delta.changes {
                    match change {
                        RecipientChange::Added(recipient) | RecipientChange::Changed(recipient) => {
                            self.insert(recipient);
                        }
                        RecipientChange::Removed(id) => self.remove(id),
                        RecipientChange::Access => return self.forget(),
                    }
                }
            }
        }
    }
}

/// Turns the affiliation that the store knows into the standing that counts.
pub(super) fn give_standing(recipient: &mut Recipient, admins: &HashSet<BareJid>) {
    let role = if admins.contains(&recipient.subscription.jid.to_bare()) { Role::Admin } else { Role::User };
    recipient.affiliation = access::effective(recipient.affiliation, role);
}

/// Whether the recipient is there, where the node or its options ask for that; without a table, nothing asks.
pub(super) fn availability(
    recipient: &Recipient,
    config: &NodeConfig,
    table: Option<&PresenceTable>,
) -> Availability {
    let Subscription { jid, options, .. } = &recipient.subscription;
    match table {
        Some(table) if presence::decides_delivery(config, options) => {
            table.look_for(jid, options.show_values)
        }
        _ => Availability::Online,
    }
}

/// Whether an event is due to the recipient, wanted by it, and may be shown to it. The owners' rosters count where the node
/// asks them, of a collection the rules of the nodes below, and of a node that is related to another one the rules above.
pub(super) fn is_due(
    recipient: &Recipient,
    node: &DeliveryNode,
    rosters: &[Arc<Roster>],
    below: &Below,
    event: &Event,
) -> bool {
    let config = &node.config;
    let Subscription { since_seq, options, .. } = &recipient.subscription;
    let acquaintance = if config.access_model.asks_rosters() && recipient.affiliation == Affiliation::None {
        let rosters = rosters.iter().map(|roster| Some(&**roster));
        acquaintance(config, rosters, &recipient.subscription.jid.to_bare())
    } else {
        Acquaintance::Unknown
    };
    let standing = Standing { affiliation: recipient.affiliation, is_subscribed: true, acquaintance };
    *since_seq < event.seq
        && options.want(event)
        && access::allows(standing, config.access_model, config.publish_model, access::Action::Receive)
        && (event.kind.distance().is_none() && config.relation.is_none()
            || below.shows(node, event, &recipient.subscription.jid.to_bare()))
}
