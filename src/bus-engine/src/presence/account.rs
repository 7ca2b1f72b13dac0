use std::time::Duration;

use bus_domain::{Jid, ShowValues};
use tokio::time::Instant;

use super::{Availability, AvailableResource, HeardPresence, PresenceChange};

/// Resources of one account that are kept.
const RESOURCES_MAX: usize = 32;

/// What is known of one account.
#[derive(Debug, Default)]
pub(super) struct Account {
    resources: Vec<AvailableResource>,
    known: Known,
    /// It was asked to tell us of its presence.
    is_requested: bool,
    /// Since when it is known that it does, in this process.
    granted_at: Option<Instant>,
}

#[derive(Debug, Default)]
enum Known {
    /// Nobody has asked.
    #[default]
    Nothing,
    /// Word is awaited until then; no word means that nobody is there.
    AwaitedUntil(Instant),
    /// What `resources` say.
    All,
}

impl Account {
    pub(super) fn resources(&self) -> &[AvailableResource] {
        &self.resources
    }

    /// Whether it tells us of its presence.
    pub(super) fn lets_us_see(&self) -> bool {
        self.granted_at.is_some()
    }

    /// Whether something sent to an address reaches a resource that shows one of these values.
    pub(super) fn availability(&self, jid: &Jid, shown: ShowValues, now: Instant) -> Availability {
        let is_reached = |it: &AvailableResource| {
            shown.allow(it.show)
                && match jid.resource() {
                    Some(resource) => it.resource == resource.as_str(),
                    None => it.priority >= 0,
                }
        };
        match &self.known {
            _ if self.resources.iter().any(is_reached) => Availability::Online,
            Known::Nothing => Availability::Unknown,
            Known::AwaitedUntil(until) if now < *until => Availability::Unknown,
            Known::AwaitedUntil(_) | Known::All => Availability::Offline,
        }
    }

    /// Whether it is certain that no resource is there, or not this one. Who has just let us see its presence may be about
    /// to tell of it; who does not says nothing by its silence.
    pub(super) fn is_gone(&self, jid: &Jid, answer_max: Duration, now: Instant) -> bool {
        let is_there =
            |it: &AvailableResource| jid.resource().is_none_or(|resource| it.resource == resource.as_str());
        let is_answered = match self.known {
            Known::Nothing => false,
            Known::AwaitedUntil(until) => now >= until,
            Known::All => true,
        };
        let is_granted = self.granted_at.is_some_and(|granted_at| now >= granted_at + answer_max);
        is_answered && is_granted && !self.resources.iter().any(is_there)
    }

    /// Takes note that it is asked about, unless it was; says whether it is to be asked to tell us, too.
    pub(super) fn ask(&mut self, until: Instant) -> Option<bool> {
        if !matches!(self.known, Known::Nothing) {
            return None;
        }
        // Who has shown itself is not waited for: it may not let us see more.
        self.known = if self.resources.is_empty() { Known::AwaitedUntil(until) } else { Known::All };
        Some(!std::mem::replace(&mut self.is_requested, true))
    }

    pub(super) fn hear(&mut self, from: &Jid, heard: HeardPresence, now: Instant) -> Vec<PresenceChange> {
        match heard {
            HeardPresence::Available { show, priority, is_old } => {
                let Some(resource) = from.resource() else { return Vec::new() };
                let heard = AvailableResource { resource: resource.as_str().to_owned(), show, priority };
                self.come(from, heard, is_old)
            }
            HeardPresence::Unavailable => {
                let Some(resource) = from.resource() else {
                    // Some servers say so first of whoever is asked to tell us, there or not; each resource that goes is
                    // told by its own address.
                    if self.resources.is_empty() {
                        self.known = Known::All;
                    }
                    return Vec::new();
                };
                self.resources.retain(|it| it.resource != resource.as_str());
                vec![went(from, resource.as_str().to_owned())]
            }
            HeardPresence::Subscribed => {
                self.granted_at.get_or_insert(now);
                Vec::new()
            }
            HeardPresence::Unsubscribed => {
                self.known = Known::All;
                self.granted_at = None;
                let gone = std::mem::take(&mut self.resources);
                gone.into_iter().map(|it| went(from, it.resource)).collect()
            }
        }
    }

    /// Lets go of what is known. True if something is left that counts beyond a stream.
    pub(super) fn forget(&mut self) -> bool {
        self.resources.clear();
        self.known = Known::Nothing;
        self.is_requested
    }

    fn come(&mut self, from: &Jid, heard: AvailableResource, is_old: bool) -> Vec<PresenceChange> {
        // Who shows up unasked may have other resources, and this one may have been there before.
        let was_asked = !matches!(self.known, Known::Nothing);
        if was_asked {
            self.known = Known::All;
        }
        let is_full = self.resources.len() >= RESOURCES_MAX;
        if let Some(known) = self.resources.iter_mut().find(|it| it.resource == heard.resource) {
            *known = heard;
            return Vec::new();
        }
        if is_full {
            return Vec::new();
        }
        self.resources.push(heard.clone());
        if was_asked && !is_old {
            vec![PresenceChange::Came { account: from.to_bare(), resource: heard.resource }]
        } else {
            Vec::new()
        }
    }
}

fn went(from: &Jid, resource: String) -> PresenceChange {
    PresenceChange::Went { account: from.to_bare(), resource }
}
