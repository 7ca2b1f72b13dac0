use bus_domain::{BusError, Limits, publish};
use bus_engine::{Command, Engine, Outcome, Published, Verb, payload_from_text};
use tonic::{Request, Response, Status};

use crate::auth::authenticated;
use crate::convert::{durability_to_message, item_id, node_name};
use crate::status::{field_status, status};
use crate::v1;

/// The server of the service, over [`PublisherService`].
pub(crate) type PublisherServer = v1::publisher_server::PublisherServer<PublisherService>;

/// `stanzabus.v1.Publisher`.
#[derive(Debug)]
pub(crate) struct PublisherService {
    pub(crate) engine: Engine,
}

#[tonic::async_trait]
impl v1::publisher_server::Publisher for PublisherService {
    async fn publish(
        &self,
        request: Request<v1::PublishRequest>,
    ) -> Result<Response<v1::PublishResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let node = node_name("node", &message.node)?;
        let items = new_items(message.events, &self.engine.settings().limits)?;
        let verb = Verb::Publish(publish::Request { items, ..publish::Request::default() });
        match self.engine.execute(Command { actor, node, verb }).await {
            Ok(Outcome::Published(published)) => Ok(Response::new(response(&published))),
            Ok(_) => Err(status(&BusError::Internal)),
            Err(error) => Err(status(&error)),
        }
    }
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
