mod transient;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus_domain::{Epoch, Event, NodeId, Seq};
use tokio::sync::watch;

pub(crate) use transient::TransientHead;
use transient::TransientLog;

/// The newest committed events in memory, bounded in bytes over all nodes: readers that keep up never read the log.
///
/// A node's events are contiguous. When the bound is reached the oldest events of the bus go first.
#[derive(Debug)]
pub struct RecentEvents {
    inner: Mutex<Inner>,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    nodes: HashMap<NodeId, VecDeque<Arc<Event>>>,
    /// Which event goes next, and how much it weighs.
    order: VecDeque<(NodeId, Seq, usize)>,
    bytes: usize,
    /// Readers that wait for a node's head to move.
    waiting: HashMap<NodeId, watch::Sender<Seq>>,
    /// The lives that the events are of.
    epochs: HashMap<NodeId, Epoch>,
    /// Nodes whose log is nowhere else.
    transient: HashMap<NodeId, TransientLog>,
}

impl RecentEvents {
    /// Nothing yet, and at most so many bytes of events.
    pub fn new(bytes_max: usize) -> Self {
        Self { inner: Mutex::default(), bytes_max }
    }

    /// As [`Self::push`], of this life of the log. What is there of another one is forgotten: its positions mean something
    /// else now.
    pub(crate) fn push_in(&self, epoch: Epoch, node: NodeId, events: &[Arc<Event>]) {
        let mut inner = self.lock();
        if inner.epochs.get(&node).is_some_and(|known| *known != epoch) {
            inner.nodes.remove(&node);
            inner.epochs.remove(&node);
        }
        if !events.is_empty() {
            inner.epochs.insert(node, epoch);
        }
        inner.take(node, events, self.bytes_max);
    }

    /// Takes the events of one commit of one node and wakes its readers.
    pub fn push(&self, node: NodeId, events: &[Arc<Event>]) {
        self.lock().take(node, events, self.bytes_max);
    }

    /// The events behind a position, if memory reaches back that far; empty if there are none yet.
    pub fn after(&self, node: NodeId, seq: Seq, events_max: usize) -> Option<Vec<Arc<Event>>> {
        let inner = self.lock();
        behind(inner.nodes.get(&node)?, seq, events_max)
    }

    /// Takes note of a head that was read: another instance may have moved it. What is in memory ends in a hole then.
    pub(crate) fn note_head(&self, node: NodeId, seq: Seq) {
        let mut inner = self.lock();
        if let Some(events) = inner.nodes.get_mut(&node)
            && events.back().is_none_or(|last| last.seq < seq)
        {
            events.clear();
        }
        if let Some(head) = inner.waiting.get(&node) {
            head.send_if_modified(|known| {
                let has_moved = *known < seq;
                *known = seq.max(*known);
                has_moved
            });
        }
    }

    /// The nodes that somebody waits for.
    pub(crate) fn watched(&self) -> Vec<NodeId> {
        let inner = self.lock();
        inner.waiting.iter().filter(|(_, head)| !head.is_closed()).map(|(node, _)| *node).collect()
    }

    /// A view of the node's head that moves with every commit from now on.
    pub(crate) fn watch(&self, node: NodeId) -> watch::Receiver<Seq> {
        let mut inner = self.lock();
        inner.waiting.retain(|_, head| !head.is_closed());
        inner.waiting.entry(node).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// What is kept, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The events of a node behind a position, without a look at any other; `None` if they do not reach back that far.
fn behind(events: &VecDeque<Arc<Event>>, seq: Seq, events_max: usize) -> Option<Vec<Arc<Event>>> {
    let first = events.front()?.seq;
    let start = usize::try_from((seq + 1).checked_sub(first)?).ok()?.min(events.len());
    let end = start.saturating_add(events_max).min(events.len());
    Some(events.range(start..end).cloned().collect())
}

impl Inner {
    fn take(&mut self, node: NodeId, events: &[Arc<Event>], bytes_max: usize) {
        let Some(last) = events.last() else { return };
        for event in events {
            self.push(node, Arc::clone(event));
        }
        self.shrink(bytes_max);
        if let Some(head) = self.waiting.get(&node) {
            head.send_replace(last.seq);
            if head.is_closed() {
                self.waiting.remove(&node);
            }
        }
    }

    fn push(&mut self, node: NodeId, event: Arc<Event>) {
        let (seq, weight) = (event.seq, event.weight_bytes());
        let events = self.nodes.entry(node).or_default();
        if events.back().is_some_and(|last| last.seq + 1 != event.seq) {
            // Somebody else has committed in between: what is in front of the hole is of no use.
            events.clear();
        }
        events.push_back(event);
        self.order.push_back((node, seq, weight));
        self.bytes += weight;
    }

    fn shrink(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let Some((node, seq, weight)) = self.order.pop_front() else { return };
            self.bytes -= weight;
            if let Some(events) = self.nodes.get_mut(&node) {
                // An event in front of a hole has gone before its turn.
                events.pop_front_if(|front| front.seq == seq);
                if events.is_empty() {
                    self.nodes.remove(&node);
                    self.epochs.remove(&node);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bus_domain::{EventKind, Jid};

    use super::*;

    fn event(seq: Seq) -> Arc<Event> {
        Arc::new(Event {
            seq,
            kind: EventKind::Purged,
            publisher: Jid::new("a@example.org").unwrap(),
            published_at_ms: 0,
            recipients_version: 1,
            due_after_seq: None,
        })
    }

    fn seqs(recent: &RecentEvents, node: i64, after: Seq) -> Option<Vec<Seq>> {
        recent.after(NodeId(node), after, 10).map(|events| events.iter().map(|event| event.seq).collect())
    }

    #[test]
    fn memory_answers_only_where_it_has_no_hole() {
        let recent = RecentEvents::new(3 * event(1).weight_bytes());
        assert_eq!(seqs(&recent, 1, 0), None, "nothing known");
        recent.push(NodeId(1), &[event(5), event(6)]);
        assert_eq!(seqs(&recent, 1, 3), None, "4 is missing");
        assert_eq!(seqs(&recent, 1, 4), Some(vec![5, 6]));
        assert_eq!(seqs(&recent, 1, 6), Some(vec![]));
        recent.push(NodeId(2), &[event(1), event(2)]);
        assert_eq!(seqs(&recent, 1, 4), None, "5 had to go");
        assert_eq!(seqs(&recent, 1, 5), Some(vec![6]));
        assert_eq!(seqs(&recent, 2, 0), Some(vec![1, 2]));
    }

    #[test]
    fn a_hole_in_what_is_committed_here_is_never_passed_over() {
        let recent = RecentEvents::new(4 * event(1).weight_bytes());
        recent.push(NodeId(1), &[event(5), event(6)]);
        recent.push(NodeId(1), &[event(8)]);
        assert_eq!(seqs(&recent, 1, 6), None, "7 was committed elsewhere");
        assert_eq!(seqs(&recent, 1, 7), Some(vec![8]));
        recent.push(NodeId(1), &[event(9), event(10)]);
        assert_eq!(seqs(&recent, 1, 7), Some(vec![8, 9, 10]));
    }

    #[tokio::test]
    async fn what_others_have_committed_wakes_readers_and_is_not_in_memory() {
        let recent = RecentEvents::new(10_000);
        let mut head = recent.watch(NodeId(1));
        assert_eq!(recent.watched(), [NodeId(1)]);
        recent.push(NodeId(1), &[event(5), event(6)]);
        head.mark_unchanged();
        recent.note_head(NodeId(1), 6);
        assert!(!head.has_changed().unwrap(), "nothing new");
        assert_eq!(seqs(&recent, 1, 4), Some(vec![5, 6]));
        recent.note_head(NodeId(1), 7);
        assert!(head.has_changed().unwrap());
        assert_eq!(seqs(&recent, 1, 6), None, "7 is in the log only");
        recent.push(NodeId(1), &[event(8)]);
        assert_eq!(seqs(&recent, 1, 7), Some(vec![8]));
        drop(head);
        assert_eq!(recent.watched(), []);
    }

    #[test]
    fn a_new_life_of_a_log_forgets_the_old_one() {
        let recent = RecentEvents::new(10_000);
        recent.push_in(Epoch(1), NodeId(1), &[event(1), event(2)]);
        recent.push_in(Epoch(1), NodeId(1), &[event(3)]);
        assert_eq!(seqs(&recent, 1, 0), Some(vec![1, 2, 3]));
        recent.push_in(Epoch(2), NodeId(1), &[]);
        assert_eq!(seqs(&recent, 1, 1), None, "2 and 3 are gone, and others will be called so");
        recent.push_in(Epoch(2), NodeId(1), &[event(2)]);
        assert_eq!(seqs(&recent, 1, 1), Some(vec![2]));
    }

    #[tokio::test]
    async fn readers_hear_of_commits() {
        let recent = RecentEvents::new(10_000);
        let mut head = recent.watch(NodeId(1));
        recent.push(NodeId(1), &[event(1), event(2)]);
        head.changed().await.unwrap();
        assert_eq!(*head.borrow(), 2);
    }
}
