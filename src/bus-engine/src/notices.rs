use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bus_domain::{Jid, NodeName, Subscription, SubscriptionState};
use tokio::sync::Notify;

/// Something that an address is told beside the events of nodes: once, after the commit, and as long as this process
/// lives. Whoever misses one can ask how things are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// On which node.
    pub node: NodeName,
    /// Whom.
    pub to: Jid,
    /// What.
    pub about: NoticeAbout,
}

/// What somebody is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoticeAbout {
    /// The subscription of an address is like this now (XEP-0060 §12.14); `None` if it has ended.
    State {
        /// The address as subscribed.
        jid: Jid,
        /// How far it has come.
        state: Option<SubscriptionState>,
    },
    /// Somebody waits for an owner's approval (§8.6).
    Approval(Subscription),
}

/// Notices on their way to a leg.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    waiting: Mutex<VecDeque<Notice>>,
    filled: Notify,
}

/// Notices that may wait; over that they are dropped, the newest first.
const WAITING_MAX: usize = 10_000;

impl Notices {
    /// Leaves word; says how many notices there was no room for.
    pub(crate) fn put(&self, notices: Vec<Notice>) -> u64 {
        if notices.is_empty() {
            return 0;
        }
        let mut waiting = self.lock();
        let room = WAITING_MAX - waiting.len();
        let dropped = notices.len().saturating_sub(room);
        waiting.extend(notices.into_iter().take(room));
        drop(waiting);
        self.filled.notify_one();
        dropped as u64
    }

    /// Waits for the next one. One reader is enough.
    pub(crate) async fn take(&self) -> Notice {
        loop {
            let next = self.lock().pop_front();
            if let Some(notice) = next {
                return notice;
            }
            self.filled.notified().await;
        }
    }

    /// Every call leaves it consistent, so a panic elsewhere cannot have left it half changed.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Notice>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(node: &str) -> Notice {
        let jid = Jid::new("a@example.org").unwrap();
        let about = NoticeAbout::State { jid: jid.clone(), state: None };
        Notice { node: NodeName::new(node).unwrap(), to: jid, about }
    }

    #[tokio::test]
    async fn notices_come_in_their_order_and_are_bounded() {
        let notices = Notices::default();
        assert_eq!(notices.put(vec![notice("a"), notice("b")]), 0);
        assert_eq!(notices.put(vec![notice("c"); WAITING_MAX]), 2);
        assert_eq!((notices.take().await, notices.take().await), (notice("a"), notice("b")));
        assert_eq!(notices.put(vec![notice("d"); 3]), 1);
    }
}
