use bus_domain::{EventKind, Jid};
use bus_engine::{Command, Outcome};

use super::{Life, Model};
use crate::violation::{Checked, Promise};

impl Model {
    /// Checks that what a requester is told has been committed. The address that acts names the request.
    pub(crate) fn confirm(&mut self, command: &Command, outcome: &Outcome) -> Checked {
        let actor = command.actor.jid();
        let is_committed = match outcome {
            Outcome::Created(created) => self.of_epoch(created.epoch).is_some(),
            Outcome::Published(published) => self.of_epoch(published.epoch).is_some_and(|life| {
                (published.first_seq..).zip(&published.item_ids).all(|(seq, id)| {
                    life.event(seq).is_some_and(|event| {
                        event.publisher == *actor
                            && matches!(&event.kind, EventKind::Published { item_id, .. } if item_id == id)
                    })
                })
            }),
            Outcome::Retracted => self.has_event(command, |kind| matches!(kind, EventKind::Retracted { .. })),
            Outcome::Purged => self.has_event(command, |kind| *kind == EventKind::Purged),
            Outcome::Deleted => self.has_event(command, EventKind::is_deletion),
            Outcome::Subscribed { subscription: named, .. } => self.has_subscription(command, |life| {
                life.subscriptions.get(&named.id).is_some_and(|known| known.jid == named.jid)
            }),
            Outcome::Unsubscribed(named) => self.has_subscription(command, |life| {
                life.subscriptions.get(&named.id).is_some_and(|known| known.ended_at.is_some())
            }),
            // Not drawn: leases, options and collections are the business of tests of their own.
            Outcome::OptionsSet | Outcome::Expired(_) | Outcome::Placed | Outcome::Forwarded => false,
            Outcome::Parked(named) => self.has_subscription(command, |life| {
                life.subscriptions.get(&named.id).is_some_and(|known| known.allowed_changed_at > 0)
            }),
            Outcome::Configured(config) => {
                self.lives.values().any(|life| life.name == command.node && life.configs.contains(config))
            }
            Outcome::SubscriptionsManaged { .. } => self.take_list(command),
            Outcome::Affiliated { .. } => self.take_change(command),
        };
        Promise::AcknowledgedIsStored.check(is_committed, || {
            format!("{actor} was told {outcome:?} on {}, and it is not stored", command.node)
        })
    }

    fn has_event(&self, command: &Command, is_kind: impl Fn(&EventKind) -> bool) -> bool {
        let by = |publisher: &Jid| publisher == command.actor.jid();
        self.of_name(&command.node)
            .flat_map(|life| &life.log)
            .any(|event| by(&event.publisher) && is_kind(&event.kind))
    }

    fn has_subscription(&self, command: &Command, is_so: impl Fn(&Life) -> bool) -> bool {
        self.of_name(&command.node).any(is_so)
    }

    fn take_list(&mut self, command: &Command) -> bool {
        let bus_engine::Verb::ManageSubscriptions(request) = &command.verb else { return false };
        self.lives.values_mut().filter(|life| life.name == command.node).any(|life| {
            let at = life.unconfirmed_lists.iter().position(|list| *list == request.entries);
            at.map(|at| life.unconfirmed_lists.remove(at)).is_some()
        })
    }

    fn take_change(&mut self, command: &Command) -> bool {
        let bus_engine::Verb::Affiliate(request) = &command.verb else { return false };
        self.lives.values_mut().filter(|life| life.name == command.node).any(|life| {
            let at = life.unconfirmed_changes.iter().position(|change| *change == request.entries);
            at.map(|at| life.unconfirmed_changes.remove(at)).is_some()
        })
    }
}
