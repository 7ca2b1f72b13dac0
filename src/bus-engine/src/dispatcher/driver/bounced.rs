use std::collections::HashMap;

use bus_domain::bounce::{self, BounceClass, Judgement};
use bus_domain::park::Parking;
use bus_domain::{Actor, NodeName, Role, Seq};
use bus_store::{DeliveryTarget, FailureNote, LaggingRow, Leg, SubscriptionKey};

use super::super::bounces::PendingBounce;
use super::Driver;
use crate::{Command, Verb};

/// What is to be done about one subscription.
struct Verdict {
    /// What is known of its failures; `None` if that has not changed.
    note: Option<FailureNote>,
    /// What is to be sent again from here on.
    retry: Option<Retry>,
    park: Option<(NodeName, Parking)>,
    key: SubscriptionKey,
}

#[derive(Clone, Copy)]
struct Retry {
    from_seq: Seq,
    random: u64,
}

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
            self.carry_out(verdict);
        }
    }

    fn judge(&self, bounced: &PendingBounce, target: Option<&DeliveryTarget>) -> Option<Verdict> {
        let statistics = &self.shared.statistics;
        let Some(target) = target else {
            // Ended or parked meanwhile.
            statistics.bounces_ignored.add(bounced.count);
            return None;
        };
        let subscription = &target.recipient.subscription;
        let class = bounce::weigh(bounced.run.class, &subscription.jid, &bounced.from)
            .filter(|_| bounced.epoch == target.head.epoch && bounced.run.through_seq <= target.head.seq);
        let counter = match class {
            None => &statistics.bounces_forged,
            Some(BounceClass::Ignored) => &statistics.bounces_ignored,
            Some(BounceClass::Retry) => &statistics.bounces_retried,
            Some(BounceClass::Gone) => &statistics.bounces_gone,
            Some(BounceClass::Failing) => &statistics.bounces_failing,
        };
        counter.add(bounced.count);
        class.filter(|class| *class != BounceClass::Ignored)?;

        let now_ms = self.shared.clock.now_ms();
        let limits = &self.shared.settings.limits;
        let Judgement { failures, parks } = bounce::judge(target.failures, &bounced.run, now_ms, limits);
        let retry = self.retry(bounced).filter(|_| !parks);
        let lagging = retry
            .filter(|_| !self.dispatcher.is_lagging(bounced.key))
            .map(|retry| self.new_row(bounced.key, retry));
        let is_news = target.failures != Some(failures) || lagging.is_some();
        let note = FailureNote { key: bounced.key, seen: target.failures, now: failures, lagging };
        let parking = Parking { subscription: subscription.id, jid: subscription.jid.clone(), failures };
        Some(Verdict {
            note: is_news.then_some(note),
            retry,
            park: parks.then(|| (target.name.clone(), parking)),
            key: bounced.key,
        })
    }

    /// What is sent again. One that lags already tries everything again that comes back: that costs little, and keeps
    /// its order.
    fn retry(&self, bounced: &PendingBounce) -> Option<Retry> {
        let from_seq = if self.dispatcher.is_lagging(bounced.key) {
            Some(bounced.oldest_seq)
        } else {
            bounced.oldest_retry_seq.filter(|_| self.dispatcher.may_lag())
        };
        let bytes = self.shared.ids.random_bytes();
        let random = u64::from_be_bytes(std::array::from_fn(|index| bytes[index]));
        from_seq.map(|from_seq| Retry { from_seq, random })
    }

    fn new_row(&self, key: SubscriptionKey, retry: Retry) -> LaggingRow {
        let wait_ms = self.dispatcher.first_backoff_ms(retry.random);
        LaggingRow {
            key,
            through_seq: retry.from_seq.saturating_sub(1),
            attempts: 1,
            due_at_ms: self.shared.clock.now_ms().saturating_add_unsigned(wait_ms),
        }
    }

    fn carry_out(&mut self, verdict: Verdict) {
        let Verdict { retry, park, key, .. } = verdict;
        if let Some(Retry { from_seq, random }) = retry {
            self.dispatcher.hold_back(key, from_seq, random);
        }
        if let Some((node, parking)) = park {
            // A deleted node's last notifications end here too, and nobody can be parked there.
            self.dispatcher.end_lagging(key);
            self.park(node, parking);
        }
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
