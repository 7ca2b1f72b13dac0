//! Who is available: what a leg hears of the presence of accounts (RFC 6121 §4), in memory, for as long as its link lives.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus_domain::{BareJid, Jid, Show, ShowValues};
use tokio::sync::Notify;
use tokio::time::Instant;

mod account;

use account::Account;

/// How long word of somebody's presence is waited for where nobody says otherwise.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Accounts of which something is known. Of more nothing is, and they count as offline.
const ACCOUNTS_MAX: usize = 200_000;
/// Accounts that wait to be asked about.
const WANTED_MAX: usize = 10_000;
/// Changes that may wait for their reader; over that they are dropped, and it hears that some were.
const CHANGES_MAX: usize = 10_000;

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
        /// It has been so for a while: an answer to a question, not news.
        is_old: bool,
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
    /// A resource has become available. Nobody hears so of a resource of which it is not certain that it was not before.
    Came {
        /// Whose.
        account: BareJid,
        /// Which.
        resource: String,
    },
    /// A resource has gone, known or not.
    Went {
        /// Whose.
        account: BareJid,
        /// Which.
        resource: String,
    },
    /// Nothing is known of anybody any more: the link has gone or come, and who went meanwhile is not told. These let us
    /// see their presence and were there.
    Forgotten {
        /// The accounts.
        in_doubt: Vec<BareJid>,
    },
    /// There were too many changes to tell of.
    Missed,
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
    answer_max: Duration,
    inner: Mutex<Inner>,
    wanted: Notify,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    changes: VecDeque<PresenceChange>,
    accounts: HashMap<BareJid, Account>,
    wanted: VecDeque<WantedPresence>,
    is_up: bool,
    full_until: Option<Instant>,
}

impl Default for PresenceTable {
    fn default() -> Self {
        Self::new(ANSWER_MAX)
    }
}

impl PresenceTable {
    /// A table of nobody. Word of somebody's presence is waited for so long: some servers say nothing of who is not there.
    pub fn new(answer_max: Duration) -> Self {
        Self { answer_max, inner: Mutex::default(), wanted: Notify::new(), changed: Notify::new() }
    }

    /// How long word of somebody's presence is waited for.
    pub fn answer_max(&self) -> Duration {
        self.answer_max
    }

    /// What is known of an address: of an account, whether something sent to it reaches anybody; of a resource, whether it
    /// is there.
    pub fn availability(&self, jid: &Jid) -> Availability {
        self.availability_at(jid, ShowValues::default(), Instant::now())
    }

    /// As [`Self::availability`]. Of an account of which nobody has asked, it is asked.
    pub fn look(&self, jid: &Jid) -> Availability {
        self.look_for(jid, ShowValues::default())
    }

    /// As [`Self::look`], of resources that show one of these values.
    pub fn look_for(&self, jid: &Jid, shown: ShowValues) -> Availability {
        self.look_at(jid, shown, Instant::now())
    }

    /// Whether it is certain that nobody is there at an address: its account lets us see its presence, and has told
    /// of none or has been silent for as long as an answer may take. Of an account of which nobody has asked, it is asked.
    pub fn is_gone(&self, jid: &Jid) -> bool {
        self.is_gone_at(jid, Instant::now())
    }

    /// Whether there is a link that anything can be heard on.
    pub fn is_up(&self) -> bool {
        self.lock().is_up
    }

    /// The available resources of an account.
    pub fn resources(&self, account: &BareJid) -> Vec<AvailableResource> {
        self.lock().accounts.get(account).map(|account| account.resources().to_vec()).unwrap_or_default()
    }

    /// Waits for the next change. One reader is enough.
    pub async fn next_change(&self) -> PresenceChange {
        loop {
            let next = self.lock().changes.pop_front();
            if let Some(change) = next {
                return change;
            }
            self.changed.notified().await;
        }
    }

    /// Takes what a leg has heard from an address.
    pub fn hear(&self, from: &Jid, heard: HeardPresence) {
        self.hear_at(from, heard, Instant::now());
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

    fn hear_at(&self, from: &Jid, heard: HeardPresence, now: Instant) {
        let mut inner = self.lock();
        if !inner.is_up || !inner.has_room(&from.to_bare(), now) {
            return;
        }
        let changes = inner.accounts.entry(from.to_bare()).or_default().hear(from, heard, now);
        inner.tell(changes);
        drop(inner);
        self.changed.notify_one();
    }

    fn availability_at(&self, jid: &Jid, shown: ShowValues, now: Instant) -> Availability {
        let inner = self.lock();
        match inner.accounts.get(&jid.to_bare()) {
            Some(account) => account.availability(jid, shown, now),
            None => Availability::Unknown,
        }
    }

    fn look_at(&self, jid: &Jid, shown: ShowValues, now: Instant) -> Availability {
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
        let asked = if may_ask { account.ask(now + self.answer_max) } else { None };
        let availability = account.availability(jid, shown, now);
        if let Some(subscribe) = asked {
            inner.wanted.push_back(WantedPresence { account: bare, subscribe });
            drop(inner);
            self.wanted.notify_one();
        }
        availability
    }

    fn is_gone_at(&self, jid: &Jid, now: Instant) -> bool {
        self.look_at(jid, ShowValues::default(), now);
        let inner = self.lock();
        inner.accounts.get(&jid.to_bare()).is_some_and(|account| account.is_gone(jid, self.answer_max, now))
    }

    fn forget(&self, is_up: bool) {
        let mut inner = self.lock();
        inner.is_up = is_up;
        inner.wanted.clear();
        let mut in_doubt = Vec::new();
        inner.accounts.retain(|jid, account| {
            if account.lets_us_see() && !account.resources().is_empty() {
                in_doubt.push(jid.clone());
            }
            account.forget()
        });
        inner.tell([PresenceChange::Forgotten { in_doubt }]);
        drop(inner);
        self.changed.notify_one();
    }

    /// Every call leaves it consistent, so a panic elsewhere cannot have left it half changed.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn tell(&mut self, changes: impl IntoIterator<Item = PresenceChange>) {
        for change in changes {
            match self.changes.len() {
                0..CHANGES_MAX => self.changes.push_back(change),
                CHANGES_MAX => self.changes.push_back(PresenceChange::Missed),
                _ => {}
            }
        }
    }

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
