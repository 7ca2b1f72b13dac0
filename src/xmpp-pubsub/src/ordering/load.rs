//! How much is under way, in total and of each user.

use std::collections::HashMap;

use super::RequestLimits;

/// Requests, and about how many bytes they take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) requests: usize,
    pub(super) bytes: usize,
}

/// The load of all senders and of each of their bare JIDs: who connects often has no larger share.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Loads {
    total: Load,
    users: HashMap<Box<str>, Load>,
    /// Requests other than publishes that are under way, by user.
    others: HashMap<Box<str>, usize>,
}

impl Loads {
    /// Whether another request of `bytes` is within every bound.
    pub(super) fn has_room(&self, limits: &RequestLimits, sender: &str, bytes: usize) -> bool {
        let of_user = self.users.get(bare(sender));
        self.total.has_room(bytes, limits.requests_in_flight_max, limits.requests_bytes_max)
            && of_user.is_none_or(|load| {
                load.has_room(bytes, limits.requests_per_sender_max, limits.requests_bytes_per_sender_max)
            })
    }

    /// A request of `bytes` was taken in.
    pub(super) fn add(&mut self, sender: &str, bytes: usize) {
        self.total.add(Load { requests: 1, bytes });
        self.users.entry(bare(sender).into()).or_default().add(Load { requests: 1, bytes });
    }

    /// Requests that were taken in are answered.
    pub(super) fn remove(&mut self, sender: &str, load: Load) {
        self.total.remove(load);
        let Some(of_user) = self.users.get_mut(bare(sender)) else { return };
        of_user.remove(load);
        if of_user.requests == 0 {
            self.users.remove(bare(sender));
        }
    }

    /// A request other than a publish has started.
    pub(super) fn other_started(&mut self, sender: &str) {
        *self.others.entry(bare(sender).into()).or_default() += 1;
    }

    /// Such a request is through.
    pub(super) fn other_finished(&mut self, sender: &str) {
        if let Some(of_user) = self.others.get_mut(bare(sender)) {
            *of_user -= 1;
            if *of_user == 0 {
                self.others.remove(bare(sender));
            }
        }
    }

    /// Such requests of a user that are under way.
    pub(super) fn others_of(&self, sender: &str) -> usize {
        self.others.get(bare(sender)).copied().unwrap_or_default()
    }

    /// The load of all senders together.
    pub(super) fn total(&self) -> Load {
        self.total
    }

    /// Nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.total.requests == 0
    }
}

impl Load {
    pub(super) fn add(&mut self, more: Self) {
        self.requests += more.requests;
        self.bytes = self.bytes.saturating_add(more.bytes);
    }

    fn remove(&mut self, less: Self) {
        self.requests -= less.requests;
        self.bytes = self.bytes.saturating_sub(less.bytes);
    }

    fn has_room(self, bytes: usize, requests_max: usize, bytes_max: usize) -> bool {
        self.requests < requests_max && self.bytes.saturating_add(bytes) <= bytes_max
    }
}

/// The bare JID within a JID as the server wrote it (RFC 7622 §3.1).
pub(super) fn bare(sender: &str) -> &str {
    sender.split_once('/').map_or(sender, |(bare, _)| bare)
}
