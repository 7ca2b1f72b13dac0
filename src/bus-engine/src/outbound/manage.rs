use bus_domain::consumer::destination::may_have;
use bus_domain::consumer::{Consumer, ConsumerError, ConsumerName, Standing, StandingState};
use bus_domain::{Actor, BareJid, BusError, Role};
use tokio::sync::watch;

use crate::{AdvisoryAbout, ConsumerSession, Engine};

/// Consumers that are read at once.
const PAGE: u32 = 500;

impl Engine {
    /// The key that who is asked over HTTP shows to agree for a consumer later. Nobody else can make it.
    pub fn agreement_key(&self, consumer: &Consumer) -> String {
        self.event_ids().key_for(b"agreement", consumer.id.0)
    }

    /// Takes note that a destination agrees, as whoever has the key of the consumer says.
    ///
    /// # Errors
    /// [`ConsumerError::NotFound`] when there is no such consumer with a destination, or the key is another one.
    pub async fn agree(
        &self,
        name: &ConsumerName,
        key: &str,
        requests_per_minute: Option<u32>,
    ) -> Result<(), BusError> {
        let found = self.store().find_consumer(name).await.map_err(|error| self.unavailable(&error))?;
        let is_right = |consumer: &Consumer| {
            consumer.config.destination.is_some() && self.agreement_key(consumer) == key
        };
        let consumer = found.filter(is_right).ok_or(ConsumerError::NotFound)?;
        if consumer.standing.as_ref().is_some_and(Standing::is_agreed) {
            return Ok(());
        }
        let standing = Standing {
            state: StandingState::Active,
            reason: String::new(),
            since_ms: self.now_ms(),
            allowed_per_minute: requests_per_minute,
        };
        let written = self.store().set_standing(consumer.id, None, &standing).await;
        written.map_err(|error| self.unavailable(&error))?;
        self.destinations_changed();
        Ok(())
    }

    /// Has who serves destinations look which there are.
    pub(crate) fn destinations_changed(&self) {
        self.shared().destinations.send_modify(|changes| *changes += 1);
    }

    /// Tells when destinations have changed.
    pub(super) fn destination_changes(&self) -> watch::Receiver<u64> {
        self.shared().destinations.subscribe()
    }

    /// All consumers with destinations.
    pub(super) async fn destinations(&self) -> Result<Vec<Consumer>, BusError> {
        let mut all: Vec<Consumer> = Vec::new();
        loop {
            let after = all.last().map(|last| &last.name);
            let page = self.store().list_with_destinations(after, PAGE).await;
            let page = page.map_err(|error| self.unavailable(&error))?;
            let is_last = page.len() < PAGE as usize;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// Refuses who must not have the bus send to addresses that it names.
    pub(crate) fn check_outbound(&self, actor: &Actor) -> Result<(), ConsumerError> {
        may_have(actor, self.settings().outbound_principals.contains(actor.bare()))
    }

    /// Reads a consumer for its destination, as its owner.
    pub(super) async fn open_destination(&self, consumer: &Consumer) -> Result<ConsumerSession, BusError> {
        let owner = self.actor_of(&consumer.owner);
        self.check_outbound(&owner)?;
        self.attach_consumer(&owner, &consumer.name, "").await
    }

    /// Takes note of how a consumer stands, and tells the operator what he should know. The consumer rests once its
    /// destination is gone.
    pub(super) async fn note_standing(
        &self,
        session: &ConsumerSession,
        state: StandingState,
        reason: &str,
        allowed_per_minute: Option<u32>,
    ) {
        let consumer = session.consumer();
        let reason = AdvisoryAbout::cause(&reason);
        tracing::info!(consumer = %consumer.name, ?state, reason, "a destination");
        if state != StandingState::Pending {
            let (consumer, reason) = (consumer.name.clone(), reason.clone());
            self.advise(AdvisoryAbout::Destination { consumer, state, reason });
        }
        let standing = Standing { state, reason, since_ms: self.now_ms(), allowed_per_minute };
        let noted = self.store().set_standing(consumer.id, Some(session.fence()), &standing).await;
        if let Err(error) = noted {
            tracing::debug!(%error, consumer = %consumer.name, "how a destination stands could not be noted");
        }
        if state == StandingState::Gone {
            let owner = self.actor_of(&consumer.owner);
            if let Err(error) = self.pause_consumer(&owner, &consumer.name, true).await {
                tracing::debug!(%error, consumer = %consumer.name, "it could not be paused");
            }
        }
    }

    /// How somebody acts whose configuration is at work while he does not call.
    pub(crate) fn actor_of(&self, owner: &BareJid) -> Actor {
        let is_admin = self.settings().admins.contains(owner);
        Actor::new(owner.clone(), if is_admin { Role::Admin } else { Role::Creator })
    }
}
