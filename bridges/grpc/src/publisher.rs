use bus_domain::{Actor, BusError, Limits, NodeName, publish};
use bus_engine::{Command, Engine, Outcome, Published, Verb, payload_from_text};
use futures::FutureExt as _;
use futures::future::{self, BoxFuture};
use futures::stream::BoxStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::auth::{authenticated, authenticated_stream};
use crate::convert::{durability_to_message, item_id, node_name};
use crate::publish_stream::answers;
use crate::status::{field_status, status};
use crate::v1;

/// The server of the service, over [`PublisherService`].
pub(crate) type PublisherServer = v1::publisher_server::PublisherServer<PublisherService>;

/// `stanzabus.v1.Publisher`.
#[derive(Debug)]
pub(crate) struct PublisherService {
    pub(crate) engine: Engine,
    pub(crate) shutdown: CancellationToken,
}

#[tonic::async_trait]
impl v1::publisher_server::Publisher for PublisherService {
    async fn publish(
        &self,
        request: Request<v1::PublishRequest>,
    ) -> Result<Response<v1::PublishResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let node = node_name("node", &message.node)?;
        publish(&self.engine, actor, node, message.events).await.map(Response::new)
    }

    type PublishStreamStream = BoxStream<'static, Result<v1::PublishStreamResponse, Status>>;

    async fn publish_stream(
        &self,
        request: Request<Streaming<v1::PublishStreamRequest>>,
    ) -> Result<Response<Self::PublishStreamStream>, Status> {
        let (caller, batches) = authenticated_stream(request)?;
        Ok(Response::new(answers(self.engine.clone(), caller, batches, self.shutdown.clone())))
    }
}

/// Publishes events to a node, all of them or none. They have their place in the queue when this returns, whenever the
/// answer is awaited.
pub(crate) fn publish(
    engine: &Engine,
    actor: Actor,
    node: NodeName,
    events: Vec<v1::NewEvent>,
) -> BoxFuture<'static, Result<v1::PublishResponse, Status>> {
    let items = match new_items(events, &engine.settings().limits) {
        Ok(items) => items,
        Err(refused) => return future::ready(Err(refused)).boxed(),
    };
    let verb = Verb::Publish(publish::Request { items, ..publish::Request::default() });
    let answer = engine.submit(Command { actor, node, verb });
    let answer = answer.map(|answer| match answer {
        Ok(Outcome::Published(published)) => Ok(response(&published)),
        Ok(_) => Err(status(&BusError::Internal)),
        Err(error) => Err(status(&error)),
    });
    answer.boxed()
}

/// Counts before it parses: what will be refused costs little.
fn new_items(events: Vec<v1::NewEvent>, limits: &Limits) -> Result<Vec<publish::NewItem>, Status> {
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
    };
    Ok(publish::NewItem { id, payload })
}

fn response(published: &Published) -> v1::PublishResponse {
    let results = (published.first_seq..)
        .zip(&published.item_ids)
        .map(|(seq, item_id)| v1::PublishResult { seq, item_id: item_id.as_str().to_owned() });
    v1::PublishResponse {
        results: results.collect(),
        epoch: published.epoch.0,
        durability: durability_to_message(published.durability).into(),
    }
}
