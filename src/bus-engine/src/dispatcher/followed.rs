use std::time::Duration;

use bus_domain::{NodeId, Seq};
use tokio::time::Instant;

use super::Dispatcher;

/// One committed event at a time, followed until it is handed over: a sample of how long delivery takes that costs
/// the same however many events there are.
#[derive(Debug, Default)]
pub(super) struct Followed(Option<(NodeId, Seq, Instant)>);

impl Followed {
    /// Follows an event that was committed just now, unless another one is under way or nobody waits for this one.
    pub(super) fn start(&mut self, dispatcher: &Dispatcher, node: NodeId, seq: Seq) {
        if self.0.is_none() && dispatcher.is_proven(node, seq) == Some(false) {
            self.0 = Some((node, seq, Instant::now()));
        }
    }

    /// How long the event took, once, when it is proven.
    pub(super) fn proven(&mut self, dispatcher: &Dispatcher) -> Option<Duration> {
        let (node, seq, since) = self.0?;
        let is_proven = dispatcher.is_proven(node, seq);
        if is_proven != Some(false) {
            self.0 = None;
        }
        // A node that went out of memory in between says nothing.
        is_proven.filter(|proven| *proven).map(|_| since.elapsed())
    }
}
