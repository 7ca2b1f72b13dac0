use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus_domain::consumer::{ConsumerName, StandingState};
use bus_domain::{Actor, BareJid, BusError, Jid, NodeName, administer};
use tokio::sync::watch;

use crate::Engine;

/// Advisories that are kept.
const KEPT_MAX: usize = 1_000;
/// Bytes of a cause; the log has all of it.
const CAUSE_BYTES_MAX: usize = 500;

/// Something that an operator should know, with its number since this process started and its time in milliseconds since
/// 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advisory {
    /// 1 for the first one, then one by one.
    pub number: u64,
    /// When.
    pub at_ms: i64,
    /// What.
    pub about: AdvisoryAbout,
}

/// What an operator should know. Each happens seldom: what may happen with every request is a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdvisoryAbout {
    /// The link to the XMPP server is up.
    LinkUp,
    /// It is lost.
    LinkDown {
        /// Why.
        cause: String,
    },
    /// The store cannot be written or read.
    StoreAway {
        /// Why.
        cause: String,
    },
    /// It works again.
    StoreBack,
    /// Too much of a node waits for its delivery.
    NodeFull(NodeName),
    /// No longer.
    NodeHasRoom(NodeName),
    /// A subscription gets nothing any more until its subscriber shows up.
    SubscriptionParked {
        /// On which node.
        node: NodeName,
        /// Whose.
        jid: Jid,
    },
    /// A node is not delivered, because of what the store has of it.
    NodeUnreadable {
        /// Why.
        cause: String,
    },
    /// A log has lost events, and has begun a new life.
    EpochRenewed(NodeName),
    /// After a crash, the logs of so many nodes may have lost events, and have begun new lives.
    EpochsRenewed {
        /// How many.
        nodes: usize,
    },
    /// Tokens or certificates that have changed cannot be used.
    CredentialsUnusable {
        /// Why.
        cause: String,
    },
    /// How a subscription stands with the destination that its events are brought to.
    Destination {
        /// Which one.
        consumer: ConsumerName,
        /// How.
        state: StandingState,
        /// Why; empty when all is well.
        reason: String,
    },
    /// How a source stands that is read into a node.
    Source {
        /// Which one.
        source: ConsumerName,
        /// How.
        state: StandingState,
        /// Why; empty when all is well.
        reason: String,
    },
    /// The instance is being drained, as this admin wants it.
    Draining {
        /// Who.
        admin: BareJid,
    },
}

/// What a reader gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdvisoryFrame {
    /// The next one.
    Advisory(Arc<Advisory>),
    /// So many are gone: the reader was too slow.
    Missed(u64),
}

/// The newest advisories, bounded in number. Whoever puts one in waits for nobody.
#[derive(Debug)]
pub(crate) struct Advisories {
    kept: Mutex<VecDeque<Arc<Advisory>>>,
    newest: watch::Sender<u64>,
}

/// A reader. It holds nothing but a number.
#[derive(Debug)]
pub struct AdvisoryReader {
    engine: Engine,
    newest: watch::Receiver<u64>,
    opened_at: u64,
    /// The number of the last one that was read.
    position: u64,
}

impl AdvisoryAbout {
    /// A cause that is not longer than what is kept of one.
    pub fn cause(error: &impl ToString) -> String {
        let text = error.to_string();
        let end = text.floor_char_boundary(CAUSE_BYTES_MAX);
        text[..end].to_owned()
    }
}

impl Default for Advisories {
    fn default() -> Self {
        Self { kept: Mutex::default(), newest: watch::Sender::new(0) }
    }
}

impl Advisories {
    pub(crate) fn put(&self, at_ms: i64, about: AdvisoryAbout) {
        let mut kept = self.lock();
        let number = kept.back().map_or(1, |last| last.number + 1);
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(Arc::new(Advisory { number, at_ms, about }));
        // Under the lock, so that the numbers come in their order.
        self.newest.send_replace(number);
    }

    /// What comes behind a number.
    fn after(&self, number: u64) -> Option<AdvisoryFrame> {
        let kept = self.lock();
        let first = kept.front()?.number;
        let missed = (first - 1).saturating_sub(number);
        if missed > 0 {
            return Some(AdvisoryFrame::Missed(missed));
        }
        let index = usize::try_from(number + 1 - first).ok()?;
        kept.get(index).cloned().map(AdvisoryFrame::Advisory)
    }

    /// Every call leaves it consistent, so a panic elsewhere cannot have left it half changed.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Advisory>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Tells operators something.
    pub fn advise(&self, about: AdvisoryAbout) {
        self.shared().advise(about);
    }

    /// Reads advisories, from the oldest that is kept on or from now on. For admins.
    pub fn advisories(&self, actor: &Actor, include_kept: bool) -> Result<AdvisoryReader, BusError> {
        self.check_admin(actor)?;
        let newest = self.shared().advisories.newest.subscribe();
        let opened_at = *newest.borrow();
        let oldest = self.shared().advisories.lock().front().map_or(1, |oldest| oldest.number);
        let position = if include_kept { oldest - 1 } else { opened_at };
        Ok(AdvisoryReader { engine: self.clone(), newest, opened_at, position })
    }

    /// Whether the actor may ask for what concerns the instance as a whole.
    pub fn check_admin(&self, actor: &Actor) -> Result<(), BusError> {
        administer::decide(actor)
    }
}

impl AdvisoryReader {
    /// The newest advisory when the reader began; 0 if there was none.
    pub fn opened_at(&self) -> u64 {
        self.opened_at
    }

    /// Waits for the next one. Safe to drop and call again.
    pub async fn next(&mut self) -> AdvisoryFrame {
        loop {
            self.newest.mark_unchanged();
            match self.engine.shared().advisories.after(self.position) {
                Some(AdvisoryFrame::Advisory(advisory)) => {
                    self.position = advisory.number;
                    return AdvisoryFrame::Advisory(advisory);
                }
                Some(AdvisoryFrame::Missed(count)) => {
                    self.position += count;
                    return AdvisoryFrame::Missed(count);
                }
                None => {
                    // The sender lives in the engine, which this holds.
                    let _ = self.newest.changed().await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(frame: Option<AdvisoryFrame>) -> Option<Result<u64, u64>> {
        frame.map(|frame| match frame {
            AdvisoryFrame::Advisory(advisory) => Ok(advisory.number),
            AdvisoryFrame::Missed(count) => Err(count),
        })
    }

    #[test]
    fn the_newest_are_kept_and_what_is_gone_is_counted() {
        let advisories = Advisories::default();
        assert_eq!(advisories.after(0), None);
        for at_ms in 1..=5 {
            advisories.put(at_ms, AdvisoryAbout::LinkUp);
        }
        assert_eq!(
            [0, 1, 4, 5].map(|from| number(advisories.after(from))),
            [Some(Ok(1)), Some(Ok(2)), Some(Ok(5)), None]
        );
        for _ in 0..KEPT_MAX {
            advisories.put(6, AdvisoryAbout::LinkUp);
        }
        assert_eq!(advisories.lock().len(), KEPT_MAX);
        assert_eq!(number(advisories.after(2)), Some(Err(3)));
        assert_eq!(number(advisories.after(5)), Some(Ok(6)));
    }

    #[test]
    fn causes_are_bounded() {
        assert_eq!(AdvisoryAbout::cause(&"ä".repeat(400)).len(), CAUSE_BYTES_MAX);
    }
}
