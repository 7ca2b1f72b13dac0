//! The daemon's gRPC API as the commands use it.

mod nodes;
mod push;
mod push_profiles;
mod sources;
mod subscriptions;

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::time::Duration;

use bridge_grpc::v1;
use bridge_grpc::v1::nodes_client::NodesClient;
use bridge_grpc::v1::operations_client::OperationsClient;
use bridge_grpc::v1::publisher_client::PublisherClient;
use bridge_grpc::v1::subscriber_client::SubscriberClient;
use futures::Stream;
use thiserror::Error;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status, Streaming};

use crate::config::ClientTls;

const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Why the daemon did not do what was asked.
#[derive(Debug, Error)]
pub(crate) enum GrpcError {
    /// Nobody listens.
    #[error(
        "no stanzabus answers on {address} ({message}); start it with `stanzabus serve`, or check [grpc] listen"
    )]
    Unreachable {
        /// Where.
        address: SocketAddr,
        /// What happened.
        message: String,
    },
    /// The token does not count.
    #[error("the daemon does not accept the token of grpc.client_token_file: {message}")]
    Token {
        /// What the daemon says.
        message: String,
    },
    /// An error as answer.
    #[error("the bus refuses to {what}: {} ({})", message, code_name(*code))]
    Refused {
        /// What was asked.
        what: String,
        /// The canonical code.
        code: Code,
        /// What the daemon says.
        message: String,
    },
}

/// A connection with a token.
#[derive(Debug, Clone)]
pub(crate) struct GrpcClient {
    service: InterceptedService<Channel, BearerToken>,
}

/// Puts the token on every call.
#[derive(Debug, Clone)]
struct BearerToken(MetadataValue<Ascii>);

impl Interceptor for BearerToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

impl GrpcClient {
    /// Connects.
    pub(crate) async fn connect(
        address: SocketAddr,
        token: &str,
        tls: Option<ClientTls>,
    ) -> Result<Self, GrpcError> {
        let unreachable =
            |error: &dyn StdError| GrpcError::Unreachable { address, message: root_cause(error) };
        let endpoint = endpoint(address, tls).map_err(|error| unreachable(&error))?;
        let channel =
            endpoint.connect_timeout(CONNECT_TIME).connect().await.map_err(|error| unreachable(&error))?;
        let mut bearer: MetadataValue<Ascii> = format!("Bearer {token}")
            .parse()
            .map_err(|_| GrpcError::Token { message: "it is not ASCII".to_owned() })?;
        bearer.set_sensitive(true);
        Ok(Self { service: InterceptedService::new(channel, BearerToken(bearer)) })
    }

    /// Publishes one item.
    pub(crate) async fn publish(
        &self,
        request: v1::PublishRequest,
    ) -> Result<v1::PublishResponse, GrpcError> {
        let what = format!("publish to {}", request.node);
        let answer = PublisherClient::new(self.service.clone()).publish(request).await;
        answer.map(tonic::Response::into_inner).map_err(|status| refused(what, &status))
    }

    /// Publishes batches, one after the other.
    pub(crate) async fn publish_stream(
        &self,
        batches: impl Stream<Item = v1::PublishStreamRequest> + Send + 'static,
    ) -> Result<Streaming<v1::PublishStreamResponse>, GrpcError> {
        let answers = PublisherClient::new(self.service.clone()).publish_stream(batches).await;
        answers.map(tonic::Response::into_inner).map_err(|status| refused("publish".to_owned(), &status))
    }

    /// Reads a durable subscription. The stream of requests begins with its opening.
    pub(crate) async fn subscribe(
        &self,
        requests: impl Stream<Item = v1::SubscribeRequest> + Send + 'static,
    ) -> Result<Streaming<v1::SubscribeResponse>, GrpcError> {
        let answers = SubscriberClient::new(self.service.clone()).subscribe(requests).await;
        answers
            .map(tonic::Response::into_inner)
            .map_err(|status| refused("read the subscription".to_owned(), &status))
    }

    /// Reads a node's log.
    pub(crate) async fn tail(
        &self,
        request: v1::TailRequest,
    ) -> Result<Streaming<v1::TailResponse>, GrpcError> {
        let what = format!("tail {}", request.node);
        let answer = SubscriberClient::new(self.service.clone()).tail(request).await;
        answer.map(tonic::Response::into_inner).map_err(|status| refused(what, &status))
    }

    /// Makes a node.
    pub(crate) async fn create(
        &self,
        request: v1::CreateNodeRequest,
    ) -> Result<v1::CreateNodeResponse, GrpcError> {
        let what = format!("create {}", request.name);
        let answer = self.nodes().create_node(request).await;
        answer.map(tonic::Response::into_inner).map_err(|status| refused(what, &status))
    }

    /// Changes a node's configuration.
    pub(crate) async fn configure(
        &self,
        request: v1::ConfigureNodeRequest,
    ) -> Result<v1::ConfigureNodeResponse, GrpcError> {
        let what = format!("configure {}", request.name);
        let answer = self.nodes().configure_node(request).await;
        answer.map(tonic::Response::into_inner).map_err(|status| refused(what, &status))
    }

    /// Removes a node.
    pub(crate) async fn delete(&self, name: &str, redirect: Option<String>) -> Result<(), GrpcError> {
        let redirect_uri = redirect.unwrap_or_default();
        let request = v1::DeleteNodeRequest { name: name.to_owned(), redirect_uri };
        let answer = self.nodes().delete_node(request).await;
        answer.map(drop).map_err(|status| refused(format!("delete {name}"), &status))
    }

    /// Removes all items of a node.
    pub(crate) async fn purge(&self, name: &str) -> Result<(), GrpcError> {
        let answer = self.nodes().purge_node(v1::PurgeNodeRequest { name: name.to_owned() }).await;
        answer.map(drop).map_err(|status| refused(format!("purge {name}"), &status))
    }

    /// Shows a node.
    pub(crate) async fn show(&self, name: &str) -> Result<v1::Node, GrpcError> {
        let answer = self.nodes().get_node(v1::GetNodeRequest { name: name.to_owned() }).await;
        let answer = answer.map_err(|status| refused(format!("show {name}"), &status))?;
        Ok(answer.into_inner().node.unwrap_or_default())
    }

    /// A page of nodes.
    pub(crate) async fn list(&self, page_token: String) -> Result<v1::ListNodesResponse, GrpcError> {
        let answer = self.nodes().list_nodes(v1::ListNodesRequest { page_size: 0, page_token }).await;
        answer.map(tonic::Response::into_inner).map_err(|status| refused("list nodes".to_owned(), &status))
    }

    /// Items of a node.
    pub(crate) async fn items(
        &self,
        request: v1::ListItemsRequest,
    ) -> Result<v1::ListItemsResponse, GrpcError> {
        let what = format!("list the items of {}", request.node);
        let answer = self.nodes().list_items(request).await;
        answer.map(tonic::Response::into_inner).map_err(|status| refused(what, &status))
    }

    /// Changes one standing.
    pub(crate) async fn affiliate(&self, node: &str, entry: v1::AffiliationEntry) -> Result<(), GrpcError> {
        let request = v1::SetAffiliationsRequest { node: node.to_owned(), entries: vec![entry] };
        let answer = self.nodes().set_affiliations(request).await;
        answer.map(drop).map_err(|status| refused(format!("change affiliations of {node}"), &status))
    }

    /// What the daemon is.
    pub(crate) async fn server_info(&self) -> Result<v1::GetServerInfoResponse, GrpcError> {
        let answer = self.operations().get_server_info(v1::GetServerInfoRequest {}).await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| refused("ask the server".to_owned(), &status))
    }

    /// Has the daemon let go of its clients.
    pub(crate) async fn drain(&self) -> Result<v1::DrainResponse, GrpcError> {
        let answer = self.operations().drain(v1::DrainRequest {}).await;
        answer.map(tonic::Response::into_inner).map_err(|status| refused("drain".to_owned(), &status))
    }

    /// Reads what an operator should know.
    pub(crate) async fn advisories(
        &self,
        include_recent: bool,
    ) -> Result<Streaming<v1::StreamAdvisoriesResponse>, GrpcError> {
        let answer =
            self.operations().stream_advisories(v1::StreamAdvisoriesRequest { include_recent }).await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| refused("read advisories".to_owned(), &status))
    }

    fn operations(&self) -> OperationsClient<InterceptedService<Channel, BearerToken>> {
        OperationsClient::new(self.service.clone())
    }

    fn nodes(&self) -> NodesClient<InterceptedService<Channel, BearerToken>> {
        NodesClient::new(self.service.clone())
    }
}

/// An error of the daemon's in its words.
pub(crate) fn refused(what: String, status: &Status) -> GrpcError {
    let message = status.message().lines().collect::<Vec<_>>().join(" ");
    match status.code() {
        Code::Unauthenticated => GrpcError::Token { message },
        code => GrpcError::Refused { what, code, message },
    }
}

/// The name in the gRPC specification, such as `NOT_FOUND`.
fn code_name(code: Code) -> String {
    let name = format!("{code:?}");
    let mut out = String::with_capacity(name.len() + 2);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

/// tonic says "transport error"; what happened is at the end of the chain.
fn root_cause(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn endpoint(address: SocketAddr, tls: Option<ClientTls>) -> Result<Endpoint, tonic::transport::Error> {
    let Some(ClientTls { authorities_pem, name, identity_pem }) = tls else {
        return Endpoint::from_shared(format!("http://{address}"));
    };
    let mut config = match authorities_pem {
        Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    if let Some((certificate, key)) = identity_pem {
        config = config.identity(Identity::from_pem(certificate, key));
    }
    config = config.domain_name(name.unwrap_or_else(|| address.ip().to_string()));
    Endpoint::from_shared(format!("https://{address}"))?.tls_config(config)
}
