use std::collections::HashMap;

use bus_domain::bounce::BounceClass;
use bus_domain::park::Parking;
use bus_domain::{Actor, NodeName, Role};
use bus_store::{DeliveryTarget, FailureNote, Leg, SubscriptionKey};

use super::super::{Judged, PendingBounce, Verdict};
use super::Driver;
use crate::{Command, Verb};

/// Judges what came back: one read and one write, whatever the number.
impl Driver {
    pub(super) async fn settle_bounces(&mut self) {
        if self.store_rests() {
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
        let targets: HashMap<_, _> = targets.into_iter().map(|target| (target.key(), target)).collect();
        let judge = |bounce: &PendingBounce| self.judge(bounce, targets.get(&bounce.key));
        let verdicts: Vec<Verdict> = pending.iter().filter_map(judge).collect();
        let notes: Vec<FailureNote> = verdicts.iter().filter_map(|verdict| verdict.note).collect();
        if !notes.is_empty()
            && let Err(error) = self.shared.store.note_failures(Leg::Xmpp, &notes).await
        {
            self.dispatcher.put_back_bounces(pending);
            return self.rest("what came back cannot be noted yet", &error);
        }
        for verdict in verdicts {
            if let Some((node, parking)) = self.dispatcher.carry_out(verdict) {
                self.park(node, parking);
            }
        }
    }

    fn judge(&self, bounced: &PendingBounce, target: Option<&DeliveryTarget>) -> Option<Verdict> {
        let shared = &self.shared;
        let statistics = &shared.statistics;
        let Some(target) = target else {
            // Ended or parked meanwhile.
            statistics.bounces_ignored.add(bounced.count);
            return None;
        };
        let bytes = shared.ids.random_bytes();
        let random = u64::from_be_bytes(std::array::from_fn(|index| bytes[index]));
        let (limits, now_ms) = (&shared.settings.limits, shared.clock.now_ms());
        let Judged { class, verdict } = self.dispatcher.judge(bounced, target, limits, now_ms, random);
        let counter = match class {
            None => &statistics.bounces_forged,
            Some(BounceClass::Ignored) => &statistics.bounces_ignored,
            Some(BounceClass::Retry) => &statistics.bounces_retried,
            Some(BounceClass::Gone) => &statistics.bounces_gone,
            Some(BounceClass::Failing) => &statistics.bounces_failing,
        };
        counter.add(bounced.count);
        verdict
    }

    /// Nobody waits for the outcome: if it fails, the next thing that comes back asks again.
    fn park(&self, node: NodeName, parking: Parking) {
        let Parking { jid, failures, .. } = &parking;
        tracing::warn!(
            node = node.as_str(),
            subscriber = jid.as_str(),
            failing_since_ms = failures.since_ms,
            "a subscription is parked: its notifications have come back for long; subscribing again revives it"
        );
        let actor = Actor::new(jid.to_bare(), Role::User);
        let command = Command { actor, node, verb: Verb::Park(parking) };
        drop(self.shared.queue.submit(command, &self.shared));
    }
}
