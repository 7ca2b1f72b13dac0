//! Rosters of the server's users, as far as the server lets us read them (XEP-0356 §4): for the access models that they
//! decide.
//!
//! Nothing here waits. A question leaves by a lane of its own; its answer comes in over the same link as requests do, and
//! is taken from there before them ([`RosterReader::take`]): so no request that waits for a roster can hold its answer up.

mod book;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus_domain::{BareJid, Roster};
use bus_engine::{IdSource, RosterAccess, RosterLook, Rosters};
use bus_xml::Element;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::privileges::{self, Privileges};
use book::{Answer, Book, Look};

/// How long the server is waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// Until it announces what it grants. Those that are known do so with the handshake or right after.
    announcement: Duration,
    /// For a roster. Then it cannot be had, for a while.
    answer: Duration,
    /// That a roster that could not be had is left alone.
    pause: Duration,
}

const PATIENCE: Patience = Patience {
    announcement: Duration::from_secs(5),
    answer: Duration::from_secs(10),
    pause: Duration::from_secs(5),
};

/// Stanzas that may wait for room on the link.
const OUTGOING_MAX: usize = 256;

/// Reads rosters over a link. Cheap to clone.
#[derive(Clone)]
pub struct RosterReader(Arc<Shared>);

struct Shared {
    service: BareJid,
    host: BareJid,
    ids: Arc<dyn IdSource>,
    patience: Patience,
    book: Mutex<Book>,
    outgoing: mpsc::Sender<String>,
    changes: watch::Sender<u64>,
}

impl RosterReader {
    /// A reader for the service at `service` and the rosters of users of `host`. What comes out of the receiver is to be
    /// sent; when nobody does, rosters cannot be had.
    pub fn new(service: BareJid, host: BareJid, ids: Arc<dyn IdSource>) -> (Self, mpsc::Receiver<String>) {
        Self::with_patience(service, host, ids, PATIENCE)
    }

    fn with_patience(
        service: BareJid,
        host: BareJid,
        ids: Arc<dyn IdSource>,
        patience: Patience,
    ) -> (Self, mpsc::Receiver<String>) {
        let (outgoing, to_be_sent) = mpsc::channel(OUTGOING_MAX);
        let (book, changes) = (Mutex::default(), watch::Sender::new(0));
        (Self(Arc::new(Shared { service, host, ids, patience, book, outgoing, changes })), to_be_sent)
    }

    /// A stream begins. What it grants is to be announced.
    pub fn link_up(&self) {
        let life = self.lock().begin();
        let reader = self.clone();
        tokio::spawn(async move {
            sleep(reader.0.patience.announcement).await;
            if reader.lock().no_announcement(life) {
                tracing::debug!("the server announces no privileges");
                reader.changed();
            }
        });
    }

    /// The stream ends, and with it what it granted.
    pub fn link_down(&self) {
        self.lock().end();
        self.changed();
    }

    /// What the server grants; `None` while that is not known, or if it is nothing.
    pub fn privileges(&self) -> Option<Privileges> {
        self.lock().privileges().cloned()
    }

    /// Takes a stanza if it is an announcement, a roster or word of a changed one. What is left is for others.
    pub fn take(&self, stanza: &Element) -> bool {
        match stanza.name() {
            "message" => self.take_announcement(stanza),
            "iq" => match stanza.attr("type") {
                Some("result") => self.take_answer(stanza, wire::read),
                Some("error") => self.take_answer(stanza, wire::read_error),
                Some("set") => self.take_push(stanza),
                _ => false,
            },
            _ => false,
        }
    }

    /// Takes what is left of a stanza that broke a cap of the stream, if it was a roster. Nobody can be found in one that
    /// is too long to be read.
    pub fn take_rejected(&self, head: &Element) -> bool {
        let is_taken = head.name() == "iq" && self.take_answer(head, |_| Answer::Read(Roster::default()));
        if is_taken {
            tracing::warn!(from = head.attr("from"), "a roster is too long to be read; nobody is in it");
        }
        is_taken
    }

    fn take_announcement(&self, message: &Element) -> bool {
        let is_ours = self.is_for_us(message) && message.attr("from") == Some(self.0.host.as_str());
        let Some(announced) = is_ours.then(|| privileges::read(message)).flatten() else { return false };
        let Privileges { roster, presence, namespace, .. } = &announced;
        tracing::info!(?roster, ?presence, namespace, "the server grants privileges");
        self.lock().announce(announced);
        self.changed();
        true
    }

    fn take_answer(&self, stanza: &Element, read: impl FnOnce(&Element) -> Answer) -> bool {
        let (Some(id), Some(from)) = (stanza.attr("id"), wire::account(stanza)) else { return false };
        self.is_for_us(stanza) && self.lock().answer(id, &from, || read(stanza))
    }

    /// Only the server can send from an account's bare address (§4.4).
    fn take_push(&self, iq: &Element) -> bool {
        if !wire::is_push(iq) || !self.is_for_us(iq) {
            return false;
        }
        let Some(from) = wire::account(iq).filter(|from| self.covers(from)) else { return false };
        self.lock().forget(&from);
        self.changed();
        self.send(wire::confirm(iq, self.0.service.as_str()));
        true
    }

    fn is_for_us(&self, stanza: &Element) -> bool {
        stanza.attr("to") == Some(self.0.service.as_str())
    }

    fn ask(&self, owner: &BareJid) {
        let id = format!("{:032x}", u128::from_le_bytes(self.0.ids.random_bytes()));
        let request = wire::request(self.0.service.as_str(), owner, &id);
        let answer = self.lock().ask(owner, id.clone());
        let is_sent = self.send(request);
        let (reader, owner) = (self.clone(), owner.clone());
        tokio::spawn(async move {
            let answer = async { if is_sent { answer.await.ok() } else { None } };
            let Patience { answer: answer_max, pause, .. } = reader.0.patience;
            let answer = timeout(answer_max, answer).await.ok().flatten();
            let is_known = reader.lock().settle(&owner, &id, answer, Instant::now(), pause);
            reader.changed();
            if !is_known {
                tracing::warn!(%owner, "a roster cannot be read");
                sleep(pause).await;
                reader.changed();
            }
        });
    }

    fn send(&self, stanza: String) -> bool {
        self.0.outgoing.try_send(stanza).is_ok()
    }

    fn changed(&self) {
        self.0.changes.send_modify(|version| *version += 1);
    }

    /// Every call leaves it consistent, so a panic elsewhere cannot have left it half changed.
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rosters for RosterReader {
    fn access(&self) -> RosterAccess {
        self.lock().access()
    }

    fn covers(&self, owner: &BareJid) -> bool {
        owner.domain() == self.0.host.domain() && owner.node().is_some()
    }

    fn may_be_contact(&self, jid: &BareJid) -> bool {
        jid.domain() != self.0.service.domain()
    }

    fn look(&self, owner: &BareJid) -> RosterLook {
        let look = self.lock().look(owner, Instant::now());
        match look {
            Look::Known(roster) => RosterLook::Known(roster),
            Look::Reading => RosterLook::Reading,
            Look::Unavailable => RosterLook::Unavailable,
            Look::ToBeAsked => {
                self.ask(owner);
                RosterLook::Reading
            }
        }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }
}

#[cfg(test)]
mod tests;
