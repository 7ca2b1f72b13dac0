use bus_domain::push::PushLane;
use bus_engine::{PushCount, PushGauges, PushInCount, PushQueue, Pushes};

use super::family::Value;

/// What pushing shows at one moment.
pub(super) struct PushReading {
    counts: Vec<PushCount>,
    counts_in: Vec<PushInCount>,
    gauges: Vec<PushGauges>,
    queues: Vec<PushQueue>,
    now_ms: i64,
}

const LANE_LABELS: &[&str] = &["provider", "account"];

impl PushReading {
    pub(super) fn of(pushes: &Pushes, now_ms: i64) -> Self {
        let (counts, counts_in, gauges) = (pushes.counts(), pushes.counts_in(), pushes.gauges());
        Self { counts, counts_in, gauges, queues: pushes.measured_queues(), now_ms }
    }

    /// As if there were one, so that each metric has a sample.
    #[cfg(test)]
    pub(super) fn of_one_account() -> Self {
        let lane = PushLane::from(bus_domain::push::PushProvider::Apns);
        let count = PushCount { lane: lane.clone(), verdict: "delivered", reason: "accepted", count: 1 };
        let gauges = PushGauges {
            lane: lane.clone(),
            in_flight: 0,
            in_flight_limit: 16,
            is_in_trouble: false,
            is_usable: true,
            credentials_end_at_ms: Some(0),
            subscription_key: None,
        };
        let queue = PushQueue { lane, waiting: 1, oldest_enqueued_at_ms: 0 };
        let count_in = PushInCount { leg: "xmpp", result: "accepted", count: 1 };
        Self {
            counts: vec![count],
            counts_in: vec![count_in],
            gauges: vec![gauges],
            queues: vec![queue],
            now_ms: 0,
        }
    }

    /// What has come of pushes.
    pub(super) fn outcomes(&self) -> Value {
        let of = |count: &PushCount| {
            let mut labels = lane_labels(&count.lane);
            labels.extend([count.verdict.to_owned(), count.reason.to_owned()]);
            (labels, count.count)
        };
        Value::LabelledBy(
            &["provider", "account", "category", "reason"],
            self.counts.iter().map(of).collect(),
        )
    }

    /// What has come of pushes that came in.
    pub(super) fn taken_in(&self) -> Value {
        let of = |it: &PushInCount| (vec![it.leg.to_owned(), it.result.to_owned()], it.count);
        Value::LabelledBy(&["leg", "result"], self.counts_in.iter().map(of).collect())
    }

    /// A number of each account.
    pub(super) fn by_account(&self, number: impl Fn(&PushGauges) -> u64) -> Value {
        let of = |gauges: &PushGauges| (lane_labels(&gauges.lane), number(gauges));
        Value::LabelledBy(LANE_LABELS, self.gauges.iter().map(of).collect())
    }

    /// Jobs that wait.
    pub(super) fn queued(&self) -> Value {
        self.by_queue(|queue| queue.waiting)
    }

    /// How long the oldest of them waits.
    pub(super) fn oldest_seconds(&self) -> Value {
        self.by_queue(|queue| seconds(self.now_ms.saturating_sub(queue.oldest_enqueued_at_ms)))
    }

    /// For how long what we show the providers still counts.
    pub(super) fn credentials_end_in_seconds(&self) -> Value {
        let of = |gauges: &PushGauges| {
            let at_ms = gauges.credentials_end_at_ms?;
            Some((lane_labels(&gauges.lane), seconds(at_ms.saturating_sub(self.now_ms))))
        };
        Value::LabelledBy(LANE_LABELS, self.gauges.iter().filter_map(of).collect())
    }

    fn by_queue(&self, number: impl Fn(&PushQueue) -> u64) -> Value {
        let of = |queue: &PushQueue| (lane_labels(&queue.lane), number(queue));
        Value::LabelledBy(LANE_LABELS, self.queues.iter().map(of).collect())
    }
}

fn lane_labels(lane: &PushLane) -> Vec<String> {
    vec![lane.provider.as_str().to_owned(), lane.account.as_str().to_owned()]
}

fn seconds(ms: i64) -> u64 {
    u64::try_from(ms / 1_000).unwrap_or(0)
}
