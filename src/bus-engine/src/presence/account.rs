use bus_domain::Jid;
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

    pub(super) fn availability(&self, jid: &Jid, now: Instant) -> Availability {
        let is_reached = |it: &AvailableResource| match jid.resource() {
            Some(resource) => it.resource == resource.as_str(),
            None => it.priority >= 0,
        };
        match &self.known {
            _ if self.resources.iter().any(is_reached) => Availability::Online,
            Known::Nothing => Availability::Unknown,
            Known::AwaitedUntil(until) if now < *until => Availability::Unknown,
            Known::AwaitedUntil(_) | Known::All => Availability::Offline,
        }
    }

    /// Takes note that it is asked about, unless it was; says whether it is to be asked to tell us, too.
    pub(super) fn ask(&mut self, until: Instant) -> Option<bool> {
        if !matches!(self.known, Known::Nothing) {
            return None;
        }
        self.known = Known::AwaitedUntil(until);
        Some(!std::mem::replace(&mut self.is_requested, true))
    }

    pub(super) fn hear(&mut self, from: &Jid, heard: HeardPresence) -> Vec<PresenceChange> {
        match heard {
            HeardPresence::Available { show, priority } => {
                let Some(resource) = from.resource() else { return Vec::new() };
                let heard = AvailableResource { resource: resource.as_str().to_owned(), show, priority };
                self.come(from, heard)
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
                self.go(from, |it| it.resource == resource.as_str())
            }
            // Its presence follows.
            HeardPresence::Subscribed => Vec::new(),
            HeardPresence::Unsubscribed => {
                self.known = Known::All;
                self.go(from, |_| true)
            }
        }
    }

    /// Lets go of what is known. True if something is left that counts beyond a stream.
    pub(super) fn forget(&mut self) -> bool {
        self.resources.clear();
        self.known = Known::Nothing;
        self.is_requested
    }

    fn come(&mut self, from: &Jid, heard: AvailableResource) -> Vec<PresenceChange> {
        // Who shows up unasked may have other resources.
        if !matches!(self.known, Known::Nothing) {
            self.known = Known::All;
        }
        let is_full = self.resources.len() >= RESOURCES_MAX;
        match self.resources.iter_mut().find(|it| it.resource == heard.resource) {
            Some(known) if *known == heard => return Vec::new(),
            Some(known) => *known = heard.clone(),
            None if is_full => return Vec::new(),
            None => self.resources.push(heard.clone()),
        }
        vec![PresenceChange::Available { account: from.to_bare(), resource: heard }]
    }

    fn go(&mut self, from: &Jid, goes: impl Fn(&AvailableResource) -> bool) -> Vec<PresenceChange> {
        let gone: Vec<_> = self.resources.extract_if(.., |it| goes(it)).collect();
        let change = |it: AvailableResource| PresenceChange::Unavailable {
            account: from.to_bare(),
            resource: it.resource,
        };
        gone.into_iter().map(change).collect()
    }
}
