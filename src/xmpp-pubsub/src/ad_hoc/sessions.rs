use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bus_domain::{Actor, Jid};
use bus_engine::IdSource;

use crate::ad_hoc::table::{Entry, Place};
use crate::errors::{CommandProblem, Refusal};

/// The sessions of commands that are under way (XEP-0050 §3.3): those of a process, and lost with it.
///
/// An id is one of ours if it begins with what this process has drawn, so it can be said of one whether it is over or was
/// never given. Only the resource that has begun a session may go on with it.
#[derive(Debug)]
pub(crate) struct Sessions {
    prefix: String,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last_number: u64,
    open: BTreeMap<u64, Session>,
}

/// A command that somebody has begun.
#[derive(Debug, Clone)]
pub(super) struct Session {
    requester: Jid,
    entry: &'static Entry,
    /// How far it has come.
    pub(super) stage: Stage,
    expires_at_ms: i64,
}

/// How far a session has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// The form is with the requester.
    Asked,
    /// A page is, and there is another one.
    Page(Place),
}

/// Sessions at once, of all requesters together.
const SESSIONS_MAX: usize = 1_000;
/// Of them, those of one account.
const SESSIONS_PER_ACCOUNT_MAX: usize = 8;
/// How long a session waits for its requester.
const IDLE_MS: i64 = 10 * 60 * 1_000;

/// The longest id of a session.
pub(super) const ID_BYTES_MAX: usize = 64;

impl Sessions {
    /// No sessions.
    pub(crate) fn new(ids: &dyn IdSource) -> Self {
        let random = u128::from_le_bytes(ids.random_bytes());
        Self { prefix: format!("{random:032x}-"), inner: Mutex::default() }
    }

    /// Remembers a new session.
    pub(super) fn open(
        &self,
        actor: &Actor,
        entry: &'static Entry,
        stage: Stage,
        now_ms: i64,
    ) -> Result<String, Refusal> {
        let mut inner = self.lock();
        inner.open.retain(|_, session| !session.is_over(now_ms));
        let is_own = |session: &&Session| session.requester.to_bare() == *actor.bare();
        if inner.open.values().filter(is_own).count() >= SESSIONS_PER_ACCOUNT_MAX {
            return Err(CommandProblem::TooManySessions.into());
        }
        if inner.open.len() >= SESSIONS_MAX {
            return Err(bus_domain::BusError::Busy.into());
        }
        inner.last_number += 1;
        let number = inner.last_number;
        let session = Session {
            requester: actor.jid().clone(),
            entry,
            stage,
            expires_at_ms: now_ms.saturating_add(IDLE_MS),
        };
        inner.open.insert(number, session);
        Ok(self.id(number))
    }

    /// An id for a command that is done with its first request.
    pub(super) fn unused_id(&self) -> String {
        let mut inner = self.lock();
        inner.last_number += 1;
        self.id(inner.last_number)
    }

    /// Takes a session out to go on with it: somebody's own one, and of this command.
    pub(super) fn take(
        &self,
        id: &str,
        actor: &Actor,
        entry: &'static Entry,
        now_ms: i64,
    ) -> Result<Session, CommandProblem> {
        let number = self.number(id).ok_or(CommandProblem::BadSession)?;
        let mut inner = self.lock();
        if number == 0 || number > inner.last_number {
            return Err(CommandProblem::BadSession);
        }
        let session = inner.open.get(&number).ok_or(CommandProblem::SessionExpired)?;
        if session.requester != *actor.jid() || session.entry.node != entry.node {
            return Err(CommandProblem::BadSession);
        }
        let session = inner.open.remove(&number).ok_or(CommandProblem::SessionExpired)?;
        if session.is_over(now_ms) { Err(CommandProblem::SessionExpired) } else { Ok(session) }
    }

    /// Remembers a session that was taken out, from now on.
    pub(super) fn put_back(&self, id: &str, session: Session, now_ms: i64) {
        if let Some(number) = self.number(id) {
            let expires_at_ms = now_ms.saturating_add(IDLE_MS);
            self.lock().open.insert(number, Session { expires_at_ms, ..session });
        }
    }

    fn id(&self, number: u64) -> String {
        format!("{}{number}", self.prefix)
    }

    fn number(&self, id: &str) -> Option<u64> {
        let number = id.strip_prefix(&self.prefix)?;
        number.parse().ok().filter(|parsed: &u64| parsed.to_string() == number)
    }

    /// Every call leaves it consistent, so a panic elsewhere cannot have left it half changed.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// A clock that has gone far back ends it too, so that nothing lives on for ever.
    fn is_over(&self, now_ms: i64) -> bool {
        now_ms >= self.expires_at_ms || now_ms < self.expires_at_ms.saturating_sub(2 * IDLE_MS)
    }
}

#[cfg(test)]
mod tests {
    use bus_domain::Role;
    use bus_engine::SystemIds;

    use super::*;
    use crate::ad_hoc::table::TABLE;

    fn actor(jid: &str) -> Actor {
        Actor::new(Jid::new(jid).unwrap(), Role::User)
    }

    fn sessions() -> Sessions {
        Sessions::new(&SystemIds)
    }

    #[test]
    fn a_session_is_of_one_resource_and_one_command() {
        let sessions = sessions();
        let alice = actor("alice@example.org/phone");
        let id = sessions.open(&alice, &TABLE[0], Stage::Asked, 0).unwrap();
        assert!(sessions.id(u64::MAX).len() <= ID_BYTES_MAX);
        let take = |id: &str, who: &str, entry| sessions.take(id, &actor(who), entry, 1).map(|it| it.stage);
        let bad = Err(CommandProblem::BadSession);
        assert_eq!(take(&id, "alice@example.org/desk", &TABLE[0]), bad);
        assert_eq!(take(&id, "bob@example.org/phone", &TABLE[0]), bad);
        assert_eq!(take(&id, "alice@example.org/phone", &TABLE[1]), bad);
        assert_eq!(take(&format!("{id}0"), "alice@example.org/phone", &TABLE[0]), bad);
        assert_eq!(take("1", "alice@example.org/phone", &TABLE[0]), bad);
        assert_eq!(take(&id, "alice@example.org/phone", &TABLE[0]), Ok(Stage::Asked));
        assert_eq!(take(&id, "alice@example.org/phone", &TABLE[0]), Err(CommandProblem::SessionExpired));
    }

    #[test]
    fn a_session_ends_when_nobody_goes_on_with_it() {
        let sessions = sessions();
        let alice = actor("alice@example.org/phone");
        let id = sessions.open(&alice, &TABLE[0], Stage::Asked, 0).unwrap();
        let session = sessions.take(&id, &alice, &TABLE[0], IDLE_MS - 1).unwrap();
        sessions.put_back(&id, session, IDLE_MS - 1);
        let session = sessions.take(&id, &alice, &TABLE[0], 2 * IDLE_MS - 2).unwrap();
        sessions.put_back(&id, session, 2 * IDLE_MS);
        let taken = sessions.take(&id, &alice, &TABLE[0], 3 * IDLE_MS).map(|it| it.stage);
        assert_eq!(taken, Err(CommandProblem::SessionExpired));
    }

    #[test]
    fn a_session_lives_for_ten_minutes_by_a_clock_that_may_be_set_back_by_as_many() {
        let sessions = sessions();
        let alice = actor("alice@example.org/phone");
        for (now_ms, lives) in [(599_999, true), (600_000, false), (-600_000, true), (-600_001, false)] {
            let id = sessions.open(&alice, &TABLE[0], Stage::Asked, 0).unwrap();
            assert_eq!(sessions.take(&id, &alice, &TABLE[0], now_ms).is_ok(), lives, "{now_ms}");
        }
    }

    #[test]
    fn a_command_that_is_done_at_once_has_an_id_that_leads_nowhere() {
        let sessions = sessions();
        let alice = actor("alice@example.org/phone");
        let ids = [sessions.unused_id(), sessions.unused_id()];
        assert_ne!(ids[0], ids[1]);
        for id in ids {
            let taken = sessions.take(&id, &alice, &TABLE[0], 0).map(|it| it.stage);
            assert_eq!(taken, Err(CommandProblem::SessionExpired), "{id}");
        }
    }

    #[test]
    fn sessions_are_few_for_one_account_and_bounded_for_all() {
        let sessions = sessions();
        let open = |jid: &str, now_ms| sessions.open(&actor(jid), &TABLE[0], Stage::Asked, now_ms);
        for resource in 0..SESSIONS_PER_ACCOUNT_MAX {
            open(&format!("alice@example.org/{resource}"), 0).unwrap();
        }
        assert_eq!(open("alice@example.org/x", 0), Err(CommandProblem::TooManySessions.into()));
        for user in SESSIONS_PER_ACCOUNT_MAX..SESSIONS_MAX {
            open(&format!("{user}@example.org/x"), 0).unwrap();
        }
        assert_eq!(open("bob@example.org/x", IDLE_MS - 1), Err(bus_domain::BusError::Busy.into()));
        assert!(open("alice@example.org/x", IDLE_MS).is_ok(), "the others are over");
        assert!(open("alice@example.org/y", -2 * IDLE_MS).is_ok(), "a clock that went back");
    }
}
