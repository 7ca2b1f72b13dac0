//! What follows when somebody comes or goes: subscriptions that end, nodes that are purged, newest items that are sent
//! (XEP-0060 §12.5, §16.4.4, §6.1.7).

use std::time::Duration;

use bus_domain::BusError;
use bus_domain::expire::{Expiry, ExpiryCause};
use bus_domain::{Actor, Role, presence};
use bus_store::{EntitySubscription, StoreError};
use tokio::time::Instant;

use crate::presence::PresenceChange;
use crate::{Command, Engine, Verb};

mod agenda;
mod arrivals;
mod departures;

use agenda::Agenda;

/// Rows of one read.
const ROWS_MAX: u32 = 200;

/// Does what follows, for as long as it is polled. One such task serves the leg that hears of presence.
pub(crate) async fn run(engine: &Engine) {
    let agenda = Agenda::new(engine.settings().engine.presence_answer_ms_max);
    let mut effects = Effects { engine, agenda, started: Instant::now() };
    loop {
        let due_at = effects.agenda.due_at_ms().map(|ms| effects.started + Duration::from_millis(ms));
        let due = async {
            match due_at {
                Some(due_at) => tokio::time::sleep_until(due_at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            change = engine.presence().next_change() => effects.take(change).await,
            () = engine.shared().presence_uses.news() => effects.look_around(),
            () = due => effects.turn().await,
        }
    }
}

struct Effects<'a> {
    engine: &'a Engine,
    agenda: Agenda,
    started: Instant,
}

impl Effects<'_> {
    async fn take(&mut self, change: PresenceChange) {
        let (uses, now_ms) = (self.engine.shared().presence_uses.get(), self.now_ms());
        match change {
            PresenceChange::Came { account, resource } if uses.by_subscriptions => {
                if let Err(error) = arrivals::send_last_items(self.engine, &account, &resource).await {
                    self.fail(&error);
                }
            }
            PresenceChange::Went { account, resource } if uses.by_subscriptions || uses.by_purges => {
                self.agenda.leave(account, resource, now_ms);
            }
            PresenceChange::Came { .. } | PresenceChange::Went { .. } => {}
            PresenceChange::Forgotten { in_doubt } => {
                let in_doubt = if uses.by_purges { in_doubt } else { Vec::new() };
                self.agenda.forget(in_doubt, self.engine.presence().is_up(), now_ms);
            }
            PresenceChange::Missed => self.look_around(),
        }
    }

    fn look_around(&mut self) {
        if self.engine.presence().is_up() {
            self.agenda.begin_round(self.now_ms());
        }
    }

    async fn turn(&mut self) {
        for (account, leaving) in self.agenda.take_leaving(self.now_ms()) {
            match departures::settle(self.engine, &account, &leaving).await {
                Ok(true) => {}
                Ok(false) => self.agenda.put(account, leaving),
                Err(error) => {
                    self.agenda.put(account, leaving);
                    self.fail(&error);
                }
            }
        }
        if self.agenda.is_page_due(self.now_ms())
            && let Err(error) = self.go_on(self.agenda.after()).await
        {
            self.fail(&error);
        }
    }

    /// Looks at a page of those on whose presence something hangs. It is asked for where it is not known, and who has gone
    /// for certain has gone.
    async fn go_on(&mut self, after: Option<bus_store::SubscriptionKey>) -> Result<(), StoreError> {
        let engine = self.engine;
        if after.is_none() {
            engine.shared().presence_uses.add(engine.store().presence_uses().await?);
        }
        if !engine.shared().presence_uses.get().by_subscriptions {
            self.agenda.page_done(None, false, self.now_ms());
            return Ok(());
        }
        let page = engine.store().subscriptions_on_presence(None, after, ROWS_MAX).await?;
        let next = page.last().filter(|_| page.len() >= ROWS_MAX as usize).map(EntitySubscription::key);
        let mut has_unknown = false;
        for entry in page {
            let is_gone = engine.presence().is_gone(&entry.subscription.jid);
            let is_there = || !engine.presence().resources(&entry.subscription.jid.to_bare()).is_empty();
            if is_gone {
                end_if_temporary(engine, entry).await;
            } else {
                has_unknown |= !is_there();
            }
        }
        self.agenda.page_done(next, has_unknown, self.now_ms());
        Ok(())
    }

    fn fail(&mut self, error: &StoreError) {
        self.engine.shared().store_failed(error, "what hangs on presence waits for the store");
        self.agenda.rest(self.now_ms());
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Ends a subscription whose subscriber has gone, if it is one that ends then.
async fn end_if_temporary(engine: &Engine, entry: EntitySubscription) {
    let EntitySubscription { name, subscription, .. } = entry;
    let Ok(facts) = engine.facts(&name).await else { return };
    if !presence::ends_subscription(&facts.config, &subscription.options) {
        return;
    }
    let actor = Actor::new(subscription.jid.to_bare(), Role::User);
    let expiry =
        Expiry { subscription: subscription.id, jid: subscription.jid, cause: ExpiryCause::Presence };
    match engine.submit(Command { actor, node: name, verb: Verb::Expire(expiry) }).await {
        Ok(_) => engine.statistics().temporary_ended.add(1),
        // It was ended by somebody else, or the next round finds it again.
        Err(BusError::NotSubscribed | BusError::NodeNotFound) => {}
        Err(error) => tracing::debug!(%error, "a temporary subscription is not ended yet"),
    }
}
