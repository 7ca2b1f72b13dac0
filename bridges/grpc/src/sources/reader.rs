use async_trait::async_trait;
use bus_cloudevents::hops::{HOPS_MAX, hops_of_message};
use bus_domain::Limits;
use bus_domain::source::Source;
use bus_engine::{SourceBatch, SourceReader, SourceStream, SourceTrouble};
use outbound_http::Dialer;
use tonic::{Request, Status, Streaming};
use tonic_types::StatusExt as _;

use crate::channel;
use crate::publisher::new_items;
use crate::v1;
use crate::v1::source_service_client::SourceServiceClient;

/// Bytes of one response: events within the limits, with what they are wrapped in.
const RESPONSE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Reads `stanzabus.v1.SourceService` of users.
pub struct GrpcSourceReader {
    dialer: Dialer,
    limits: Limits,
}

/// One open stream.
struct Reading {
    responses: Streaming<v1::ReadResponse>,
    limits: Limits,
}

impl GrpcSourceReader {
    /// Over connections that the dialer opens; what comes keeps these limits.
    pub fn new(dialer: Dialer, limits: Limits) -> Self {
        Self { dialer, limits }
    }
}

#[async_trait]
impl SourceReader for GrpcSourceReader {
    async fn open(&self, source: &Source) -> Result<Box<dyn SourceStream>, SourceTrouble> {
        let channel = channel::open(&self.dialer, &source.uri).map_err(SourceTrouble)?;
        let mut client = SourceServiceClient::new(channel).max_decoding_message_size(RESPONSE_BYTES_MAX);
        let mut request = Request::new(v1::ReadRequest {
            source: source.name.as_str().to_owned(),
            resume_token: source.resume_token.clone(),
        });
        channel::authorize(&mut request, source.bearer_token.as_ref()).map_err(trouble)?;
        let responses = client.read(request).await.map_err(trouble)?.into_inner();
        Ok(Box::new(Reading { responses, limits: self.limits.clone() }))
    }
}

#[async_trait]
impl SourceStream for Reading {
    async fn next(&mut self) -> Result<Option<SourceBatch>, SourceTrouble> {
        let Some(response) = self.responses.message().await.map_err(trouble)? else { return Ok(None) };
        let v1::ReadResponse { mut events, resume_token } = response;
        let before = events.len();
        events.retain(|event| !is_in_a_loop(event));
        if events.len() < before {
            tracing::warn!(
                events = before - events.len(),
                "a source sends what goes round in a loop; it is left out"
            );
        }
        let items = new_items(events, &self.limits).map_err(|refused| refusal(&refused))?;
        Ok(Some(SourceBatch { items, resume_token }))
    }
}

/// Whether an event has left a bus so often that it comes round again.
fn is_in_a_loop(event: &v1::NewEvent) -> bool {
    match &event.payload {
        Some(v1::new_event::Payload::CloudEvent(event)) => hops_of_message(event) >= HOPS_MAX,
        _ => false,
    }
}

/// What is wrong with a response, with the field that is at fault.
fn refusal(status: &Status) -> SourceTrouble {
    let violations = status.get_details_bad_request().map(|details| details.field_violations);
    let field = violations.into_iter().flatten().map(|violation| format!("{}: ", violation.field)).next();
    SourceTrouble(format!("{}{}", field.unwrap_or_default(), status.message()))
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err hands it over")]
fn trouble(status: Status) -> SourceTrouble {
    SourceTrouble(channel::reason(&status))
}
