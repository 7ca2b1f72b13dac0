use std::collections::BTreeMap;

use bus_domain::bounce::{self, BounceClass, Judgement};
use bus_domain::park::Parking;
use bus_domain::{Durability, Epoch, Limits, NodeName, Seq};
use bus_store::{DeliveryTarget, FailureNote, LaggingRow, SubscriptionKey};

use super::bounces::PendingBounce;
use super::state::Dispatcher;

/// What the rows make of what came back from one subscription's address.
#[derive(Debug)]
pub struct Judged {
    /// How many notifications came back.
    pub count: u64,
    /// What it says of the subscriber; `None` if it is none of the sender's business.
    pub class: Option<BounceClass>,
    /// What follows from it, if anything does.
    pub verdict: Option<Verdict>,
}

/// What is to be done about one subscription.
#[derive(Debug)]
pub struct Verdict {
    /// Which.
    pub key: SubscriptionKey,
    /// What is known of its failures, to be stored before anything else; `None` if that has not changed.
    pub note: Option<FailureNote>,
    /// What is to be sent again.
    pub retry: Option<Retry>,
    park: Option<(NodeName, Parking)>,
}

impl Verdict {
    /// Whether the subscription is to be parked.
    pub fn parks(&self) -> bool {
        self.park.is_some()
    }
}

/// What is to be sent again.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// This event, and all behind it.
    pub from_seq: Seq,
    /// The newest event that came back.
    through_seq: Seq,
    /// The life of the log that they are of.
    epoch: Epoch,
    random: u64,
}

/// The judgement of what came back. It asks for nothing: rows, time and randomness are given.
impl Dispatcher {
    /// Judges by the subscriptions' rows. `random` spreads the times at which events are sent again.
    pub fn judge(
        &self,
        pending: &[PendingBounce],
        targets: Vec<DeliveryTarget>,
        limits: &Limits,
        now_ms: i64,
        mut random: impl FnMut() -> u64,
    ) -> Vec<Judged> {
        let targets: BTreeMap<_, _> = targets.into_iter().map(|target| (target.key(), target)).collect();
        let mut new_rows = 0;
        let judge = |bounced: &PendingBounce| {
            let count = bounced.count;
            let Some(target) = targets.get(&bounced.key) else {
                // Ended or parked meanwhile.
                return Judged { count, class: Some(BounceClass::Ignored), verdict: None };
            };
            let may_lag = self.may_lag(new_rows);
            let (class, verdict) = self.judge_one(bounced, target, limits, now_ms, random(), may_lag);
            let has_row = |verdict: &Verdict| verdict.note.is_some_and(|note| note.lagging.is_some());
            new_rows += usize::from(verdict.as_ref().is_some_and(has_row));
            Judged { count, class, verdict }
        };
        pending.iter().map(judge).collect()
    }

    fn judge_one(
        &self,
        bounced: &PendingBounce,
        target: &DeliveryTarget,
        limits: &Limits,
        now_ms: i64,
        random: u64,
        may_lag: bool,
    ) -> (Option<BounceClass>, Option<Verdict>) {
        if target.config.durability == Durability::Memory {
            // Its log ends with the process, so nothing can be sent again, and nothing be said of later ones.
            return (Some(BounceClass::Ignored), None);
        }
        let subscription = &target.recipient.subscription;
        let class = bounce::weigh(bounced.run.class, &subscription.jid, &bounced.from)
            .filter(|_| bounced.epoch == target.head.epoch && bounced.run.through_seq <= target.head.seq);
        if class.is_none_or(|class| class == BounceClass::Ignored) {
            return (class, None);
        }
        let is_digest = subscription.options.digest;
        let oldest_seq = if is_digest { bounced.oldest_after_seq + 1 } else { bounced.oldest_seq };
        let attempt = self.attempt(bounced.key, oldest_seq);
        let Judgement { failures, parks } =
            bounce::judge(target.failures, &bounced.run, attempt, now_ms, limits);
        // Whoever lags does so until the parking is on disk: it may fail.
        let retry = self
            .retry(bounced, is_digest, random, may_lag)
            .filter(|_| !parks || self.is_lagging(bounced.key));
        let lagging = retry
            .filter(|_| !self.is_lagging(bounced.key))
            .map(|retry| self.new_row(bounced.key, retry, now_ms));
        let is_news = target.failures != Some(failures) || lagging.is_some();
        let note = FailureNote { key: bounced.key, seen: target.failures, now: failures, lagging };
        let parking = Parking { subscription: subscription.id, jid: subscription.jid.clone(), failures };
        let verdict = Verdict {
            key: bounced.key,
            note: is_news.then_some(note),
            retry,
            park: parks.then(|| (target.name.clone(), parking)),
        };
        (class, Some(verdict))
    }

    /// Does what follows, once the note is stored. `Some` is to be parked, by the committer; at a node that has been
    /// deleted nobody can be, and it lags no longer instead ([`Self::end_lagging`]).
    pub fn carry_out(&mut self, verdict: Verdict) -> Option<(NodeName, Parking)> {
        let Verdict { retry, park, key, .. } = verdict;
        if let Some(Retry { from_seq, through_seq, epoch, random }) = retry {
            self.hold_back(key, epoch, &(from_seq..=through_seq), random);
        }
        park
    }

    /// One that lags already tries everything again that comes back: that costs little, and keeps its order.
    fn retry(&self, bounced: &PendingBounce, is_digest: bool, random: u64, may_lag: bool) -> Option<Retry> {
        let from_seq = if self.is_lagging(bounced.key) {
            Some(bounced.oldest_seq)
        } else {
            bounced.oldest_retry_seq.filter(|_| may_lag)
        };
        // A digest is named by its last event, and sent again from its first.
        let from_seq = from_seq.map(|seq| if is_digest { bounced.oldest_after_seq + 1 } else { seq });
        let (through_seq, epoch) = (bounced.run.through_seq, bounced.epoch);
        from_seq.map(|from_seq| Retry { from_seq, through_seq, epoch, random })
    }

    fn new_row(&self, key: SubscriptionKey, retry: Retry, now_ms: i64) -> LaggingRow {
        let wait_ms = self.first_backoff_ms(retry.random);
        LaggingRow {
            key,
            epoch: retry.epoch,
            through_seq: self.taken_before(key, retry.from_seq),
            attempts: 1,
            due_at_ms: now_ms.saturating_add_unsigned(wait_ms),
        }
    }
}
