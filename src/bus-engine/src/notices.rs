use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bus_domain::{BareJid, Jid, NodeName, Subscription, SubscriptionId, SubscriptionState};
use tokio::sync::Notify;

use crate::LastItem;

/// Something that an address is told beside the events of nodes: once, after the commit, and as long as this process
/// lives. Whoever misses one can ask how things are.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// On which node.
    pub node: NodeName,
    /// Whom.
    pub to: Jid,
    /// What.
    pub about: NoticeAbout,
}

/// What somebody is told.
#[derive(Debug, Clone, PartialEq)]
pub enum NoticeAbout {
    /// The subscription of an address is like this now (XEP-0060 §12.14); `None` if it has ended.
    State {
        /// The address as subscribed.
        jid: Jid,
        /// The subscription's SubID, if it has one.
        sub_id: Option<SubscriptionId>,
        /// How far it has come.
        state: Option<SubscriptionState>,
    },
    /// The newest item, for who has become a subscriber by somebody else's decision (§6.1.7).
    LastItem(Box<LastItem>),
    /// Somebody waits for an owner's approval (§8.6).
    Approval(Subscription),
}

/// Notices on their way to a leg.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    inner: Mutex<Inner>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Notice>,
    /// How often owners were asked about somebody, and since when that counts, in milliseconds since 1970.
    asked: HashMap<Asked, (i64, u32)>,
}

/// A node, an owner, whom it is about, and whether he is asked or told.
type Asked = (NodeName, Jid, BareJid, bool);

/// Notices that may wait; over that they are dropped, the newest first.
const WAITING_MAX: usize = 10_000;
/// With so many waiting, nobody is sent a newest item: the bound on their payloads.
const LAST_ITEMS_WAITING_MAX: usize = 256;
/// How often one owner is asked, or told, about one account on one node within [`ASKING_MS`]: whoever asks again and again does not
/// have messages sent again and again.
const ASKS_MAX: u32 = 5;
const ASKING_MS: i64 = 10 * 60 * 1_000;
/// Entries of what was asked; when there are more, all is forgotten.
const ASKED_MAX: usize = 10_000;

impl Notices {
    /// Leaves word; says how many notices there was no room for.
    pub(crate) fn put(&self, notices: Vec<Notice>, now_ms: i64) -> u64 {
        if notices.is_empty() {
            return 0;
        }
        let mut inner = self.lock();
        let mut dropped = 0;
        for notice in notices {
            if inner.waiting.len() >= notice.waiting_max() {
                dropped += 1;
            } else if inner.may_ask(&notice, now_ms) {
                inner.waiting.push_back(notice);
            }
        }
        drop(inner);
        self.filled.notify_one();
        dropped
    }

    /// Leaves word for somebody who has asked for it: all of it or, where the others' share of the room begins, nothing.
    pub(crate) fn put_asked_for(&self, notices: Vec<Notice>) -> bool {
        let mut inner = self.lock();
        let has_room = inner.waiting.len() + notices.len() <= WAITING_MAX / 2;
        if has_room {
            inner.waiting.extend(notices);
        }
        drop(inner);
        self.filled.notify_one();
        has_room
    }

    /// Waits for the next one. One reader is enough.
    pub(crate) async fn take(&self) -> Notice {
        loop {
            let next = self.lock().waiting.pop_front();
            if let Some(notice) = next {
                return notice;
            }
            self.filled.notified().await;
        }
    }

    /// Every call leaves it consistent, so a panic elsewhere cannot have left it half changed.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notice {
    /// The account whose subscription an owner is asked or told about.
    fn account(&self) -> Option<BareJid> {
        match &self.about {
            NoticeAbout::Approval(pending) => Some(pending.jid.to_bare()),
            NoticeAbout::State { jid, .. } if jid.to_bare() != self.to.to_bare() => Some(jid.to_bare()),
            NoticeAbout::State { .. } | NoticeAbout::LastItem(_) => None,
        }
    }

    /// Notices in front of which there is no room for this one: payloads take most, news for owners are wanted least.
    fn waiting_max(&self) -> usize {
        match self.about {
            NoticeAbout::LastItem(_) => LAST_ITEMS_WAITING_MAX,
            NoticeAbout::State { .. } if self.account().is_some() => WAITING_MAX / 2,
            NoticeAbout::State { .. } | NoticeAbout::Approval(_) => WAITING_MAX,
        }
    }
}

impl Inner {
    /// Whether an owner is to be asked or told once more about an account. Anything else may be told at any time.
    fn may_ask(&mut self, notice: &Notice, now_ms: i64) -> bool {
        let Some(account) = notice.account() else { return true };
        if self.asked.len() >= ASKED_MAX {
            self.asked.clear();
        }
        let is_question = matches!(notice.about, NoticeAbout::Approval(_));
        let key = (notice.node.clone(), notice.to.clone(), account, is_question);
        let (since_ms, asks) = self.asked.entry(key).or_insert((now_ms, 0));
        if now_ms.saturating_sub(*since_ms).abs() >= ASKING_MS {
            (*since_ms, *asks) = (now_ms, 0);
        }
        *asks += 1;
        *asks <= ASKS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(node: &str) -> Notice {
        let jid = Jid::new("a@example.org").unwrap();
        let about = NoticeAbout::State { jid: jid.clone(), sub_id: None, state: None };
        Notice { node: NodeName::new(node).unwrap(), to: jid, about }
    }

    #[tokio::test]
    async fn notices_come_in_their_order_and_are_bounded() {
        let notices = Notices::default();
        assert_eq!(notices.put(vec![notice("a"), notice("b")], 0), 0);
        assert_eq!(notices.put(vec![notice("c"); WAITING_MAX], 0), 2);
        assert_eq!((notices.take().await, notices.take().await), (notice("a"), notice("b")));
        assert_eq!(notices.put(vec![notice("d"); 3], 0), 1);
    }

    #[tokio::test]
    async fn what_is_asked_for_leaves_room_for_the_rest() {
        let notices = Notices::default();
        assert!(notices.put_asked_for(vec![notice("a"); WAITING_MAX / 2]));
        assert!(!notices.put_asked_for(vec![notice("a")]));
        assert!(notices.put_asked_for(Vec::new()));
        assert_eq!(notices.put(vec![notice("b"); WAITING_MAX / 2], 0), 0);
        assert_eq!(notices.take().await, notice("a"));
    }

    #[test]
    fn owners_are_not_asked_for_ever() {
        let asking = |resource: u32| {
            let jid = Jid::new(&format!("b@example.org/{resource}")).unwrap();
            let (id, state) = (bus_domain::SubscriptionId(1), SubscriptionState::Pending);
            let about = NoticeAbout::Approval(Subscription::new(id, jid, state, 0));
            Notice { about, ..notice("a") }
        };
        let notices = Notices::default();
        let waiting = |now_ms| {
            for resource in 0..9 {
                notices.put(vec![asking(resource)], now_ms);
            }
            notices.lock().waiting.len()
        };
        let once = ASKS_MAX as usize;
        assert_eq!(waiting(0), once, "of one account, whatever its resource");
        assert_eq!(waiting(ASKING_MS - 1), once);
        assert_eq!(waiting(ASKING_MS), 2 * once);
        assert_eq!(waiting(-ASKING_MS), 3 * once, "a clock that went back holds up nobody");
    }
}
