use bus_domain::bounce::{self, BounceClass, Judgement};
use bus_domain::park::Parking;
use bus_domain::{Limits, NodeName, Seq};
use bus_store::{DeliveryTarget, FailureNote, LaggingRow, SubscriptionKey};

use super::bounces::PendingBounce;
use super::state::Dispatcher;

/// What the rows make of what came back from one subscription's address.
#[derive(Debug)]
pub struct Judged {
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

/// What is to be sent again.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// This event, and all behind it.
    pub from_seq: Seq,
    random: u64,
}

/// The judgement of what came back. It asks for nothing: rows, time and randomness are given.
impl Dispatcher {
    /// Judges by the subscription's rows. `random` spreads the time at which the event is sent again.
    pub fn judge(
        &self,
        bounced: &PendingBounce,
        target: &DeliveryTarget,
        limits: &Limits,
        now_ms: i64,
        random: u64,
    ) -> Judged {
        let subscription = &target.recipient.subscription;
        let class = bounce::weigh(bounced.run.class, &subscription.jid, &bounced.from)
            .filter(|_| bounced.epoch == target.head.epoch && bounced.run.through_seq <= target.head.seq);
        if class.is_none_or(|class| class == BounceClass::Ignored) {
            return Judged { class, verdict: None };
        }
        let Judgement { failures, parks } = bounce::judge(target.failures, &bounced.run, now_ms, limits);
        let retry = self.retry(bounced, random).filter(|_| !parks);
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
        Judged { class, verdict: Some(verdict) }
    }

    /// Does what follows, once the note is stored. `Some` is to be parked, by the committer.
    pub fn carry_out(&mut self, verdict: Verdict) -> Option<(NodeName, Parking)> {
        let Verdict { retry, park, key, .. } = verdict;
        if let Some(Retry { from_seq, random }) = retry {
            self.hold_back(key, from_seq, random);
        }
        if park.is_some() {
            // A deleted node's last notifications end here too, and nobody can be parked there.
            self.end_lagging(key);
        }
        park
    }

    /// One that lags already tries everything again that comes back: that costs little, and keeps its order.
    fn retry(&self, bounced: &PendingBounce, random: u64) -> Option<Retry> {
        let from_seq = if self.is_lagging(bounced.key) {
            Some(bounced.oldest_seq)
        } else {
            bounced.oldest_retry_seq.filter(|_| self.may_lag())
        };
        from_seq.map(|from_seq| Retry { from_seq, random })
    }

    fn new_row(&self, key: SubscriptionKey, retry: Retry, now_ms: i64) -> LaggingRow {
        let wait_ms = self.first_backoff_ms(retry.random);
        LaggingRow {
            key,
            through_seq: retry.from_seq.saturating_sub(1),
            attempts: 1,
            due_at_ms: now_ms.saturating_add_unsigned(wait_ms),
        }
    }
}
