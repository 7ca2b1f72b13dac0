//! Rosters of users, for the access models that they decide. A leg that can read them lends itself; without one, nobody is
//! in a roster.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bus_domain::access::{Action, depends_on_rosters};
use bus_domain::{
    Acquaintance, Actor, BareJid, BusError, LookedUp, NodeFacts, OWNERS_ASKED_MAX, Roster, acquaintance,
};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::engine::EngineShared;
use crate::{Command, Engine, Outcome};

/// The longest that a request waits for rosters. Whoever reads them gives up sooner.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a subscription whose node changes under it is decided again.
const ATTEMPTS_MAX: u32 = 3;

/// Whoever can read rosters. No call waits: what is not known is being read, and [`Self::changes`] moves when it is there.
pub trait Rosters: Send + Sync {
    /// Whether rosters may be read.
    fn access(&self) -> RosterAccess;

    /// Whether the rosters that may be read are those of this address's domain.
    fn covers(&self, owner: &BareJid) -> bool;

    /// Whether somebody at this address can be in a roster. Where nobody has presence, nobody is a contact, whatever a
    /// roster says.
    fn may_be_contact(&self, jid: &BareJid) -> bool;

    /// A roster, as it was not long ago. Starts to read one that is not known; reading always comes to an end.
    fn look(&self, owner: &BareJid) -> RosterLook;

    /// Moves whenever something that was said above may be otherwise now.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// Whether rosters may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RosterAccess {
    /// That is not known yet: the link is down, or has just come up.
    Unknown,
    /// No.
    Denied,
    /// Yes.
    Granted,
}

/// What is known of a roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RosterLook {
    /// This.
    Known(Arc<Roster>),
    /// It is being read.
    Reading,
    /// It could not be read a moment ago.
    Unavailable,
}

/// Where [`Rosters`] are lent.
pub(crate) type RostersLent = OnceLock<Arc<dyn Rosters>>;

/// The rosters of a node's owners: as many as count, `None` for each that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OwnersRosters {
    Known(Vec<Option<Arc<Roster>>>),
    Reading,
}

impl Engine {
    /// Lends the engine whoever can read rosters. The first one stays.
    pub fn lend_rosters(&self, rosters: Arc<dyn Rosters>) {
        let _ = self.shared().rosters.set(rosters);
    }

    /// Whether access models that rosters decide can be set now.
    pub fn rosters_are_readable(&self) -> bool {
        self.shared().rosters_are_readable()
    }

    /// The actor with what rosters say of it, where it depends on that if it may. Waits for them.
    pub(crate) async fn acquainted<'a>(
        &self,
        facts: &NodeFacts,
        actor: &'a Actor,
        action: Action,
    ) -> Cow<'a, Actor> {
        if !depends_on_rosters(facts, actor, action) {
            return Cow::Borrowed(actor);
        }
        let looking = timeout(PATIENCE, self.shared().look_for(facts, actor.bare())).await;
        let found = looking.unwrap_or(Acquaintance::Unknown);
        Cow::Owned(actor.clone().with(LookedUp::new(facts, found)))
    }

    /// Decides a subscription once more, which was refused because nobody had looked at the rosters.
    pub(crate) async fn submit_acquainted(&self, command: Command) -> Result<Outcome, BusError> {
        let mut outcome = Err(BusError::RosterUnavailable);
        for _ in 0..ATTEMPTS_MAX {
            let facts = self.facts(&command.node).await?;
            let actor = self.acquainted(&facts, &command.actor, Action::Subscribe).await.into_owned();
            let is_unavailable =
                depends_on_rosters(&facts, &actor, Action::Subscribe) && is_unknown(&facts, &actor);
            if is_unavailable {
                return Err(BusError::RosterUnavailable);
            }
            let command = Command { actor, ..command.clone() };
            let answer = self.shared().queue.submit(command, self.shared());
            outcome = answer.await.unwrap_or(Err(BusError::StoreUnavailable));
            if outcome != Err(BusError::RosterUnavailable) {
                break;
            }
        }
        outcome
    }
}

fn is_unknown(facts: &NodeFacts, actor: &Actor) -> bool {
    actor.acquaintance(facts) == Acquaintance::Unknown
}

impl EngineShared {
    pub(crate) fn rosters_are_readable(&self) -> bool {
        self.rosters.get().is_some_and(|rosters| rosters.access() == RosterAccess::Granted)
    }

    /// The rosters of owners, without waiting: none where none may be read.
    pub(crate) fn owners_rosters(&self, owners: &[BareJid]) -> OwnersRosters {
        let Some(rosters) = self.rosters.get() else { return OwnersRosters::Known(Vec::new()) };
        match rosters.access() {
            RosterAccess::Unknown => return OwnersRosters::Known(vec![None]),
            RosterAccess::Denied => return OwnersRosters::Known(Vec::new()),
            RosterAccess::Granted => {}
        }
        let owners = owners.iter().filter(|owner| rosters.covers(owner)).take(OWNERS_ASKED_MAX);
        // All of them, so that they are read at once.
        let looks: Vec<_> = owners.map(|owner| rosters.look(owner)).collect();
        if looks.contains(&RosterLook::Reading) {
            return OwnersRosters::Reading;
        }
        let known = |look| if let RosterLook::Known(roster) = look { Some(roster) } else { None };
        OwnersRosters::Known(looks.into_iter().map(known).collect())
    }

    async fn look_for(&self, facts: &NodeFacts, jid: &BareJid) -> Acquaintance {
        let Some(rosters) = self.rosters.get().filter(|rosters| rosters.may_be_contact(jid)) else {
            return Acquaintance::Stranger;
        };
        let (mut changes, owners) = (rosters.changes(), facts.affiliations.owners());
        loop {
            // Before the look, so that nothing that changes behind it is missed.
            changes.mark_unchanged();
            if let OwnersRosters::Known(found) = self.owners_rosters(&owners) {
                return acquaintance(&facts.config, found.iter().map(Option::as_deref), jid);
            }
            if changes.changed().await.is_err() {
                return Acquaintance::Unknown;
            }
        }
    }
}
