use std::collections::BTreeSet;

use bus_domain::manage_subscriptions::{Entry, Request, Wanted};
use bus_domain::{AccessModel, Actor, Affiliation, BareJid, Jid, PublishModel, Role, SubscriptionState};

use crate::model::{Answer, Model, Node};

use SubscriptionState::{Pending, Subscribed};

impl Model {
    pub(crate) fn subscribe(
        &self,
        node: &mut Node,
        actor: &Actor,
        jid: &Jid,
    ) -> Result<Answer, &'static str> {
        if jid.to_bare() != *actor.bare() {
            return Err("ForeignJid");
        }
        let state = match (node.standing(actor), node.config.access_model) {
            (Affiliation::Outcast | Affiliation::PublishOnly, _) => return Err("Forbidden"),
            (Affiliation::None, AccessModel::Whitelist) => return Err("ClosedNode"),
            (Affiliation::None, AccessModel::Authorize) => Pending,
            _ => Subscribed,
        };
        match (node.state(jid), state) {
            (Some(Subscribed), _) => return Ok(Answer::Done),
            (Some(Pending), Pending) => return Err("SubscriptionPending"),
            (Some(Pending), Subscribed) => node.end(jid),
            (None, _) => {
                if !node.config.allow_subscriptions {
                    return Err("Unsupported");
                }
                let of_bare = node.subscriptions.iter().filter(|(known, _)| known.to_bare() == jid.to_bare());
                if of_bare.count() >= self.limits.node_subscriptions_per_jid_max
                    || node.subscriptions.len() as u64 >= self.limits.node_subscriptions_max
                {
                    return Err("LimitReached");
                }
            }
        }
        node.subscriptions.push((jid.clone(), state));
        Ok(Answer::Done)
    }

    pub(crate) fn manage_subscriptions(
        &self,
        node: &mut Node,
        actor: &Actor,
        request: &Request,
    ) -> Result<Answer, &'static str> {
        node.check_owner(actor)?;
        if request.entries.len() > self.limits.request_items_max {
            return Err("TooManyItems");
        }
        let named: BTreeSet<_> = request.entries.iter().map(|entry| &entry.jid).collect();
        if named.len() < request.entries.len() {
            return Err("BadRequest");
        }
        let in_all = node.subscriptions.len() as u64;
        let (mut ended, mut approved, mut added, mut rejected) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for Entry { jid, wanted, .. } in &request.entries {
            let state = node.state(jid);
            if request.is_approval && state != Some(Pending) {
                continue;
            }
            let is_banned =
                matches!(node.affiliation(&jid.to_bare()), Affiliation::Outcast | Affiliation::PublishOnly);
            let may_add = actor.role() == Role::Admin
                && !is_banned
                && in_all + (added.len() as u64) < self.limits.node_subscriptions_max;
            match (wanted, state) {
                (Wanted::Ended, Some(_)) => ended.push(jid.clone()),
                (Wanted::Ended, None) | (Wanted::Subscribed, Some(Subscribed)) => {}
                (Wanted::Subscribed, Some(Pending)) if !is_banned => approved.push(jid.clone()),
                (Wanted::Subscribed, None) if may_add => added.push(jid.clone()),
                (Wanted::Subscribed, None | Some(Pending)) | (Wanted::Impossible, _) => rejected += 1,
            }
        }
        for jid in ended.iter().chain(&approved) {
            node.end(jid);
        }
        let begun = approved.into_iter().chain(added);
        node.subscriptions.extend(begun.map(|jid| (jid, Subscribed)));
        Ok(if rejected == 0 { Answer::Done } else { Answer::DoneBut(rejected) })
    }
}

impl Node {
    pub(crate) fn unsubscribe(&mut self, actor: &Actor, jid: &Jid) -> Result<Answer, &'static str> {
        if jid.to_bare() != *actor.bare() && actor.role() != Role::Admin {
            return Err("Forbidden");
        }
        self.state(jid).ok_or("NotSubscribed")?;
        self.end(jid);
        Ok(Answer::Done)
    }

    /// Who waits need not, or need not any more; in the order in which they have begun to.
    pub(crate) fn settle_pending(&mut self, entries: &[(BareJid, Affiliation)]) {
        let verdict = |jid: &Jid| {
            let (_, affiliation) = entries.iter().find(|(named, _)| *named == jid.to_bare())?;
            match affiliation {
                Affiliation::Owner | Affiliation::Publisher | Affiliation::Member => Some(true),
                Affiliation::Outcast => Some(false),
                Affiliation::PublishOnly | Affiliation::None => None,
            }
        };
        let is_settled = |one: &mut (Jid, SubscriptionState)| one.1 == Pending && verdict(&one.0).is_some();
        let settled: Vec<_> = self.subscriptions.extract_if(.., is_settled).collect();
        let granted = settled.into_iter().filter(|(jid, _)| verdict(jid) == Some(true));
        self.subscriptions.extend(granted.map(|(jid, _)| (jid, Subscribed)));
    }

    /// Where subscribers may publish, one who is nothing else has to be one.
    pub(crate) fn is_publisher_subscribed(&self, actor: &Actor) -> bool {
        let is_asked = self.config.publish_model == PublishModel::Subscribers
            && matches!(self.standing(actor), Affiliation::Member | Affiliation::None);
        let own =
            |(jid, state): &(Jid, SubscriptionState)| jid.to_bare() == *actor.bare() && *state == Subscribed;
        !is_asked || self.subscriptions.iter().any(own)
    }

    fn state(&self, jid: &Jid) -> Option<SubscriptionState> {
        self.subscriptions.iter().find(|(known, _)| known == jid).map(|(_, state)| *state)
    }

    fn end(&mut self, jid: &Jid) {
        self.subscriptions.retain(|(known, _)| known != jid);
    }
}
