use std::collections::BTreeMap;

use bus_domain::access::Action;
use bus_domain::{
    Affiliation, BareJid, EventKind, ItemId, Jid, NodeFacts, Role, configure, publish, retract,
};
use bus_engine::committer::{Batch, Entry, EntryResult, FactsAfter, Work};
use bus_engine::parts::{CommittedNode, Written};
use bus_engine::{Outcome, Published};

use super::{CommitIndex, Life, Logged, Model};
use crate::violation::{Checked, Promise};

impl Model {
    /// Applies a batch at the moment at which the store has taken it, and says which commit it is.
    ///
    /// Whether subscribing again revived a subscription rests on failures that only delivery knows of: then its node is
    /// among the written ones.
    pub(crate) fn apply(&mut self, batch: &Batch, written: &Written) -> Checked<CommitIndex> {
        self.commits += 1;
        for (entry, result) in batch.entries.iter().zip(&written.results) {
            match result {
                EntryResult::Done { outcome, facts } => {
                    let of_entry = |node: &&CommittedNode| {
                        entry.facts.as_ref().is_some_and(|facts| facts.id == node.node.id)
                    };
                    let is_changed = written.nodes.iter().find(of_entry).is_some();
                    self.apply_entry(entry, outcome, facts, is_changed)?;
                }
                EntryResult::Refused(_) => self.check_refusal(entry)?,
                EntryResult::Stale | EntryResult::Postponed => {}
            }
        }
        Ok(self.commits)
    }

    fn apply_entry(
        &mut self,
        entry: &Entry,
        outcome: &Outcome,
        after: &FactsAfter,
        is_changed: bool,
    ) -> Checked {
        let Some(seen) = &entry.facts else { return self.create(entry, outcome, after) };
        let (commit, admin) = (self.commits, self.admin.clone());
        let life = self.lives.get_mut(&seen.id).filter(|life| !life.is_deleted);
        let life =
            life.ok_or_else(|| Promise::Rules.broken(format!("{:?} is written after its end", seen.id)))?;
        life.check_version(seen)?;
        if let (Work::Subscribe(subscribing), Outcome::Subscribed { subscription, .. }) =
            (&entry.work, outcome)
        {
            match life.subscription_of(&subscribing.request.jid) {
                None => {}
                Some((pending, true)) => life.end(commit, pending),
                Some((_, false)) => {
                    life.is_as_stored(subscription)?;
                    return life.revive(commit, subscription.id, is_changed);
                }
            }
        }
        life.check_right(&entry.work, &admin)?;
        match (&entry.work, outcome) {
            (Work::Publish(publication), Outcome::Published(published)) => {
                life.publish(commit, publication, published)?;
            }
            (Work::Purge(purge), Outcome::Purged) => {
                life.append(commit, EventKind::Purged, &purge.purger, purge.notify);
                life.items.clear();
            }
            (Work::Retract(retraction), Outcome::Retracted) => life.retract(commit, retraction)?,
            (Work::Configure(None), Outcome::Configured(config)) => {
                let is_so = life.config == *config;
                Promise::Rules.check(is_so, || format!("{} is said to be {config:?}", life.name))?;
            }
            (Work::Configure(Some(configuration)), Outcome::Configured(_)) => {
                life.configure(commit, configuration, &admin);
            }
            (Work::Delete(deletion), Outcome::Deleted) => {
                let kind = EventKind::Deleted { redirect: deletion.redirect.clone() };
                life.append(commit, kind, &deletion.deleter, deletion.notify);
                life.is_deleted = true;
                life.rules_version += 1;
            }
            (Work::Subscribe(_), Outcome::Subscribed { subscription, .. }) => life.subscribe(subscription)?,
            (Work::Unsubscribe(_), Outcome::Unsubscribed(subscription)) => {
                life.unsubscribe(commit, subscription)?;
            }
            (Work::Park(_), Outcome::Parked(subscription)) => life.park(commit, subscription)?,
            (Work::Affiliate(change), Outcome::Affiliated { .. }) => {
                life.affiliate(commit, &change.entries, &admin);
            }
            (Work::ManageSubscriptions(managing), Outcome::SubscriptionsManaged { .. }) => {
                life.manage(commit, managing, &admin);
            }
            (work, outcome) => {
                return Err(Promise::Rules.broken(format!("{work:?} has led to {outcome:?}")));
            }
        }
        Ok(())
    }

    /// A refusal, too, must rest on the rules of now.
    fn check_refusal(&self, entry: &Entry) -> Checked {
        let Some(seen) = &entry.facts else { return Ok(()) };
        let life = self.lives.get(&seen.id).filter(|life| !life.is_deleted);
        let life =
            life.ok_or_else(|| Promise::Rules.broken(format!("{entry:?} is refused after the end")))?;
        life.check_version(seen)
    }

    fn create(&mut self, entry: &Entry, outcome: &Outcome, after: &FactsAfter) -> Checked {
        let (Work::Create(new, _) | Work::PublishNew(new, _), FactsAfter::Now(Some(facts))) =
            (&entry.work, after)
        else {
            return Err(Promise::Rules.broken(format!("{entry:?} on a node that was not there")));
        };
        let is_taken = self.of_name(&entry.node).any(|life| !life.is_deleted);
        Promise::Rules.check(!is_taken, || format!("{} is made twice", entry.node))?;
        let is_known = self.lives.contains_key(&facts.id) || self.of_epoch(facts.epoch).is_some();
        Promise::Rules.check(!is_known, || format!("{:?} or {:?} is used again", facts.id, facts.epoch))?;
        let life = Life {
            name: entry.node.clone(),
            epoch: facts.epoch,
            config: new.config.clone(),
            configs: vec![new.config.clone()],
            affiliations: BTreeMap::from([(new.owner.clone(), Affiliation::Owner)]),
            rules_version: 1,
            recipients_version: 1,
            log: Vec::new(),
            items: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            may_miss_through: 0,
            is_deleted: false,
            unconfirmed_changes: Vec::new(),
            unconfirmed_lists: Vec::new(),
        };
        let life = self.lives.entry(facts.id).or_insert(life);
        match (&entry.work, outcome) {
            (Work::PublishNew(_, publication), Outcome::Published(published)) => {
                life.publish(self.commits, publication, published)
            }
            _ => Ok(()),
        }
    }
}

impl Life {
    /// No decision may be committed on other rules than it saw.
    fn check_version(&self, seen: &NodeFacts) -> Checked {
        Promise::Rules.check(seen.rules_version == self.rules_version, || {
            format!(
                "{} is at version {} and was decided on {}",
                self.name, self.rules_version, seen.rules_version
            )
        })
    }

    fn check_right(&self, work: &Work, admin: &BareJid) -> Checked {
        let (jid, action) = match work {
            Work::Publish(publication) => (publication.publisher.to_bare(), Action::Publish),
            Work::Retract(retraction) => (retraction.retractor.to_bare(), Action::RetractOwn),
            Work::Purge(purge) => (purge.purger.to_bare(), Action::Purge),
            Work::Configure(Some(configuration)) => (configuration.configurer.to_bare(), Action::Configure),
            Work::Delete(deletion) => (deletion.deleter.to_bare(), Action::Delete),
            Work::Subscribe(subscribing) => (subscribing.request.jid.to_bare(), Action::Subscribe),
            Work::Create(..)
            | Work::Place(..)
            | Work::Forward(_)
            | Work::PublishNew(..)
            | Work::Configure(None)
            | Work::Unsubscribe(_)
            | Work::Affiliate(_)
            | Work::ManageSubscriptions(_)
            | Work::SetOptions(_)
            | Work::Expire(_)
            | Work::DeadLetter(..)
            | Work::Sourced(..)
            | Work::Redrive(..)
            | Work::Park(_) => return Ok(()),
        };
        let is_allowed = self.allows(&jid, role(&jid, admin), action);
        Promise::Rules.check(is_allowed, || format!("{jid} was let {action:?} on {}", self.name))
    }

    fn publish(
        &mut self,
        commit: CommitIndex,
        publication: &publish::Publication,
        published: &Published,
    ) -> Checked {
        let first_seq = self.head_seq() + 1;
        let is_next = published.first_seq == first_seq && published.epoch == self.epoch;
        Promise::OneOrder.check(is_next, || format!("{} is at {first_seq}: {published:?}", self.name))?;
        for item in &publication.items {
            let kind = EventKind::Published { item_id: item.id.clone(), payload: item.payload.clone() };
            self.append(commit, kind, &publication.publisher, publication.notify);
            if self.config.persist_items {
                self.items.insert(item.id.clone(), self.head_seq());
            }
        }
        self.make_room();
        Ok(())
    }

    fn configure(&mut self, commit: CommitIndex, new: &configure::Configuration, admin: &BareJid) {
        self.append(commit, EventKind::Configured, &new.configurer, new.notify);
        self.config = new.config.clone();
        self.configs.push(new.config.clone());
        self.rules_version += 1;
        self.make_room();
        if !self.config.persist_items {
            self.items.clear();
        }
        self.consider_rights(commit, admin);
    }

    fn make_room(&mut self) {
        while self.items.len() > self.config.items_max as usize {
            let oldest = self.items.iter().min_by_key(|(_, seq)| **seq).map(|(id, _)| ItemId::clone(id));
            oldest.map(|id| self.items.remove(&id));
        }
    }

    fn retract(&mut self, commit: CommitIndex, retraction: &retract::Retraction) -> Checked {
        for id in &retraction.item_ids {
            let was_there = self.items.remove(id).is_some();
            Promise::Rules.check(was_there, || format!("{id} of {} was not there to retract", self.name))?;
            let kind = EventKind::Retracted { item_id: id.clone() };
            self.append(commit, kind, &retraction.retractor, retraction.notify);
        }
        Ok(())
    }

    fn affiliate(&mut self, commit: CommitIndex, entries: &[(BareJid, Affiliation)], admin: &BareJid) {
        self.affiliations.extend(entries.iter().cloned());
        self.rules_version += 1;
        self.recipients_version += 1;
        self.unconfirmed_changes.push(entries.to_vec());
        self.settle_pending(commit, entries, admin);
        self.consider_rights(commit, admin);
    }

    /// Notes for whom it has changed whether he may receive.
    fn consider_rights(&mut self, commit: CommitIndex, admin: &BareJid) {
        let may_receive = |jid: &BareJid| self.allows(jid, role(jid, admin), Action::Receive);
        let allowed: Vec<bool> =
            self.subscriptions.values().map(|one| may_receive(&one.jid.to_bare())).collect();
        for (subscription, is_allowed) in self.subscriptions.values_mut().zip(allowed) {
            if subscription.is_allowed != is_allowed {
                subscription.is_allowed = is_allowed;
                subscription.allowed_changed_at = commit;
            }
        }
    }

    fn append(&mut self, committed_at: CommitIndex, kind: EventKind, publisher: &Jid, is_due: bool) {
        let due_after_seq = is_due.then(|| self.last_due_seq());
        let (publisher, recipients_version) = (publisher.clone(), self.recipients_version);
        self.log.push(Logged { kind, publisher, due_after_seq, recipients_version, committed_at });
    }
}

/// What the operator's configuration says about an address.
pub(super) fn role(jid: &BareJid, admin: &BareJid) -> Role {
    if jid == admin { Role::Admin } else { Role::User }
}
