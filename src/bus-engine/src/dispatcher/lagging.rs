use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;

use bus_domain::bounce::Attempt;
use bus_domain::{Epoch, NodeId, Seq, SubscriptionId};
use bus_store::SubscriptionKey;

use super::lag::{Common, Lag, Phase};

/// Subscriptions that have left their node's cursor because a notification came back with "not now". Each is fed from
/// the log by itself, a window at a time, until it meets the cursor again.
///
/// Milliseconds are those of a clock that never jumps.
#[derive(Debug)]
pub(super) struct Lagging {
    nodes: BTreeMap<NodeId, LaggingOfNode>,
    count: usize,
    /// Those that can be sent their next window.
    ready: VecDeque<SubscriptionKey>,
    /// Rows that differ from those in the store.
    changed: BTreeSet<SubscriptionKey>,
    /// Rows that the store does not have yet.
    begun: BTreeSet<SubscriptionKey>,
    /// Rows to be removed from the store.
    ended: BTreeSet<SubscriptionKey>,
    /// Rows are of a life that has ended.
    is_stale: bool,
    bounds: LaggingBounds,
}

/// What lagging subscriptions may cost.
#[derive(Debug, Clone, Copy)]
pub struct LaggingBounds {
    /// Subscriptions that lag at a time.
    pub subscriptions_max: usize,
    /// Events that one is sent before it has proved to take them.
    pub window_events_max: u32,
    /// How long nothing must come back before a window counts as taken.
    pub quiet_ms: u64,
    /// The first wait before an event is sent again.
    pub backoff_ms_min: u64,
    /// The longest wait before an event is sent again.
    pub backoff_ms_max: u64,
}

/// A row as it is to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LagPosition {
    /// Whose.
    pub key: SubscriptionKey,
    /// The life of the log that the position is in.
    pub epoch: Epoch,
    /// Handed over through this event, and not come back.
    pub through_seq: Seq,
    /// How often in a row it has come back.
    pub attempts: u32,
    /// When it is to be tried again.
    pub due_ms: u64,
}

/// One node's lagging subscriptions.
#[derive(Debug)]
pub(super) struct LaggingOfNode {
    /// The life of its log.
    epoch: Epoch,
    lags: BTreeMap<SubscriptionId, Lag>,
}

impl LaggingOfNode {
    /// The life of the log that the positions are in.
    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether the node's cursor passes the subscription over.
    pub(super) fn skips(&self, subscription: SubscriptionId) -> bool {
        self.lags.get(&subscription).is_some_and(|lag| !lag.is_joined())
    }

    /// Whether the subscription lags.
    pub(super) fn has(&self, subscription: SubscriptionId) -> bool {
        self.lags.contains_key(&subscription)
    }
}

impl LaggingBounds {
    /// The wait after so many attempts: exponential, and any length from its half on.
    pub fn backoff_ms(&self, attempts: u32, random: u64) -> u64 {
        let doubled = 1_u64.checked_shl(attempts.saturating_sub(1)).unwrap_or(u64::MAX);
        let longest = self.backoff_ms_min.saturating_mul(doubled).min(self.backoff_ms_max);
        longest / 2 + random % (longest / 2 + 1)
    }
}

impl Lagging {
    pub(super) fn new(bounds: LaggingBounds) -> Self {
        Self {
            nodes: BTreeMap::new(),
            count: 0,
            ready: VecDeque::new(),
            changed: BTreeSet::new(),
            begun: BTreeSet::new(),
            ended: BTreeSet::new(),
            is_stale: false,
            bounds,
        }
    }

    pub(super) fn bounds(&self) -> &LaggingBounds {
        &self.bounds
    }

    /// Subscriptions that lag.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn contains(&self, key: SubscriptionKey) -> bool {
        self.get(key).is_some()
    }

    /// How what came back had been sent, the oldest event of it first.
    pub(super) fn attempt(&self, key: SubscriptionKey, oldest_seq: Seq) -> Attempt {
        self.get(key).map_or(Attempt::First, |lag| lag.attempt(oldest_seq))
    }

    /// The node's, if it has any.
    pub(super) fn of(&self, node: NodeId) -> Option<&LaggingOfNode> {
        self.nodes.get(&node)
    }

    /// Takes a row from the store that somebody else may have left there; what is known here is newer.
    pub(super) fn adopt(&mut self, row: LagPosition) {
        if self.get(row.key).is_none() && !self.ended.contains(&row.key) {
            self.restore(row);
        }
    }

    /// Takes a row from the store.
    pub(super) fn restore(&mut self, row: LagPosition) {
        self.put(row.key, row.epoch, Lag::restored(row, &self.bounds));
    }

    /// How many digests may begin. They leave half of the places to those from whom something comes back.
    pub(super) fn room_for_digests(&self) -> usize {
        (self.bounds.subscriptions_max / 2).saturating_sub(self.count)
    }

    /// Has digests of a node begin with an event, each with the time between two of them.
    pub(super) fn begin_digests(
        &mut self,
        node: NodeId,
        epoch: Epoch,
        first_seq: Seq,
        begun: Vec<(SubscriptionId, u64)>,
        now_ms: u64,
    ) {
        for (subscription, digest_ms) in begun {
            let key = SubscriptionKey { node, subscription };
            self.put(key, epoch, Lag::of_digest(first_seq, digest_ms, now_ms, &self.bounds));
            self.begun.insert(key);
        }
    }

    /// Takes note of what the subscription wants by now.
    pub(super) fn note_digest(&mut self, key: SubscriptionKey, digest_ms: Option<u64>) {
        if let Some(lag) = self.get_mut(key) {
            lag.digest_ms = digest_ms;
        }
    }

    /// The subscriber wants digests at other times, or none: what has waited for the old time goes out now.
    pub(super) fn hurry_digest(&mut self, key: SubscriptionKey, digest_ms: Option<u64>, now_ms: u64) {
        let waits =
            |lag: &&mut Lag| lag.digest_ms.is_some() && lag.digest_ms != digest_ms && !lag.is_on_trial();
        let Some(lag) = self.get_mut(key).filter(waits) else { return };
        lag.not_before_ms = now_ms;
        if let Phase::Resting { until_ms } = &mut lag.phase {
            *until_ms = now_ms;
            self.changed.insert(key);
        }
    }

    /// Whether the next digest has to wait; it rests until then.
    pub(super) fn awaits_digest(&mut self, key: SubscriptionKey, now_ms: u64) -> bool {
        let Some(lag) = self.get_mut(key).filter(|lag| lag.not_before_ms > now_ms) else { return false };
        lag.phase = Phase::Resting { until_ms: lag.not_before_ms };
        self.changed.insert(key);
        true
    }

    /// Rows that the store is to get before any cursor moves.
    pub(super) fn begun(&self) -> Vec<LagPosition> {
        self.begun.iter().filter_map(|key| self.position(*key)).collect()
    }

    /// Takes note that rows were added.
    pub(super) fn stored_begun(&mut self, rows: &[LagPosition]) {
        for row in rows {
            self.begun.remove(&row.key);
            if self.position(row.key).is_some_and(|position| position != *row) {
                self.changed.insert(row.key);
            }
        }
    }

    /// Takes note that events have come back. `common` is how far the node's cursor has come for the subscription, if
    /// the node is in memory. False if there is no room for one more.
    pub(super) fn hold_back(
        &mut self,
        key: SubscriptionKey,
        epoch: Epoch,
        bounced: &RangeInclusive<Seq>,
        common: Option<Common>,
        now_ms: u64,
        random: u64,
    ) -> bool {
        let bounds = self.bounds;
        if let Some(lag) = self.get_mut(key) {
            if lag.bounced(bounced, common, now_ms, |attempts| bounds.backoff_ms(attempts, random)) {
                self.changed.insert(key);
            }
            return true;
        }
        if self.count >= self.bounds.subscriptions_max {
            return false;
        }
        let until_ms = now_ms + self.bounds.backoff_ms(1, random);
        self.put(key, epoch, Lag::new(*bounced.start(), common, until_ms));
        self.changed.insert(key);
        true
    }

    /// Moves on what has waited long enough, but for those of which something has come back that is not judged.
    pub(super) fn tick(&mut self, now_ms: u64, proven_ticket: u64, unjudged: &BTreeSet<SubscriptionKey>) {
        let mut done = Vec::new();
        for (node, lagging) in &mut self.nodes {
            for (subscription, lag) in &mut lagging.lags {
                let key = SubscriptionKey { node: *node, subscription: *subscription };
                if unjudged.contains(&key) {
                    continue;
                }
                if lag.tick(now_ms, proven_ticket, &self.bounds) {
                    self.changed.insert(key);
                }
                match lag.phase {
                    Phase::Due => {
                        lag.phase = Phase::Ready;
                        self.ready.push_back(key);
                    }
                    Phase::Done => done.push(key),
                    _ => {}
                }
            }
        }
        for key in done {
            self.end(key);
        }
    }

    /// The link has gone: what is not proven is sent again.
    pub(super) fn rewind(&mut self) {
        self.ready.clear();
        for lagging in self.nodes.values_mut() {
            lagging.lags.values_mut().for_each(Lag::rewind);
        }
    }

    /// This life of a node's log began behind this position. If it is a new one, what was sent behind that is no more.
    pub(super) fn begin_life(&mut self, node: NodeId, epoch: Epoch, end_seq: Seq) {
        let Some(lagging) = self.nodes.get_mut(&node).filter(|lagging| lagging.epoch != epoch) else {
            return;
        };
        lagging.epoch = epoch;
        for (subscription, lag) in &mut lagging.lags {
            lag.set_back(end_seq);
            self.changed.insert(SubscriptionKey { node, subscription: *subscription });
        }
    }

    /// The next one that can be sent something, with how far it was sent to and how many events it may get.
    pub(super) fn take_ready(&mut self) -> Option<(SubscriptionKey, Seq, u32)> {
        while let Some(key) = self.ready.pop_front() {
            if let Some(lag) = self.get(key).filter(|lag| lag.phase == Phase::Ready) {
                return Some((key, lag.sent_seq, lag.window_events));
            }
        }
        None
    }

    /// Comes again when the sink has room.
    pub(super) fn interrupt(&mut self, key: SubscriptionKey) {
        self.ready.push_front(key);
    }

    /// Leaves one alone for a while, for no fault of its own.
    pub(super) fn rest(&mut self, key: SubscriptionKey, until_ms: u64) {
        if let Some(lag) = self.get_mut(key) {
            lag.phase = Phase::Resting { until_ms };
        }
    }

    /// The log has begun another life, of which no word has come; where the row stands in it, the store knows.
    pub(super) fn set_aside_outdated(&mut self, key: SubscriptionKey, until_ms: u64) {
        self.is_stale = true;
        self.rest(key, until_ms);
    }

    /// Whether all rows are to be read from the store again.
    pub(super) fn take_stale(&mut self) -> bool {
        std::mem::take(&mut self.is_stale)
    }

    /// Takes note that one was sent everything through this event; true if that was for the first time.
    pub(super) fn sent(&mut self, key: SubscriptionKey, seq: Seq) -> bool {
        self.get_mut(key).is_some_and(|lag| lag.sent(seq))
    }

    /// The window is out, with this last ticket. Who `has_met` the cursor follows it from now on, unless what was sent
    /// last had come back: then the window is a trial, and nothing may overtake it.
    /// Who gets digests does not: the next one begins with the next event.
    pub(super) fn await_proof(&mut self, key: SubscriptionKey, ticket: u64, has_met: bool, now_ms: u64) {
        let Some(lag) = self.get_mut(key) else { return };
        if has_met && lag.is_confirmed() {
            self.end(key);
        } else {
            if has_met && let Some(digest_ms) = lag.digest_ms {
                lag.not_before_ms = now_ms + digest_ms;
            }
            let joined = has_met && !lag.is_on_trial() && lag.digest_ms.is_none();
            lag.phase = Phase::Unproven { ticket, joined };
        }
    }

    /// One lags no longer.
    pub(super) fn end(&mut self, key: SubscriptionKey) {
        let Some(lagging) = self.nodes.get_mut(&key.node) else { return };
        if lagging.lags.remove(&key.subscription).is_none() {
            return;
        }
        if lagging.lags.is_empty() {
            self.nodes.remove(&key.node);
        }
        self.count -= 1;
        self.changed.remove(&key);
        self.begun.remove(&key);
        self.ended.insert(key);
    }

    /// Rows to be changed and rows to be removed; to be called again after they were stored.
    pub(super) fn changes(&self) -> (Vec<LagPosition>, Vec<SubscriptionKey>) {
        (
            self.changed.iter().filter_map(|key| self.position(*key)).collect(),
            self.ended.iter().copied().collect(),
        )
    }

    /// Takes note that changes were stored.
    pub(super) fn stored(&mut self, moves: &[LagPosition], ended: &[SubscriptionKey]) {
        for stored in moves {
            if self.position(stored.key) == Some(*stored) {
                self.changed.remove(&stored.key);
            }
        }
        for key in ended {
            self.ended.remove(key);
        }
    }

    fn position(&self, key: SubscriptionKey) -> Option<LagPosition> {
        let of_node = self.nodes.get(&key.node)?;
        Some(of_node.lags.get(&key.subscription)?.position(key, of_node.epoch))
    }

    fn put(&mut self, key: SubscriptionKey, epoch: Epoch, lag: Lag) {
        self.ended.remove(&key);
        let of_node =
            self.nodes.entry(key.node).or_insert_with(|| LaggingOfNode { epoch, lags: BTreeMap::new() });
        of_node.epoch = epoch;
        if of_node.lags.insert(key.subscription, lag).is_none() {
            self.count += 1;
        }
    }

    fn get(&self, key: SubscriptionKey) -> Option<&Lag> {
        self.nodes.get(&key.node)?.lags.get(&key.subscription)
    }

    fn get_mut(&mut self, key: SubscriptionKey) -> Option<&mut Lag> {
        self.nodes.get_mut(&key.node)?.lags.get_mut(&key.subscription)
    }
}
