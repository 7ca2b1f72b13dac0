use std::collections::HashMap;
use std::sync::Arc;

use bus_domain::quota::UsageChange;
use bus_domain::{
    Epoch, Event, EventKind, ItemId, Jid, Limits, NodeConfig, NodeFacts, NodeId, Payload, Seq, Subscription,
    SubscriptionId, SubscriptionOptions, SubscriptionState,
};
use bus_store::{EpochRenewal, HeadAdvance, HeadAfter, ItemPointer, RenewedHead};

use super::conditions::Unpublished;
use super::{CommittedNode, Sources};
use crate::DeliveryNode;
use crate::Notice;
use crate::committer::EntryResult;
use crate::dispatcher::RecipientDelta;
use crate::epochs::new_epoch;

/// Items that one commit removes beyond those that make room for its own: more would hold up all other writers.
const EXCESS_ITEMS_MAX: u64 = 10_000;

/// One node's part of a batch.
pub(super) struct NodeWork {
    /// The node as decided upon; a node that is being made gets its facts when it is written.
    pub(super) facts: Option<Arc<NodeFacts>>,
    /// Indices of its entries in the batch.
    pub(super) entries: Vec<usize>,
    /// Events to come, in order.
    pub(super) drafts: Vec<Draft>,
    /// What else moves its head.
    pub(super) changes: HeadChanges,
    /// Where the head stands once it has moved.
    pub(super) head: Option<HeadAfter>,
    /// The events with their positions.
    pub(super) events: Vec<Arc<Event>>,
    /// Where the events are of the items that are taken back.
    pub(super) retracted: HashMap<ItemId, Seq>,
    /// Items that are taken back for those that are published.
    pub(super) pushed_out: Vec<ItemId>,
    /// Publishes among the entries that are answered without being carried out.
    pub(super) unpublished: HashMap<usize, Unpublished>,
    /// The answer of an entry that changes nothing.
    pub(super) settled: Option<EntryResult>,
    /// The subscription that is there already, and is parked or revived.
    pub(super) subscription: Option<Subscription>,
    /// Subscriptions that end.
    pub(super) ended: Vec<Subscription>,
    /// Subscriptions that begin.
    pub(super) begun: Vec<Beginning>,
    /// Addresses whose subscriptions cannot be as somebody wants them.
    pub(super) rejected_subscriptions: Vec<(Jid, Option<SubscriptionState>)>,
    /// What somebody has more or less of.
    pub(super) usage: Vec<UsageChange>,
    /// Who is told.
    pub(super) notices: Vec<Notice>,
    /// The answer of an entry that made the node.
    pub(super) created: Option<EntryResult>,
    /// Nodes that have become children of collections, or are none any more.
    pub(super) children: Vec<NodeId>,
    /// Whether the node points at another node than before.
    pub(super) has_new_relation: bool,
    /// What changes for recipients.
    pub(super) delta: Option<RecipientDelta>,
    /// Whether the log begins a new life here.
    pub(super) is_renewed: bool,
    /// How the node is to behave from now on.
    pub(super) config: Option<NodeConfig>,
    /// What is told of a node in memory, whose log has no row for it and finds its place there.
    pub(super) announced: Option<Arc<Event>>,
}

/// A subscription that begins where the log is then.
pub(super) struct Beginning {
    pub(super) jid: Jid,
    pub(super) state: SubscriptionState,
    pub(super) sub_id: NewSubId,
    pub(super) options: SubscriptionOptions,
    /// Whether its subscriber has not asked for it, and is told.
    pub(super) is_news: bool,
}

/// Which SubID a new subscription has.
pub(super) enum NewSubId {
    None,
    /// Its own number.
    Own,
    /// That of the one whose place it takes.
    Kept(SubscriptionId),
}

/// Changes of a head beside the events.
#[derive(Default)]
pub(super) struct HeadChanges {
    pub(super) purge: bool,
    pub(super) rules: bool,
    pub(super) recipients: bool,
}

/// An event without its position.
pub(super) struct Draft {
    pub(super) kind: EventKind,
    pub(super) publisher: Jid,
    /// Whether subscribers are told.
    pub(super) due: bool,
    /// Whether an item of this id may exist.
    pub(super) may_overwrite: bool,
}

/// An item that a batch publishes, once or more often.
struct PlacedItem<'a> {
    item_id: &'a ItemId,
    /// The first draft that does.
    first: usize,
    /// The last one.
    last: usize,
}

impl NodeWork {
    pub(super) fn new(facts: Arc<NodeFacts>) -> Self {
        Self { facts: Some(facts), ..Self::empty(Vec::new()) }
    }

    pub(super) fn of_new_node(entry: usize) -> Self {
        Self::empty(vec![entry])
    }

    fn empty(entries: Vec<usize>) -> Self {
        Self {
            facts: None,
            entries,
            drafts: Vec::new(),
            changes: HeadChanges::default(),
            head: None,
            events: Vec::new(),
            retracted: HashMap::new(),
            pushed_out: Vec::new(),
            unpublished: HashMap::new(),
            settled: None,
            subscription: None,
            ended: Vec::new(),
            begun: Vec::new(),
            rejected_subscriptions: Vec::new(),
            usage: Vec::new(),
            notices: Vec::new(),
            created: None,
            children: Vec::new(),
            has_new_relation: false,
            delta: None,
            is_renewed: false,
            config: None,
            announced: None,
        }
    }

    /// Forgets what was to change; this is the answer.
    pub(super) fn undo(&mut self, settled: EntryResult) {
        let (facts, entries) = (self.facts.take(), std::mem::take(&mut self.entries));
        *self = Self { facts, settled: Some(settled), ..Self::empty(entries) };
    }

    pub(super) fn node_id(&self) -> Option<NodeId> {
        self.facts.as_ref().map(|facts| facts.id)
    }

    /// How the head is to move; a new node has none to move yet.
    pub(super) fn advance(&self) -> Option<HeadAdvance> {
        let facts = self.facts.as_ref()?;
        let last_due = self.drafts.iter().rposition(|draft| draft.due).map_or(0, |index| index + 1);
        Some(HeadAdvance {
            node: facts.id,
            rules_version: facts.rules_version,
            events: self.drafts.len() as u64,
            last_due_event: last_due as u64,
            payload_bytes: self.drafts.iter().map(payload_bytes).sum(),
            items: self.placed_items().len() as u64,
            purge: self.changes.purge,
            rules_change: self.changes.rules,
            recipients_change: self.changes.recipients || !self.begun.is_empty() || !self.ended.is_empty(),
            new_subscriptions: self.begun.len() as u64,
            ended_subscriptions: self.ended.len() as u64,
        })
    }

    /// A new life for the log, if it now ends below where this process saw it end.
    pub(super) fn renewal(&self, sources: &Sources<'_>) -> Option<EpochRenewal> {
        let (facts, head) = (self.facts.as_ref()?, self.head?);
        let last_seq = head.seq - self.drafts.len() as u64;
        let has_gone_back = sources.known_heads.has_gone_back(facts.id, facts.epoch, last_seq);
        has_gone_back.then(|| EpochRenewal { node: facts.id, epoch: new_epoch(sources.ids), last_seq })
    }

    /// Takes note of its new life.
    pub(super) fn renew(&mut self, epoch: Epoch, renewed: RenewedHead) {
        let RenewedHead { rules_version, recipients_version, .. } = renewed;
        if let (Some(facts), Some(head)) = (&mut self.facts, &mut self.head) {
            *facts = Arc::new(NodeFacts { epoch, rules_version, ..NodeFacts::clone(facts) });
            *head = HeadAfter { rules_version, recipients_version, ..*head };
            self.is_renewed = true;
        }
    }

    /// Gives the drafts their positions, right behind what the log had.
    pub(super) fn number_events(&mut self, now_ms: i64) {
        let Some(head) = self.head else { return };
        let mut seq = head.seq - self.drafts.len() as u64;
        let mut last_due_seq = head.due_before_seq;
        for draft in &self.drafts {
            seq += 1;
            self.events.push(Arc::new(Event {
                seq,
                kind: draft.kind.clone(),
                publisher: draft.publisher.clone(),
                published_at_ms: now_ms,
                recipients_version: head.recipients_version,
                due_after_seq: draft.due.then_some(last_due_seq),
            }));
            if draft.due {
                last_due_seq = seq;
            }
        }
    }

    /// The ids under which an item goes, or may exist already and is to be placed.
    pub(super) fn replaced(&self) -> Vec<(NodeId, ItemId)> {
        let Some(id) = self.node_id() else { return Vec::new() };
        let placed = self.placed_items();
        let candidates = placed.into_iter().filter(|item| self.drafts[item.last].may_overwrite);
        let overwritable = candidates.map(|item| item.item_id.clone());
        overwritable.chain(self.pushed_out.iter().cloned()).map(|item_id| (id, item_id)).collect()
    }

    /// Where item ids point from now on. `created` has the first events of those that were there.
    pub(super) fn pointers(&self, created: &HashMap<(NodeId, ItemId), Seq>) -> Vec<ItemPointer> {
        let Some(node) = self.node_id() else { return Vec::new() };
        let pointer = |item: PlacedItem<'_>| {
            let key = (node, item.item_id.clone());
            let (seq, first_seq) = (self.events[item.last].seq, self.events[item.first].seq);
            let created_seq = created.get(&key).copied().unwrap_or(first_seq);
            ItemPointer { node, item_id: key.1, seq, created_seq: Some(created_seq).filter(|it| *it != seq) }
        };
        self.placed_items().into_iter().map(pointer).collect()
    }

    /// For each retraction: the event of its item, and its own.
    pub(super) fn retracted_events(&self) -> Vec<(Seq, Seq)> {
        let of_item = |event: &Arc<Event>| Some((*self.retracted.get(event.kind.item_id()?)?, event.seq));
        self.events.iter().filter_map(of_item).collect()
    }

    /// Items over the node's bound that go with this commit, once so many pointers were overwritten. Retention takes
    /// the rest, where a configuration has lowered the bound by more.
    pub(super) fn excess_items(&self, overwritten: u64, limits: &Limits) -> u64 {
        match (&self.head, &self.facts) {
            (Some(head), Some(facts)) => {
                let config = self.config.as_ref().unwrap_or(&facts.config);
                let items_max = u64::from(config.items_max(limits));
                (head.item_count - overwritten).saturating_sub(items_max).min(EXCESS_ITEMS_MAX)
            }
            _ => 0,
        }
    }

    pub(super) fn into_committed(self) -> Option<CommittedNode> {
        let (facts, head) = (self.facts?, self.head?);
        let mut events = self.events;
        events.extend(self.announced);
        if events.is_empty() && self.delta.is_none() && self.notices.is_empty() {
            return None;
        }
        let node = DeliveryNode::of(&facts);
        let (delta, notices) = (self.delta, self.notices);
        Some(CommittedNode { node, head_seq: head.seq, events, delta, notices, is_renewed: self.is_renewed })
    }

    /// The items published here, in the order of their last drafts. None where no items are kept.
    fn placed_items(&self) -> Vec<PlacedItem<'_>> {
        if self.facts.as_ref().is_none_or(|facts| !facts.config.persist_items) {
            return Vec::new();
        }
        let mut placed: HashMap<&ItemId, PlacedItem<'_>> = HashMap::with_capacity(self.drafts.len());
        for (index, draft) in self.drafts.iter().enumerate() {
            if let EventKind::Published { item_id, .. } = &draft.kind {
                let item = PlacedItem { item_id, first: index, last: index };
                placed.entry(item_id).or_insert(item).last = index;
            }
        }
        let mut placed: Vec<_> = placed.into_values().collect();
        placed.sort_unstable_by_key(|item| item.last);
        placed
    }
}

/// Bytes of what stores keep as the content of the event.
fn payload_bytes(draft: &Draft) -> u64 {
    let redirect_bytes = draft.kind.redirect().map_or(0, |uri| uri.as_str().len());
    (draft.kind.payload().map_or(0, Payload::len_bytes) + redirect_bytes) as u64
}
