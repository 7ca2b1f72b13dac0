//! What is known of rosters, without I/O.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bus_domain::{BareJid, Roster};
use bus_engine::RosterAccess;
use lru::LruCache;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::privileges::Privileges;

/// For how long a roster counts. Servers do not tell when it changes.
const LIFE: Duration = Duration::from_secs(30);
/// The same where the server has said that it tells of changes.
const LIFE_WITH_PUSHES: Duration = Duration::from_mins(10);
/// The same for one that has changed while it was being read.
const LIFE_OF_STALE: Duration = Duration::from_secs(1);
/// Rosters in memory.
const ROSTERS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
/// Bytes of them, about.
const ROSTERS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Rosters that are being read at once.
const READING_MAX: usize = 256;

/// What came of a question.
#[derive(Debug)]
pub(super) enum Answer {
    /// A roster.
    Read(Roster),
    /// Perhaps later.
    NotNow,
}

/// What is known of a roster.
#[derive(Debug)]
pub(super) enum Look {
    Known(Arc<Roster>),
    Reading,
    Unavailable,
    /// Nothing: somebody has to ask.
    ToBeAsked,
}

#[derive(Debug)]
pub(super) struct Book {
    /// Moves with each begin and end of a stream.
    life: u64,
    granted: Granted,
    entries: LruCache<BareJid, Entry>,
    entries_bytes: usize,
    reading: HashMap<BareJid, Reading>,
}

/// What the server has announced on this stream.
#[derive(Debug)]
enum Granted {
    NoStream,
    NotYet,
    Nothing,
    Privileges(Privileges),
}

#[derive(Debug)]
struct Entry {
    /// `None` could not be had.
    roster: Option<Arc<Roster>>,
    until: Instant,
}

/// A question that is under way.
#[derive(Debug)]
struct Reading {
    id: String,
    answer: Option<oneshot::Sender<Answer>>,
    /// It has changed since it was asked for.
    is_stale: bool,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            life: 0,
            granted: Granted::NoStream,
            entries: LruCache::new(ROSTERS_MAX),
            entries_bytes: 0,
            reading: HashMap::new(),
        }
    }
}

impl Book {
    /// A stream begins; names its life.
    pub(super) fn begin(&mut self) -> u64 {
        self.end();
        self.granted = Granted::NotYet;
        self.life
    }

    /// A stream ends. Those who wait for an answer hear that there is none.
    pub(super) fn end(&mut self) {
        self.life += 1;
        self.granted = Granted::NoStream;
        self.forget_all();
    }

    pub(super) fn announce(&mut self, privileges: Privileges) {
        self.granted = Granted::Privileges(privileges);
        self.forget_all();
    }

    /// Takes note that nothing was announced in time. False if that is not so any more.
    pub(super) fn no_announcement(&mut self, life: u64) -> bool {
        let is_so = self.life == life && matches!(self.granted, Granted::NotYet);
        if is_so {
            self.granted = Granted::Nothing;
        }
        is_so
    }

    pub(super) fn privileges(&self) -> Option<&Privileges> {
        if let Granted::Privileges(privileges) = &self.granted { Some(privileges) } else { None }
    }

    pub(super) fn access(&self) -> RosterAccess {
        match &self.granted {
            Granted::NoStream | Granted::NotYet => RosterAccess::Unknown,
            Granted::Privileges(privileges) if privileges.roster.gets => RosterAccess::Granted,
            Granted::Nothing | Granted::Privileges(_) => RosterAccess::Denied,
        }
    }

    pub(super) fn look(&mut self, owner: &BareJid, now: Instant) -> Look {
        if self.reading.contains_key(owner) {
            return Look::Reading;
        }
        let may_ask = self.access() == RosterAccess::Granted && self.reading.len() < READING_MAX;
        match self.entries.get(owner).filter(|entry| now < entry.until) {
            Some(Entry { roster: Some(roster), .. }) => Look::Known(Arc::clone(roster)),
            None if may_ask => Look::ToBeAsked,
            Some(Entry { roster: None, .. }) | None => Look::Unavailable,
        }
    }

    /// Takes note of a question. Its answer comes out of the receiver; the end of the stream closes that.
    pub(super) fn ask(&mut self, owner: &BareJid, id: String) -> oneshot::Receiver<Answer> {
        let (sender, answer) = oneshot::channel();
        let reading = Reading { id, answer: Some(sender), is_stale: false };
        self.reading.insert(owner.clone(), reading);
        answer
    }

    /// Takes what may be an answer; false if nobody has asked for it.
    pub(super) fn answer(&mut self, id: &str, from: &BareJid, read: impl FnOnce() -> Answer) -> bool {
        let Some(reading) = self.reading.get_mut(from).filter(|reading| reading.id == id) else {
            return false;
        };
        if let Some(sender) = reading.answer.take() {
            // Whoever asked may have given up just now.
            let _ = sender.send(read());
        }
        true
    }

    /// Ends a question, with its answer if there is one. False if the roster cannot be had, for a while.
    pub(super) fn settle(
        &mut self,
        owner: &BareJid,
        id: &str,
        answer: Option<Answer>,
        now: Instant,
        pause: Duration,
    ) -> bool {
        let Some(reading) = self.reading.get(owner).filter(|reading| reading.id == id) else {
            // The stream that was asked is gone; what it said counts no more.
            return true;
        };
        let is_stale = reading.is_stale;
        self.reading.remove(owner);
        let (roster, life) = match answer {
            Some(Answer::Read(roster)) if is_stale => (Some(Arc::new(roster)), LIFE_OF_STALE),
            Some(Answer::Read(roster)) => (Some(Arc::new(roster)), self.life_of_roster()),
            Some(Answer::NotNow) | None => (None, pause),
        };
        let is_known = roster.is_some();
        self.keep(owner.clone(), Entry { roster, until: now + life });
        is_known
    }

    /// Takes note that a roster has changed.
    pub(super) fn forget(&mut self, owner: &BareJid) {
        if let Some(entry) = self.entries.pop(owner) {
            self.entries_bytes -= entry.weight_bytes();
        }
        if let Some(reading) = self.reading.get_mut(owner) {
            reading.is_stale = true;
        }
    }

    fn life_of_roster(&self) -> Duration {
        let pushes = self.privileges().is_some_and(|privileges| privileges.roster.pushes);
        if pushes { LIFE_WITH_PUSHES } else { LIFE }
    }

    /// The newest one stays, however large it is: somebody waits for it.
    fn keep(&mut self, owner: BareJid, entry: Entry) {
        self.entries_bytes += entry.weight_bytes();
        if let Some((_, replaced)) = self.entries.push(owner, entry) {
            self.entries_bytes -= replaced.weight_bytes();
        }
        while self.entries_bytes > ROSTERS_BYTES_MAX && self.entries.len() > 1 {
            let Some((_, oldest)) = self.entries.pop_lru() else { break };
            self.entries_bytes -= oldest.weight_bytes();
        }
    }

    fn forget_all(&mut self) {
        self.entries.clear();
        self.entries_bytes = 0;
        self.reading.clear();
    }
}

impl Entry {
    fn weight_bytes(&self) -> usize {
        self.roster.as_ref().map_or(0, |roster| roster.weight_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(pushes: bool) -> Book {
        let mut book = Book::default();
        book.begin();
        book.announce(Privileges {
            namespace: "urn:xmpp:privilege:2",
            roster: crate::RosterPermission { gets: true, sets: false, pushes },
            sends_messages: false,
            presence: crate::PresencePermission::None,
            iqs: Vec::new(),
        });
        book
    }

    fn owner(name: &str) -> BareJid {
        BareJid::new(&format!("{name}@example.org")).unwrap()
    }

    fn read(book: &mut Book, owner: &BareJid, answer: Option<Answer>, now: Instant) -> bool {
        drop(book.ask(owner, "id".to_owned()));
        book.settle(owner, "id", answer, now, Duration::from_secs(5))
    }

    /// For how many seconds a look finds what was found right after.
    fn lasts(book: &mut Book, owner: &BareJid, now: Instant) -> u64 {
        let same = std::mem::discriminant(&book.look(owner, now));
        let is_same = |seconds: &u64| {
            std::mem::discriminant(&book.look(owner, now + Duration::from_secs(*seconds))) == same
        };
        (0..1_000).take_while(is_same).count() as u64
    }

    #[test]
    fn what_is_known_is_known_for_a_while() {
        let (now, alice) = (Instant::now(), owner("alice"));
        for (pushes, seconds) in [(false, 30), (true, 600)] {
            let mut book = granted(pushes);
            assert!(read(&mut book, &alice, Some(Answer::Read(Roster::default())), now));
            assert!(matches!(book.look(&alice, now), Look::Known(_)));
            assert_eq!(lasts(&mut book, &alice, now), seconds);
        }
        let mut book = granted(true);
        assert!(!read(&mut book, &alice, Some(Answer::NotNow), now));
        assert!(matches!(book.look(&alice, now), Look::Unavailable));
        assert_eq!(lasts(&mut book, &alice, now), 5);
    }

    /// A push may overtake the answer to a question; what then comes may be of before.
    #[test]
    fn what_changed_while_it_was_read_is_read_again_soon() {
        let (now, alice, mut book) = (Instant::now(), owner("alice"), granted(true));
        drop(book.ask(&alice, "id".to_owned()));
        book.forget(&alice);
        assert!(book.settle(&alice, "id", Some(Answer::Read(Roster::default())), now, Duration::ZERO));
        assert_eq!(lasts(&mut book, &alice, now), 1);
    }

    #[test]
    fn rosters_in_memory_are_bounded_in_bytes() {
        let (now, mut book) = (Instant::now(), granted(true));
        let large = || {
            let mut roster = Roster::default();
            let groups = vec!["g".repeat(ROSTERS_BYTES_MAX / 3)];
            roster.add(owner("friend"), bus_domain::RosterEntry { sees_presence: false, groups });
            roster
        };
        for name in ["a", "b", "c"] {
            read(&mut book, &owner(name), Some(Answer::Read(large())), now);
        }
        let is_known = |book: &mut Book, name| matches!(book.look(&owner(name), now), Look::Known(_));
        assert_eq!(["a", "b", "c"].map(|name| is_known(&mut book, name)), [false, true, true]);
        for name in ["b", "c"] {
            book.forget(&owner(name));
        }
        assert_eq!(book.entries_bytes, 0);
    }

    /// A roster that weighs so much.
    fn weighing(bytes: usize) -> Roster {
        let with_group = |len: usize| {
            let mut roster = Roster::default();
            let groups = vec!["g".repeat(len)];
            roster.add(owner("friend"), bus_domain::RosterEntry { sees_presence: false, groups });
            roster
        };
        with_group(bytes - with_group(0).weight_bytes())
    }

    #[test]
    fn what_is_kept_is_counted_to_the_byte() {
        let (now, mut book) = (Instant::now(), granted(true));
        let keep = |book: &mut Book, name, bytes| {
            read(book, &owner(name), Some(Answer::Read(weighing(bytes))), now);
        };
        keep(&mut book, "a", 1_000);
        keep(&mut book, "a", 3_000);
        keep(&mut book, "b", ROSTERS_BYTES_MAX - 3_000);
        assert_eq!((book.entries.len(), book.entries_bytes), (2, ROSTERS_BYTES_MAX), "as much as may be");
        book.forget(&owner("b"));
        assert_eq!(book.entries_bytes, 3_000);
        keep(&mut book, "b", ROSTERS_BYTES_MAX - 2_999);
        assert_eq!(
            (book.entries.len(), book.entries_bytes),
            (1, ROSTERS_BYTES_MAX - 2_999),
            "the older one goes"
        );
        keep(&mut book, "c", ROSTERS_BYTES_MAX + 1);
        assert_eq!(
            (book.entries.len(), book.entries_bytes),
            (1, ROSTERS_BYTES_MAX + 1),
            "the newest one stays"
        );
    }

    #[test]
    fn word_of_an_earlier_stream_counts_no_more() {
        let mut book = Book::default();
        let (first, second) = (book.begin(), book.begin());
        assert!(!book.no_announcement(first));
        assert_eq!(book.access(), RosterAccess::Unknown);
        assert!(book.no_announcement(second));
        assert_eq!(book.access(), RosterAccess::Denied);
        assert!(!book.no_announcement(second), "once");
        let mut book = granted(false);
        let life = book.life;
        assert!(!book.no_announcement(life), "something was announced");
    }

    #[test]
    fn what_is_read_at_once_is_bounded_too() {
        let (now, mut book) = (Instant::now(), granted(false));
        for number in 0..READING_MAX {
            let owner = owner(&number.to_string());
            assert!(matches!(book.look(&owner, now), Look::ToBeAsked));
            drop(book.ask(&owner, number.to_string()));
        }
        assert!(matches!(book.look(&owner("one-more"), now), Look::Unavailable));
    }
}
