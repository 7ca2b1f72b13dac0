//! `stanzabus.v1.Sources`, and how the services are read that it names.

mod reader;

use bus_domain::source::Source;
use bus_engine::{Engine, NewSource};
use outbound_http::Guard;
use tonic::{Request, Response, Status};

use crate::auth::authenticated;
use crate::convert::{bearer_token, check_uri, consumer_name, node_name, standing_to_message, timestamp};
use crate::paging::{page_size, page_token, token};
use crate::status::{invalid_field, status};
use crate::v1;

pub use reader::GrpcSourceReader;

/// The server of the service, over [`SourcesService`].
pub(crate) type SourcesServer = v1::sources_server::SourcesServer<SourcesService>;

/// `stanzabus.v1.Sources`.
#[derive(Debug)]
pub(crate) struct SourcesService {
    pub(crate) engine: Engine,
    /// Where sources may be.
    pub(crate) guard: Guard,
}

#[tonic::async_trait]
impl v1::sources_server::Sources for SourcesService {
    async fn create_source(
        &self,
        request: Request<v1::CreateSourceRequest>,
    ) -> Result<Response<v1::CreateSourceResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let wanted = message.source.ok_or_else(|| invalid_field("source", "must be set"))?;
        check_uri("source.uri", &wanted.uri, &self.guard)?;
        let new = NewSource {
            name: consumer_name("source.name", &wanted.name)?,
            node: node_name("source.node", &wanted.node)?,
            bearer_token: bearer_token("source.bearer_token", wanted.bearer_token)?,
            uri: wanted.uri,
        };
        let created = self.engine.create_source(&actor, new).await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::CreateSourceResponse { source: Some(to_message(&created)) }))
    }

    async fn get_source(
        &self,
        request: Request<v1::GetSourceRequest>,
    ) -> Result<Response<v1::GetSourceResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let name = consumer_name("name", &message.name)?;
        let source = self.engine.source(&actor, &name).await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::GetSourceResponse { source: Some(to_message(&source)) }))
    }

    async fn list_sources(
        &self,
        request: Request<v1::ListSourcesRequest>,
    ) -> Result<Response<v1::ListSourcesResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let after = page_token(&message.page_token, |text| consumer_name("page_token", text).ok())?;
        let page = self.engine.sources(&actor, after.as_ref(), page_size(message.page_size)).await;
        let page = page.map_err(|error| status(&error))?;
        Ok(Response::new(v1::ListSourcesResponse {
            sources: page.sources.iter().map(to_message).collect(),
            next_page_token: page.next_after.map_or_else(String::new, |name| token(name.as_str())),
        }))
    }

    async fn delete_source(
        &self,
        request: Request<v1::DeleteSourceRequest>,
    ) -> Result<Response<v1::DeleteSourceResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        let name = consumer_name("name", &message.name)?;
        self.engine.delete_source(&actor, &name).await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::DeleteSourceResponse {}))
    }
}

/// A source without what must not be shown.
fn to_message(source: &Source) -> v1::Source {
    v1::Source {
        name: source.name.as_str().to_owned(),
        owner: source.owner.to_string(),
        node: source.node.as_str().to_owned(),
        uri: source.uri.clone(),
        bearer_token: String::new(),
        create_time: Some(timestamp(source.created_at_ms)),
        resume_token: source.resume_token.clone(),
        standing: source.standing.as_ref().map(standing_to_message),
    }
}
