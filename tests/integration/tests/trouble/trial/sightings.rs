use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Ledger;
use super::stanzas::Notification;

/// What every subscriber has seen, judged as it comes.
#[derive(Debug)]
pub(crate) struct Sightings {
    ledger: Arc<Ledger>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    steady: HashMap<(String, String), Seen>,
    /// Connections of subscribers were lost, and what their server had for them may be, too.
    holes_are_allowed: bool,
    changing: HashMap<(String, String), Standing>,
    repeats: u64,
    violations: Vec<String>,
}

/// What somebody who is subscribed from the first event to the last has seen of a node.
#[derive(Debug, Default)]
struct Seen {
    epoch: String,
    /// The item ids by position, from 1 on; `None` where a visible hole is.
    items: Vec<Option<String>>,
}

/// What somebody who comes and goes may see of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Events above this position.
    Above(u64),
    /// What is still on its way, of attempts before this one.
    Before(u64),
    /// Nothing.
    Nothing,
    /// A request's answer got lost, so anything.
    Unknown,
}

impl Sightings {
    pub(crate) fn new(ledger: Arc<Ledger>) -> Self {
        Self { ledger, inner: Mutex::default() }
    }

    /// Expects every event of the node, in order, from the next one on, which is the first.
    pub(crate) fn expect_all(&self, jid: &str, node: &str) {
        self.lock().steady.insert((jid.to_owned(), node.to_owned()), Seen::default());
    }

    /// From now on what a server had for its users may be lost, but each of them must be able to see that.
    pub(crate) fn allow_holes(&self) {
        self.lock().holes_are_allowed = true;
    }

    /// Says what somebody who comes and goes may see from now on.
    pub(crate) fn allow(&self, jid: &str, node: &str, standing: Standing) {
        self.lock().changing.insert((jid.to_owned(), node.to_owned()), standing);
    }

    /// Nothing is on its way any more: who has left or is banned sees nothing from now on.
    pub(crate) fn nothing_is_on_its_way(&self) {
        for standing in self.lock().changing.values_mut() {
            if matches!(standing, Standing::Before(_)) {
                *standing = Standing::Nothing;
            }
        }
    }

    /// Judges a message.
    pub(crate) fn take(&self, stanza: &str) {
        let Some(notification) = Notification::of(stanza) else { return };
        let to = notification.to.split('/').next().unwrap_or_default().to_owned();
        let key = (to, notification.node.to_owned());
        let mut guard = self.lock();
        let inner = &mut *guard;
        let verdict = if let Some(seen) = inner.steady.get_mut(&key) {
            let may_have_a_hole = inner.holes_are_allowed;
            seen.take(&notification, may_have_a_hole, &mut inner.repeats)
        } else {
            let standing = inner.changing.get(&key).copied().unwrap_or(Standing::Unknown);
            standing.check(&notification, self.ledger.number(notification.item_id))
        };
        if let Err(what) = verdict {
            inner.violations.push(format!("{what}: {notification:?}"));
        }
    }

    /// The position through which everybody who gets all has seen the node.
    pub(crate) fn seen_by_all_through(&self, node: &str) -> u64 {
        let inner = self.lock();
        let of_node = inner.steady.iter().filter(|((_, of), _)| of == node);
        of_node.map(|(_, seen)| seen.items.len() as u64).min().unwrap_or_default()
    }

    /// Events delivered again.
    pub(crate) fn repeats(&self) -> u64 {
        self.lock().repeats
    }

    /// Events that a server or a client lost, each seen by its subscriber as missing.
    pub(crate) fn holes(&self) -> u64 {
        let inner = self.lock();
        let missing = |seen: &Seen| seen.items.iter().filter(|item| item.is_none()).count() as u64;
        inner.steady.values().map(missing).sum()
    }

    /// What went against the promises, and how those who get everything compare with the log.
    pub(crate) fn violations(&self, logs: &HashMap<String, Vec<String>>) -> Vec<String> {
        let inner = self.lock();
        let mut violations = inner.violations.clone();
        for ((jid, node), seen) in &inner.steady {
            let log = &logs[node];
            let differs = |(at, item): (usize, &Option<String>)| {
                item.as_ref().is_some_and(|item| log.get(at) != Some(item)).then_some(at + 1)
            };
            if seen.items.len() != log.len() {
                let (seen, head) = (seen.items.len(), log.len());
                violations
                    .push(format!("{jid} was handed {node} through {seen}, and its log goes to {head}"));
            }
            if let Some(seq) = seen.items.iter().enumerate().find_map(differs) {
                violations.push(format!("{jid} saw another item than the log of {node} has at {seq}"));
            }
        }
        violations
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn take(
        &mut self,
        event: &Notification<'_>,
        may_have_a_hole: bool,
        repeats: &mut u64,
    ) -> Result<(), String> {
        if self.epoch.is_empty() {
            event.epoch.clone_into(&mut self.epoch);
        }
        if self.epoch != event.epoch {
            return Err(format!("the epoch was {}", self.epoch));
        }
        if event.after + 1 != event.seq {
            return Err("the event before it was due too".to_owned());
        }
        let through = self.items.len() as u64;
        if event.seq <= through {
            *repeats += 1;
            let at = usize::try_from(event.seq - 1).expect("it is in the list");
            let first = self.items[at].get_or_insert_with(|| event.item_id.to_owned());
            return if first == event.item_id {
                Ok(())
            } else {
                Err(format!("a repeat of {first} is another item"))
            };
        }
        let hole = event.seq - through - 1;
        self.items.extend((0..hole).map(|_| None));
        self.items.push(Some(event.item_id.to_owned()));
        if hole > 0 && !may_have_a_hole {
            return Err(format!("the one before had {through}"));
        }
        Ok(())
    }
}

impl Standing {
    fn check(self, event: &Notification<'_>, attempt: Option<u64>) -> Result<(), String> {
        match self {
            Self::Above(since) if event.seq <= since => Err(format!("subscribed since {since}")),
            Self::Before(number) if attempt.is_some_and(|attempt| attempt >= number) => {
                Err(format!("published after its subscriber had gone, at attempt {number}"))
            }
            Self::Nothing => Err("its subscriber was gone or banned before the last start".to_owned()),
            Self::Above(_) | Self::Before(_) | Self::Unknown => Ok(()),
        }
    }
}
