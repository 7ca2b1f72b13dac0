use bus_domain::access::Action;
use bus_domain::manage_subscriptions::{Entry, Managing, Wanted};
use bus_domain::{Affiliation, BareJid, Jid, Subscription, SubscriptionId, SubscriptionState};

use super::apply::role;
use super::{CommitIndex, Life, SubscriptionLife};
use crate::violation::{Checked, Promise};

impl Life {
    pub(super) fn subscribe(&mut self, subscription: &Subscription) -> Checked {
        let is_expected =
            subscription.id == self.next_subscription() && subscription.since_seq == self.head_seq();
        Promise::OneOrder
            .check(is_expected, || format!("{} is at {}: {subscription:?}", self.name, self.head_seq()))?;
        self.recipients_version += 1;
        let life = SubscriptionLife {
            jid: subscription.jid.clone(),
            since_seq: subscription.since_seq,
            ended_at: None,
            is_allowed: true,
            is_parked: false,
            is_pending: subscription.state == SubscriptionState::Pending,
            allowed_changed_at: 0,
        };
        self.subscriptions.insert(subscription.id, life);
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, commit: CommitIndex, subscription: &Subscription) -> Checked {
        self.is_as_stored(subscription)?;
        self.recipients_version += 1;
        if let Some(life) = self.subscriptions.get_mut(&subscription.id) {
            life.ended_at = Some(commit);
        }
        Ok(())
    }

    pub(super) fn park(&mut self, commit: CommitIndex, subscription: &Subscription) -> Checked {
        self.is_as_stored(subscription)?;
        self.recipients_version += 1;
        if let Some(life) = self.subscriptions.get_mut(&subscription.id) {
            Promise::Rules.check(!life.is_parked, || format!("{subscription:?} is parked twice"))?;
            (life.is_parked, life.allowed_changed_at) = (true, commit);
        }
        Ok(())
    }

    /// Somebody who is subscribed has subscribed again.
    pub(super) fn revive(
        &mut self,
        commit: CommitIndex,
        subscription: SubscriptionId,
        is_changed: bool,
    ) -> Checked {
        self.recipients_version += u64::from(is_changed);
        if let Some(life) = self.subscriptions.get_mut(&subscription)
            && life.is_parked
        {
            Promise::Rules.check(is_changed, || format!("{subscription:?} stays parked"))?;
            (life.is_parked, life.allowed_changed_at) = (false, commit);
        }
        Ok(())
    }

    pub(super) fn manage(&mut self, commit: CommitIndex, managing: &Managing, admin: &BareJid) {
        self.unconfirmed_lists.push(managing.entries.clone());
        let in_all = self.subscriptions.values().filter(|one| one.ended_at.is_none()).count() as u64;
        let (mut ended, mut approved, mut added) = (Vec::new(), Vec::new(), Vec::new());
        for Entry { jid, wanted, .. } in &managing.entries {
            let there = self.subscription_of(jid);
            if managing.is_approval && !there.is_some_and(|(_, is_pending)| is_pending) {
                continue;
            }
            let is_barred = managing.barred.contains(jid);
            match (wanted, there) {
                (Wanted::Ended, Some((id, _))) => ended.push(id),
                (Wanted::Subscribed, Some((id, true))) if !is_barred => {
                    ended.push(id);
                    approved.push(jid.clone());
                }
                (Wanted::Subscribed, None)
                    if managing.may_add
                        && !is_barred
                        && in_all + (added.len() as u64) < managing.node_max =>
                {
                    added.push(jid.clone());
                }
                _ => {}
            }
        }
        approved.extend(added);
        self.recipients_version += u64::from(!ended.is_empty() || !approved.is_empty());
        self.replace(commit, ended, approved, admin);
    }

    /// New standings decide on those who wait.
    pub(super) fn settle_pending(
        &mut self,
        commit: CommitIndex,
        entries: &[(BareJid, Affiliation)],
        admin: &BareJid,
    ) {
        let (mut ended, mut begun) = (Vec::new(), Vec::new());
        for (id, one) in self.subscriptions.iter().filter(|(_, one)| one.waits()) {
            let entry = entries.iter().find(|(jid, _)| *jid == one.jid.to_bare());
            match entry.map(|(_, affiliation)| affiliation) {
                None | Some(Affiliation::PublishOnly | Affiliation::None) => {}
                Some(Affiliation::Outcast) => ended.push(*id),
                Some(Affiliation::Owner | Affiliation::Publisher | Affiliation::Member) => {
                    ended.push(*id);
                    begun.push(one.jid.clone());
                }
            }
        }
        self.replace(commit, ended, begun, admin);
    }

    fn replace(&mut self, commit: CommitIndex, ended: Vec<SubscriptionId>, begun: Vec<Jid>, admin: &BareJid) {
        for id in ended {
            self.end(commit, id);
        }
        for jid in begun {
            let bare = jid.to_bare();
            let life = SubscriptionLife {
                since_seq: self.head_seq(),
                ended_at: None,
                is_allowed: self.allows(&bare, role(&bare, admin), Action::Receive),
                is_parked: false,
                is_pending: false,
                allowed_changed_at: 0,
                jid,
            };
            self.subscriptions.insert(self.next_subscription(), life);
        }
    }

    pub(super) fn end(&mut self, commit: CommitIndex, id: SubscriptionId) {
        if let Some(life) = self.subscriptions.get_mut(&id) {
            life.ended_at = Some(commit);
        }
    }

    /// The subscription of an address, and whether it waits for approval.
    pub(super) fn subscription_of(&self, jid: &Jid) -> Option<(SubscriptionId, bool)> {
        let mut living = self.subscriptions.iter().filter(|(_, one)| one.ended_at.is_none());
        living.find(|(_, one)| one.jid == *jid).map(|(id, one)| (*id, one.is_pending))
    }

    fn next_subscription(&self) -> SubscriptionId {
        SubscriptionId(self.subscriptions.keys().next_back().map_or(1, |last| last.0 + 1))
    }

    /// The subscription that was named is there, and is like that.
    pub(super) fn is_as_stored(&self, named: &Subscription) -> Checked {
        let known = self.subscriptions.get(&named.id);
        let is_same = known.is_some_and(|known| {
            known.ended_at.is_none() && known.jid == named.jid && known.since_seq == named.since_seq
        });
        Promise::OneOrder.check(is_same, || format!("{named:?} of {} is {known:?}", self.name))
    }
}
