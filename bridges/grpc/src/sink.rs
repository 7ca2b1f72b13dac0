//! Sinks: events of durable subscriptions, brought to `stanzabus.v1.SinkService` of users. Who is served, when, and what
//! follows, is the engine's ([`bus_engine::Carrier`]); here is what is said over gRPC.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bus_cloudevents::hops::count_hop_of_message;
use bus_domain::BareJid;
use bus_domain::consumer::destination::{Sink, SinkPayload};
use bus_domain::consumer::{Consumer, Destination};
use bus_engine::{Agreement, Brought, Carrier, Condition, Delivered, EventIds, Verdict};
use lru::LruCache;
use outbound_http::Dialer;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::channel::{self, reason};
use crate::convert::{PayloadForm, delivery_in_form, optional_ms};
use crate::v1;
use crate::v1::sink_service_client::SinkServiceClient;

/// Sinks whose connections are kept; those that were called the longest ago go first.
const CHANNELS_MAX: NonZeroUsize = NonZeroUsize::new(1_000).expect("it is not zero");
/// How long a sink may take to say that it is there.
const ASK_PATIENCE: Duration = Duration::from_secs(10);

/// Brings events to sinks.
pub struct SinkCarrier {
    service: BareJid,
    ids: EventIds,
    dialer: Dialer,
    channels: Mutex<LruCache<String, Channel>>,
}

impl SinkCarrier {
    /// For nodes of this service, with the ids of the engine, over connections that the dialer opens.
    pub fn new(service: BareJid, ids: EventIds, dialer: Dialer) -> Self {
        Self { service, ids, dialer, channels: Mutex::new(LruCache::new(CHANNELS_MAX)) }
    }

    async fn call(
        &self,
        sink: &Sink,
        request: v1::DeliverRequest,
        patience: Duration,
    ) -> Result<v1::DeliverResponse, Status> {
        let mut client = SinkServiceClient::new(self.channel(&sink.uri)?);
        let mut request = Request::new(request);
        request.set_timeout(patience);
        channel::authorize(&mut request, sink.bearer_token.as_ref())?;
        let answer = tokio::time::timeout(patience, client.deliver(request)).await;
        let late = |_| Status::deadline_exceeded(format!("no answer within {} s", patience.as_secs()));
        Ok(answer.map_err(late)??.into_inner())
    }

    fn channel(&self, uri: &str) -> Result<Channel, Status> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(uri) {
            return Ok(channel.clone());
        }
        let channel = channel::open(&self.dialer, uri).map_err(Status::failed_precondition)?;
        channels.put(uri.to_owned(), channel.clone());
        Ok(channel)
    }

    fn delivery(&self, sink: &Sink, delivered: &Delivered) -> v1::Delivery {
        let form = match sink.payload {
            SinkPayload::CloudEvent => PayloadForm::CloudEvent { service: self.service.clone() },
            SinkPayload::Xml => PayloadForm::Xml,
        };
        let mut delivery = delivery_in_form(&self.ids, &form, delivered);
        delivery.lease_id.clear();
        let payload = delivery.event.as_mut().and_then(|event| event.payload.as_mut());
        if let Some(v1::event::Payload::CloudEvent(event)) = payload {
            count_hop_of_message(event);
        }
        delivery
    }
}

#[async_trait]
impl Carrier for SinkCarrier {
    fn serves(&self, destination: &Destination) -> bool {
        matches!(destination, Destination::Sink(_))
    }

    async fn ask(&self, consumer: &Consumer) -> Agreement {
        let Some(Destination::Sink(sink)) = &consumer.config.destination else {
            return Agreement::Refused { reason: "it is no sink".to_owned() };
        };
        let request =
            v1::DeliverRequest { subscription: consumer.name.as_str().to_owned(), deliveries: Vec::new() };
        match self.call(sink, request, ASK_PATIENCE).await {
            Ok(_) => Agreement::Agreed { requests_per_minute: None },
            Err(status) if is_no_answer(&status) => Agreement::Unanswered { reason: reason(&status) },
            Err(status) => Agreement::Refused { reason: reason(&status) },
        }
    }

    async fn bring(&self, consumer: &Consumer, events: &[Delivered], patience: Duration) -> Brought {
        const AGAIN: Verdict = Verdict::Later { delay_ms: None };
        let Some(Destination::Sink(sink)) = &consumer.config.destination else {
            let reason = "it is no sink".to_owned();
            return Brought::all(events.len(), AGAIN, Condition::Failing { reason });
        };
        let deliveries = events.iter().map(|delivered| self.delivery(sink, delivered)).collect();
        let request = v1::DeliverRequest { subscription: consumer.name.as_str().to_owned(), deliveries };
        match self.call(sink, request, patience).await {
            Ok(answer) => {
                Brought { verdicts: answer.results.iter().map(verdict).collect(), condition: Condition::Well }
            }
            Err(status) => Brought::all(events.len(), AGAIN, condition(&status)),
        }
    }
}

fn verdict(result: &v1::DeliverResult) -> Verdict {
    match result.outcome() {
        v1::DeliverOutcome::Taken => Verdict::Taken,
        v1::DeliverOutcome::Never => Verdict::Never,
        v1::DeliverOutcome::Unspecified | v1::DeliverOutcome::Later => {
            let delay_ms = optional_ms("delay", result.delay.as_ref()).unwrap_or_default();
            Verdict::Later { delay_ms }
        }
    }
}

/// How a sink is that answers with an error.
fn condition(status: &Status) -> Condition {
    let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
    match (status.code(), delay) {
        (Code::ResourceExhausted | Code::Unavailable, Some(delay)) => {
            Condition::Busy { wait_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX) }
        }
        _ => Condition::Failing { reason: reason(status) },
    }
}

/// Whether nobody has spoken who could refuse.
fn is_no_answer(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Unknown | Code::Internal | Code::ResourceExhausted
    )
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn what_a_sink_says_of_an_event_has_its_consequence() {
        let of = |outcome: v1::DeliverOutcome, delay| {
            verdict(&v1::DeliverResult { outcome: outcome.into(), delay })
        };
        let delay = Some(prost_types::Duration { seconds: 2, nanos: 0 });
        assert_eq!(of(v1::DeliverOutcome::Taken, delay), Verdict::Taken);
        assert_eq!(of(v1::DeliverOutcome::Never, None), Verdict::Never);
        assert_eq!(of(v1::DeliverOutcome::Later, delay), Verdict::Later { delay_ms: Some(2_000) });
        assert_eq!(of(v1::DeliverOutcome::Unspecified, None), Verdict::Later { delay_ms: None });
        let negative = Some(prost_types::Duration { seconds: -2, nanos: 0 });
        assert_eq!(of(v1::DeliverOutcome::Later, negative), Verdict::Later { delay_ms: None });
    }

    #[test]
    fn only_who_names_a_wait_is_waited_for() {
        let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(3)));
        for code in [Code::ResourceExhausted, Code::Unavailable] {
            let status = Status::with_error_details(code, "later", details.clone());
            assert_eq!(condition(&status), Condition::Busy { wait_ms: 3_000 });
            assert!(matches!(condition(&Status::new(code, "later")), Condition::Failing { .. }));
        }
        let status = Status::with_error_details(Code::Internal, "broken", details);
        assert_eq!(condition(&status), Condition::Failing { reason: "Internal: broken".to_owned() });
    }
}
