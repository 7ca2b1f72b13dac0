//! Whom an event is for: those of the profile's audience who may read the node at this moment and are not there, with their
//! devices, a page at a time.

use std::collections::BTreeSet;

use bus_domain::access::{self, Action};
use bus_domain::push::profile::{Audience, Seen, Topic, When};
use bus_domain::push::{DeviceId, ProfileConfig};
use bus_domain::{Actor, BareJid, BusError, ErrorClass, Event, Jid, NodeFacts, Role, SubscriptionId};
use bus_store::PushTarget;

use super::PushProfiles;
use super::fan_out::Reached;
use crate::Availability;

/// Recipients of a page.
const RECIPIENTS_MAX: usize = 200;
/// Devices of a page.
const DEVICES_MAX: u32 = 1_000;
/// An instance without a link to the XMPP server sees nobody's presence. For so long it leaves events to one that may have a
/// link, where several share a database.
const WITHOUT_LINK_MS: i64 = 30_000;

/// What is to be done about those whom an event is for.
#[derive(Debug, PartialEq)]
pub(super) enum Look {
    /// They are known.
    Found(Reached),
    /// Whether some of them are there is being asked.
    Later,
}

/// Somebody, and the place in the fan-out behind him.
struct Candidate {
    place: String,
    jid: BareJid,
    is_subscriber: bool,
}

impl PushProfiles {
    /// The next page of those whom an event is for.
    pub(super) async fn reach(
        &self,
        config: &ProfileConfig,
        facts: &NodeFacts,
        event: &Event,
        after: Option<&str>,
    ) -> Result<Look, BusError> {
        if config.when == When::Away && self.leaves_it_to_others(event) {
            return Ok(Look::Later);
        }
        let (candidates, is_last) = match &config.audience {
            Audience::Topic(topic) => return self.reach_topic(config, facts, topic, after).await,
            Audience::Subscribers => self.subscribers(facts, event, after).await?,
            Audience::List(list) => {
                let behind = list.iter().filter(|jid| after.is_none_or(|after| jid.as_str() > after));
                let page: Vec<_> = behind.take(RECIPIENTS_MAX).map(listed).collect();
                let is_last = page.len() < RECIPIENTS_MAX;
                (page, is_last)
            }
        };
        let Some(absent) = self.absent(config, facts, &candidates).await? else { return Ok(Look::Later) };
        let (targets, taken) = self.devices_of(&candidates, &absent).await?;
        let is_last = is_last && taken == candidates.len();
        let next =
            if is_last { None } else { candidates.get(taken.saturating_sub(1)).map(|it| it.place.clone()) };
        Ok(Look::Found(Reached { targets, next }))
    }

    async fn reach_topic(
        &self,
        config: &ProfileConfig,
        facts: &NodeFacts,
        topic: &Topic,
        after: Option<&str>,
    ) -> Result<Look, BusError> {
        let after: Option<DeviceId> = after.and_then(|after| after.parse().ok());
        let page = self.push_store().targets_of_topic(topic, after, DEVICES_MAX).await;
        let page = page.map_err(|error| self.engine().unavailable(&error))?;
        let is_last = page.len() < DEVICES_MAX as usize;
        let next = page.last().filter(|_| !is_last).map(|last| last.device.id.to_string());
        let mut owners: Vec<_> = page.iter().map(|target| &target.device.owner).collect();
        owners.sort_unstable();
        owners.dedup();
        let candidates: Vec<_> = owners.into_iter().map(listed).collect();
        let Some(absent) = self.absent(config, facts, &candidates).await? else { return Ok(Look::Later) };
        let mut targets = page;
        targets.retain(|it| absent.binary_search(&it.device.owner).is_ok() && self.can_send(it));
        Ok(Look::Found(Reached { targets, next }))
    }

    /// A page of the subscribers to whom an event is due; whether it is the last.
    async fn subscribers(
        &self,
        facts: &NodeFacts,
        event: &Event,
        after: Option<&str>,
    ) -> Result<(Vec<Candidate>, bool), BusError> {
        let after = after.and_then(|after| after.parse().ok()).map(SubscriptionId);
        let recipients_max = u32::try_from(RECIPIENTS_MAX).unwrap_or(u32::MAX);
        let page = self.engine().store().recipients(facts.id, after, recipients_max).await;
        let recipients = page.map_err(|error| self.engine().unavailable(&error))?.recipients;
        let is_last = recipients.len() < RECIPIENTS_MAX;
        let mut candidates = Vec::with_capacity(recipients.len());
        let last = recipients.len();
        for (index, recipient) in recipients.into_iter().enumerate() {
            let subscription = recipient.subscription;
            let is_due = subscription.since_seq < event.seq && subscription.options.want(event);
            // The last one holds the place, whether it is due or not.
            if is_due || index + 1 == last {
                let (place, jid) = (subscription.id.0.to_string(), subscription.jid.to_bare());
                candidates.push(Candidate { place, jid, is_subscriber: is_due });
            }
        }
        Ok((candidates, is_last))
    }

    /// Those who may read the node and are pushed to, in the order of their addresses; `None` while it is being asked whether
    /// some are there.
    async fn absent(
        &self,
        config: &ProfileConfig,
        facts: &NodeFacts,
        candidates: &[Candidate],
    ) -> Result<Option<Vec<BareJid>>, BusError> {
        // All of them are asked about at once.
        let looks: Vec<_> =
            candidates.iter().map(|candidate| self.look_at(config, facts, &candidate.jid)).collect();
        if looks.contains(&None) {
            return Ok(None);
        }
        let mut absent = Vec::with_capacity(candidates.len());
        for (candidate, look) in candidates.iter().zip(looks) {
            if look == Some(true) && self.may_read(config, facts, candidate).await? {
                absent.push(candidate.jid.clone());
            }
        }
        absent.sort_unstable();
        absent.dedup();
        Ok(Some(absent))
    }

    /// Whether somebody is pushed to; `None` while that is being asked.
    fn look_at(&self, config: &ProfileConfig, facts: &NodeFacts, jid: &BareJid) -> Option<bool> {
        if config.when == When::Always {
            return Some(true);
        }
        let reads_stream = self.engine().reads_stream(facts.id, jid);
        let presence = self.engine().presence();
        // Principals of the service have no presence.
        let seen = if reads_stream || jid.domain() == self.service().domain() {
            Seen::Offline
        } else {
            match presence.look(&Jid::from(jid.clone())) {
                Availability::Online => Seen::Online,
                Availability::Offline => Seen::Offline,
                // Without a link nobody answers.
                Availability::Unknown if presence.is_up() => return None,
                Availability::Unknown => Seen::Unknown,
            }
        };
        Some(config.when.pushes(seen, reads_stream))
    }

    /// Whether somebody may read the node at this moment, by the one table of access.
    async fn may_read(
        &self,
        config: &ProfileConfig,
        facts: &NodeFacts,
        candidate: &Candidate,
    ) -> Result<bool, BusError> {
        let Candidate { jid, is_subscriber, .. } = candidate;
        let is_admin = self.engine().settings().admins.contains(jid);
        let actor = Actor::new(jid.clone(), if is_admin { Role::Admin } else { Role::User });
        let allowed = match config.audience {
            Audience::Subscribers if !is_subscriber => return Ok(false),
            Audience::Subscribers => {
                let actor = self.engine().acquainted(facts, &actor, Action::Receive).await;
                access::may_as(facts, &actor, true, Action::Receive)
            }
            Audience::List(_) | Audience::Topic(_) => self.engine().check_reader(facts, &actor).await,
        };
        match allowed {
            Ok(()) => Ok(true),
            Err(error) if error.class() == ErrorClass::Wait => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// The devices of those who are absent among the first candidates, and of how many candidates these are: as many as a page
    /// has room for, and one at least.
    async fn devices_of(
        &self,
        candidates: &[Candidate],
        absent: &[BareJid],
    ) -> Result<(Vec<PushTarget>, usize), BusError> {
        let mut taken = candidates.len();
        loop {
            let owners: BTreeSet<&BareJid> = candidates[..taken].iter().map(|it| &it.jid).collect();
            let owners: Vec<BareJid> =
                owners.into_iter().filter(|jid| absent.binary_search(jid).is_ok()).cloned().collect();
            if owners.is_empty() {
                return Ok((Vec::new(), taken));
            }
            // How many one owner may have is bounded elsewhere.
            let devices_max = if taken == 1 { u32::MAX } else { DEVICES_MAX };
            let found = self.push_store().targets_of_owners(&owners, devices_max).await;
            let mut found = found.map_err(|error| self.engine().unavailable(&error))?;
            if found.len() < devices_max as usize {
                found.retain(|target| self.can_send(target));
                return Ok((found, taken));
            }
            taken = taken.div_ceil(2);
        }
    }

    fn can_send(&self, target: &PushTarget) -> bool {
        self.pushes().has_lane_of(&target.device)
    }

    fn leaves_it_to_others(&self, event: &Event) -> bool {
        let engine = self.engine();
        engine.store().is_shared()
            && !engine.presence().is_up()
            && engine.now_ms().saturating_sub(event.published_at_ms) < WITHOUT_LINK_MS
    }
}

fn listed(jid: &BareJid) -> Candidate {
    Candidate { place: jid.as_str().to_owned(), jid: jid.clone(), is_subscriber: false }
}
