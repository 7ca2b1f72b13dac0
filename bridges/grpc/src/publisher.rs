use bus_admission::Departure;
use bus_cloudevents::{protobuf, xml};
use bus_domain::idempotency::IdempotencyKey;
use bus_domain::{Actor, BusError, Epoch, Limits, NodeName, Payload, publish};
use bus_engine::{Command, Engine, Outcome, Published, Verb, once, payload_from_text};
use futures::FutureExt as _;
use futures::future::{self, BoxFuture};
use futures::stream::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use crate::auth::{authenticated, authenticated_stream};
use crate::convert::{durability_to_message, event_field, item_id, node_name};
use crate::publish_stream::answers;
use crate::status::{field_status, invalid_field, shutting_down, status};
use crate::v1;

/// The server of the service, over [`PublisherService`].
pub(crate) type PublisherServer = v1::publisher_server::PublisherServer<PublisherService>;

/// `stanzabus.v1.Publisher`.
#[derive(Debug)]
pub(crate) struct PublisherService {
    pub(crate) engine: Engine,
    pub(crate) departure: Departure,
}

#[tonic::async_trait]
impl v1::publisher_server::Publisher for PublisherService {
    async fn publish(
        &self,
        request: Request<v1::PublishRequest>,
    ) -> Result<Response<v1::PublishResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let _under_way = self.departure.admit_publish().ok_or_else(shutting_down)?;
        let node = node_name("node", &message.node)?;
        let batch = Batch {
            events: message.events,
            request_id: message.request_id,
            once_per_cloud_event: message.once_per_cloud_event,
            expected_last_seq: message.expected_last_seq,
            expected_epoch: message.expected_epoch,
        };
        publish(&self.engine, actor, node, batch).await.map(Response::new)
    }

    type PublishStreamStream = BoxStream<'static, Result<v1::PublishStreamResponse, Status>>;

    async fn publish_stream(
        &self,
        request: Request<Streaming<v1::PublishStreamRequest>>,
    ) -> Result<Response<Self::PublishStreamStream>, Status> {
        let (caller, batches) = authenticated_stream(request)?;
        Ok(Response::new(answers(self.engine.clone(), caller, batches, self.departure.clone())))
    }
}

/// What is to be published together, however it came.
pub(crate) struct Batch {
    pub(crate) events: Vec<v1::NewEvent>,
    pub(crate) request_id: String,
    pub(crate) once_per_cloud_event: bool,
    pub(crate) expected_last_seq: Option<u64>,
    pub(crate) expected_epoch: Option<u64>,
}

/// Publishes events to a node, all of them or none. They have their place in the queue when this returns, whenever the
/// answer is awaited.
pub(crate) fn publish(
    engine: &Engine,
    actor: Actor,
    node: NodeName,
    batch: Batch,
) -> BoxFuture<'static, Result<v1::PublishResponse, Status>> {
    let request = match request(batch, &engine.settings().limits) {
        Ok(request) => request,
        Err(refused) => return future::ready(Err(refused)).boxed(),
    };
    let answer = engine.submit(Command { actor, node, verb: Verb::Publish(request) });
    let answer = answer.map(|answer| match answer {
        Ok(Outcome::Published(published)) => Ok(response(&published)),
        Ok(_) => Err(status(&BusError::Internal)),
        Err(error) => Err(status(&error)),
    });
    answer.boxed()
}

fn request(batch: Batch, limits: &Limits) -> Result<publish::Request, Status> {
    let Batch { events, request_id, once_per_cloud_event, expected_last_seq, expected_epoch } = batch;
    let expected_head = match (expected_last_seq, expected_epoch) {
        (None, None) => None,
        (None, Some(_)) => return Err(invalid_field("expected_epoch", "needs expected_last_seq beside it")),
        (Some(seq), epoch) => Some(publish::ExpectedHead { seq, epoch: epoch.map(Epoch) }),
    };
    let key = (!request_id.is_empty()).then(|| IdempotencyKey::new(&request_id)).transpose();
    let key = key.map_err(|problem| invalid_field("request_id", problem))?;
    let items = new_items(events, limits)?;
    let request = publish::Request { items, expected_head, ..publish::Request::default() };
    let once = match (key, once_per_cloud_event) {
        (Some(_), true) => {
            return Err(invalid_field("once_per_cloud_event", "cannot stand beside a request_id"));
        }
        (None, true) => Some(
            bus_engine::once_per_cloud_event(&request)
                .map_err(|problem| invalid_field("once_per_cloud_event", problem))?,
        ),
        (key, false) => key.map(|key| once(key, &request)),
    };
    Ok(publish::Request { once, ..request })
}

/// Counts before it parses: what will be refused costs little.
pub(crate) fn new_items(events: Vec<v1::NewEvent>, limits: &Limits) -> Result<Vec<publish::NewItem>, Status> {
    if events.len() > limits.request_items_max {
        return Err(field_status("events", &BusError::TooManyItems { items_max: limits.request_items_max }));
    }
    events.into_iter().enumerate().map(|(index, event)| new_item(index, event, limits)).collect()
}

fn new_item(index: usize, event: v1::NewEvent, limits: &Limits) -> Result<publish::NewItem, Status> {
    let id = event.item_id.map(|text| item_id(&format!("events[{index}].item_id"), &text)).transpose()?;
    let payload = match event.payload {
        None => None,
        Some(v1::new_event::Payload::Xml(xml)) => Some(
            payload_from_text(&xml, limits)
                .map_err(|error| field_status(&format!("events[{index}].xml"), &error))?,
        ),
        Some(v1::new_event::Payload::CloudEvent(message)) => {
            Some(cloud_event_payload(&format!("events[{index}].cloud_event"), *message, limits)?)
        }
    };
    Ok(publish::NewItem { id, payload })
}

/// What the bus keeps of a CloudEvent: itself, in the XML format.
fn cloud_event_payload(
    field: &str,
    message: protobuf::v1::CloudEvent,
    limits: &Limits,
) -> Result<Payload, Status> {
    let event = protobuf::from_message(message).map_err(|error| {
        let reason = error.to_string();
        field_status(&event_field(field, &error), &BusError::InvalidPayload { reason })
    })?;
    payload_from_text(&xml::write(&event), limits).map_err(|error| field_status(field, &error))
}

fn response(published: &Published) -> v1::PublishResponse {
    let results = (published.first_seq..)
        .zip(&published.item_ids)
        .map(|(seq, item_id)| v1::PublishResult { seq, item_id: item_id.as_str().to_owned() });
    v1::PublishResponse {
        results: results.collect(),
        epoch: published.epoch.0,
        durability: durability_to_message(published.durability).into(),
        duplicate: published.duplicate,
    }
}
