//! Who is available: what a leg hears of the presence of accounts (RFC 6121 §4), in memory, for as long as its link lives.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus_domain::{BareJid, Jid};
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

mod account;

use account::Account;

/// How long word of somebody's presence is waited for. Some servers say nothing of who is not there.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Accounts of which something is known. Of more nothing is, and they count as offline.
const ACCOUNTS_MAX: usize = 200_000;
/// Accounts that wait to be asked about.
const WANTED_MAX: usize = 10_000;
/// Changes that a reader may be behind before it misses some.
const CHANGES_MAX: usize = 1_024;

/// What is known of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// It can be sent to.
    Online,
    /// It is not there, or nobody tells us.
    Offline,
    /// That is not known yet.
    Unknown,
}

/// What a resource shows (RFC 6121 §4.7.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Show {
    /// Nothing: it is simply there.
    Online,
    /// `chat`
    Chat,
    /// `away`
    Away,
    /// `xa`
    ExtendedAway,
    /// `dnd`
    DoNotDisturb,
}

/// An available resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvailableResource {
    /// Its name.
    pub resource: String,
    /// What it shows.
    pub show: Show,
    /// Below 0, nothing that is sent to the account's bare address reaches it.
    pub priority: i8,
}

/// What was heard from an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeardPresence {
    /// It is available.
    Available {
        /// What it shows.
        show: Show,
        /// See [`AvailableResource::priority`].
        priority: i8,
    },
    /// It is not available any more.
    Unavailable,
    /// We are told of the account's presence from now on.
    Subscribed,
    /// We are not told of the account's presence any more, or there is none.
    Unsubscribed,
}

/// A change of what is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PresenceChange {
    /// A resource has come or changed what it shows.
    Available {
        /// Whose.
        account: BareJid,
        /// Which, as it is now.
        resource: AvailableResource,
    },
    /// A resource has gone.
    Unavailable {
        /// Whose.
        account: BareJid,
        /// Which.
        resource: String,
    },
    /// Nothing is known of anybody any more: the link has gone, and who went meanwhile is not told.
    Forgotten,
}

/// What is to be done to hear of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedPresence {
    /// Whose presence.
    pub account: BareJid,
    /// Whether to ask to be told of it from now on, besides how it is: once in the life of this process.
    pub subscribe: bool,
}

/// The presence of accounts. Bounded in accounts, and in resources of each.
#[derive(Debug)]
pub struct PresenceTable {
    inner: Mutex<Inner>,
    wanted: Notify,
    changes: broadcast::Sender<PresenceChange>,
}

#[derive(Debug, Default)]
struct Inner {
    accounts: HashMap<BareJid, Account>,
    wanted: VecDeque<WantedPresence>,
    is_up: bool,
    full_until: Option<Instant>,
}

impl Default for PresenceTable {
    fn default() -> Self {
        Self { inner: Mutex::default(), wanted: Notify::new(), changes: broadcast::Sender::new(CHANGES_MAX) }
    }
}

impl PresenceTable {
    /// What is known of an address: of an account, whether something sent to it reaches anybody; of a resource, whether it
    /// is there.
    pub fn availability(&self, jid: &Jid) -> Availability {
        self.availability_at(jid, Instant::now())
    }

    /// As [`Self::availability`]. Of an account of which nobody has asked, it is asked.
    pub fn look(&self, jid: &Jid) -> Availability {
        self.look_at(jid, Instant::now())
    }

    /// The available resources of an account.
    pub fn resources(&self, account: &BareJid) -> Vec<AvailableResource> {
        self.lock().accounts.get(account).map(|account| account.resources().to_vec()).unwrap_or_default()
    }

    /// Follows what changes. A reader that falls behind misses changes, hears that it has, and looks for itself.
    pub fn changes(&self) -> broadcast::Receiver<PresenceChange> {
        self.changes.subscribe()
    }

    /// Takes what a leg has heard from an address.
    pub fn hear(&self, from: &Jid, heard: HeardPresence) {
        let changes = {
            let mut inner = self.lock();
            if !inner.is_up || !inner.has_room(&from.to_bare(), Instant::now()) {
                return;
            }
            inner.accounts.entry(from.to_bare()).or_default().hear(from, heard)
        };
        for change in changes {
            // Nobody may be listening.
            let _ = self.changes.send(change);
        }
    }

    /// A stream begins: of nobody anything is known.
    pub fn link_up(&self) {
        self.forget(true);
    }

    /// The stream ends. Until the next one, nobody can be asked about.
    pub fn link_down(&self) {
        self.forget(false);
    }

    /// Waits for the next account to ask about. One reader is enough.
    pub async fn next_wanted(&self) -> WantedPresence {
        loop {
            let next = self.lock().wanted.pop_front();
            if let Some(next) = next {
                return next;
            }
            self.wanted.notified().await;
        }
    }

    fn availability_at(&self, jid: &Jid, now: Instant) -> Availability {
        let inner = self.lock();
        match inner.accounts.get(&jid.to_bare()) {
            Some(account) => account.availability(jid, now),
            None => Availability::Unknown,
        }
    }

    fn look_at(&self, jid: &Jid, now: Instant) -> Availability {
        let mut inner = self.lock();
        let bare = jid.to_bare();
        if !inner.is_up {
            return Availability::Unknown;
        }
        if !inner.has_room(&bare, now) {
            return Availability::Offline;
        }
        let may_ask = inner.wanted.len() < WANTED_MAX;
        let account = inner.accounts.entry(bare.clone()).or_default();
        if may_ask && let Some(subscribe) = account.ask(now + ANSWER_MAX) {
            inner.wanted.push_back(WantedPresence { account: bare, subscribe });
            drop(inner);
            self.wanted.notify_one();
            return self.availability_at(jid, now);
        }
        account.availability(jid, now)
    }

    fn forget(&self, is_up: bool) {
        let mut inner = self.lock();
        inner.is_up = is_up;
        inner.wanted.clear();
        inner.accounts.retain(|_, account| account.forget());
        drop(inner);
        let _ = self.changes.send(PresenceChange::Forgotten);
    }

    /// Every call leaves it consistent, so a panic elsewhere cannot have left it half changed.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Whether an account is known or may become so. When there are too many, those of whom nothing is known but that they
    /// are away are forgotten, at most every ten seconds.
    fn has_room(&mut self, account: &BareJid, now: Instant) -> bool {
        if self.accounts.len() < ACCOUNTS_MAX || self.accounts.contains_key(account) {
            return true;
        }
        if self.full_until.is_none_or(|until| now >= until) {
            self.full_until = Some(now + ANSWER_MAX);
            self.accounts.retain(|_, account| !account.resources().is_empty());
        }
        self.accounts.len() < ACCOUNTS_MAX
    }
}

#[cfg(test)]
mod tests;
