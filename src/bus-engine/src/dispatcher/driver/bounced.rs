use bus_domain::bounce::BounceClass;
use bus_domain::park::Parking;
use bus_domain::{Actor, NodeName, Role};
use bus_store::{DeliveryTarget, FailureNote, Leg, SubscriptionKey};

use super::super::{Judged, PendingBounce, Verdict};
use super::Driver;
use crate::advisories::AdvisoryAbout;
use crate::{Command, Verb};

/// Judges what came back: one read and one write, whatever the number.
impl Driver {
    pub(super) async fn settle_bounces(&mut self) {
        // Who lags already keeps its row.
        if self.store_rests() || !self.lagging_is_loaded {
            return;
        }
        let (pending, passed_over) = self.dispatcher.take_bounces();
        self.shared.statistics.bounces_ignored.add(passed_over);
        if pending.is_empty() {
            return;
        }
        let keys: Vec<SubscriptionKey> = pending.iter().map(|bounce| bounce.key).collect();
        let targets = match self.shared.store.delivery_targets(&keys).await {
            Ok(targets) => targets,
            Err(error) => {
                self.dispatcher.put_back_bounces(pending);
                return self.rest("what came back cannot be judged yet", &error);
            }
        };
        let verdicts = self.judge(&pending, targets);
        let notes: Vec<FailureNote> = verdicts.iter().filter_map(|verdict| verdict.note).collect();
        if !notes.is_empty()
            && let Err(error) = self.shared.store.note_failures(Leg::Xmpp, &notes).await
        {
            self.dispatcher.put_back_bounces(pending);
            return self.rest("what came back cannot be noted yet", &error);
        }
        for verdict in verdicts {
            let key = verdict.key;
            if let Some((node, parking)) = self.dispatcher.carry_out(verdict) {
                self.park(key, node, parking).await;
            }
        }
    }

    fn judge(&self, pending: &[PendingBounce], targets: Vec<DeliveryTarget>) -> Vec<Verdict> {
        let shared = &self.shared;
        let random = || {
            let bytes = shared.ids.random_bytes();
            u64::from_be_bytes(std::array::from_fn(|index| bytes[index]))
        };
        let (limits, now_ms) = (&shared.settings.limits, shared.clock.now_ms());
        let judged = self.dispatcher.judge(pending, targets, limits, now_ms, random);
        judged.into_iter().filter_map(|judged| self.count_judged(judged)).collect()
    }

    fn count_judged(&self, judged: Judged) -> Option<Verdict> {
        let statistics = &self.shared.statistics;
        let counter = match judged.class {
            None => &statistics.bounces_forged,
            Some(BounceClass::Ignored) => &statistics.bounces_ignored,
            Some(BounceClass::Retry) => &statistics.bounces_retried,
            Some(BounceClass::Gone) => &statistics.bounces_gone,
            Some(BounceClass::Failing) => &statistics.bounces_failing,
        };
        counter.add(judged.count);
        judged.verdict
    }

    /// Nobody waits for the outcome: if it fails, the next thing that comes back asks again.
    async fn park(&mut self, key: SubscriptionKey, node: NodeName, parking: Parking) {
        match self.shared.load_facts(&node).await {
            Ok(Some(facts)) if facts.id == key.node => {}
            Ok(_) => return self.dispatcher.end_lagging(key),
            Err(_) => return,
        }
        let Parking { jid, failures, .. } = &parking;
        tracing::warn!(
            node = node.as_str(),
            subscriber = jid.as_str(),
            failing_since_ms = failures.since_ms,
            "a subscription is parked: its notifications have come back for long; subscribing again revives it"
        );
        self.shared.advise(AdvisoryAbout::SubscriptionParked { node: node.clone(), jid: jid.clone() });
        let actor = Actor::new(jid.to_bare(), Role::User);
        let command = Command { actor, node, verb: Verb::Park(parking) };
        drop(self.shared.queue.submit(command, &self.shared));
    }
}
