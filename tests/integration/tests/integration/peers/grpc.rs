mod push;

use std::fs;

use bridge_grpc::v1;
use bridge_grpc::v1::new_event::Payload;
use bridge_grpc::v1::nodes_client::NodesClient;
use bridge_grpc::v1::operations_client::OperationsClient;
use bridge_grpc::v1::publisher_client::PublisherClient;
use bridge_grpc::v1::subscriber_client::SubscriberClient;
use bridge_grpc::v1::subscriptions_client::SubscriptionsClient;
use bus_cloudevents::protobuf::v1::CloudEvent;
use harness::Daemon;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};

/// Somebody with a token.
#[derive(Clone)]
pub(crate) struct GrpcCaller {
    channel: Channel,
    authorization: MetadataValue<Ascii>,
}

impl GrpcCaller {
    /// The holder of the token that `init` wrote. Connects with the first call.
    pub(crate) fn new(daemon: &Daemon) -> Self {
        let token = fs::read_to_string(daemon.folder().join("stanzabus.token")).expect("`init` wrote it");
        Self::holding(token.trim(), daemon)
    }

    /// The holder of another token. Connects with the first call.
    pub(crate) fn holding(token: &str, daemon: &Daemon) -> Self {
        Self::at(daemon.grpc_port(), token)
    }

    /// The holder of a token, towards a loopback port. Connects with the first call.
    pub(crate) fn at(port: u16, token: &str) -> Self {
        let endpoint = format!("http://127.0.0.1:{port}");
        Self {
            channel: Endpoint::from_shared(endpoint).expect("an address").connect_lazy(),
            authorization: format!("Bearer {token}").parse().expect("plain characters"),
        }
    }

    /// Creates a node.
    pub(crate) async fn create_node(&self, name: &str) -> Result<(), Status> {
        self.create_node_with(name, v1::NodeConfig::default()).await
    }

    /// Creates a node that differs from the defaults.
    pub(crate) async fn create_node_with(&self, name: &str, config: v1::NodeConfig) -> Result<(), Status> {
        let request = v1::CreateNodeRequest {
            name: name.to_owned(),
            config: Some(config),
            ..v1::CreateNodeRequest::default()
        };
        NodesClient::new(self.channel.clone()).create_node(self.with_token(request)).await.map(drop)
    }

    /// Deletes a node.
    pub(crate) async fn delete_node(&self, name: &str) -> Result<(), Status> {
        let request = v1::DeleteNodeRequest { name: name.to_owned(), ..Default::default() };
        NodesClient::new(self.channel.clone()).delete_node(self.with_token(request)).await.map(drop)
    }

    /// Publishes one event and returns its position.
    pub(crate) async fn publish(&self, node: &str, item_id: &str, xml: &str) -> Result<u64, Status> {
        let event =
            v1::NewEvent { item_id: Some(item_id.to_owned()), payload: Some(Payload::Xml(xml.to_owned())) };
        let request = v1::PublishRequest {
            node: node.to_owned(),
            events: vec![event],
            ..v1::PublishRequest::default()
        };
        let mut publisher = PublisherClient::new(self.channel.clone());
        let response = publisher.publish(self.with_token(request)).await?.into_inner();
        Ok(response.results[0].seq)
    }

    /// Publishes one event under an id that the bus makes, with a request of this id.
    pub(crate) async fn publish_once(
        &self,
        node: &str,
        request_id: &str,
        xml: &str,
    ) -> Result<v1::PublishResponse, Status> {
        let payload = Some(Payload::Xml(xml.to_owned()));
        let request = v1::PublishRequest {
            node: node.to_owned(),
            events: vec![v1::NewEvent { item_id: None, payload }],
            request_id: request_id.to_owned(),
            ..v1::PublishRequest::default()
        };
        let mut publisher = PublisherClient::new(self.channel.clone());
        publisher.publish(self.with_token(request)).await.map(Response::into_inner)
    }

    /// Publishes one CloudEvent.
    pub(crate) async fn publish_cloud_event(&self, node: &str, event: CloudEvent) -> Result<(), Status> {
        let event = v1::NewEvent { item_id: None, payload: Some(Payload::CloudEvent(Box::new(event))) };
        let events = vec![event];
        let request = v1::PublishRequest { node: node.to_owned(), events, ..v1::PublishRequest::default() };
        PublisherClient::new(self.channel.clone()).publish(self.with_token(request)).await.map(drop)
    }

    /// Publishes so many events with one call.
    pub(crate) async fn publish_many(&self, node: &str, events: usize) -> Result<(), Status> {
        let payload = Some(Payload::Xml("<e xmlns='urn:example:event'/>".to_owned()));
        let events = vec![v1::NewEvent { item_id: None, payload }; events];
        let request = v1::PublishRequest { node: node.to_owned(), events, ..v1::PublishRequest::default() };
        PublisherClient::new(self.channel.clone()).publish(self.with_token(request)).await.map(drop)
    }

    /// A node as it stands.
    pub(crate) async fn node(&self, name: &str) -> Result<v1::Node, Status> {
        let request = v1::GetNodeRequest { name: name.to_owned() };
        let response = NodesClient::new(self.channel.clone()).get_node(self.with_token(request)).await?;
        Ok(response.into_inner().node.expect("an answer holds the node"))
    }

    /// All items of a node, oldest first.
    pub(crate) async fn items(&self, node: &str) -> Result<Vec<v1::Event>, Status> {
        let request = v1::ListItemsRequest {
            node: node.to_owned(),
            selection: None,
            ..v1::ListItemsRequest::default()
        };
        let response = NodesClient::new(self.channel.clone()).list_items(self.with_token(request)).await?;
        Ok(response.into_inner().items)
    }

    /// Takes an item back.
    pub(crate) async fn retract(&self, node: &str, item_id: &str) -> Result<(), Status> {
        let item_ids = vec![item_id.to_owned()];
        let request = v1::RetractItemsRequest { node: node.to_owned(), item_ids, notify: None };
        NodesClient::new(self.channel.clone()).retract_items(self.with_token(request)).await.map(drop)
    }

    /// Gives somebody a standing on a node.
    pub(crate) async fn affiliate(
        &self,
        node: &str,
        jid: &str,
        affiliation: v1::Affiliation,
    ) -> Result<(), Status> {
        let entry = v1::AffiliationEntry { jid: jid.to_owned(), affiliation: affiliation.into() };
        let request = v1::SetAffiliationsRequest { node: node.to_owned(), entries: vec![entry] };
        NodesClient::new(self.channel.clone()).set_affiliations(self.with_token(request)).await.map(drop)
    }

    /// Reads a node's log from now on.
    pub(crate) async fn tail(&self, node: &str) -> Result<Streaming<v1::TailResponse>, Status> {
        self.tail_as(node, v1::PayloadFormat::Unspecified).await
    }

    /// As [`Self::tail`], with payloads in this format.
    pub(crate) async fn tail_as(
        &self,
        node: &str,
        payload_format: v1::PayloadFormat,
    ) -> Result<Streaming<v1::TailResponse>, Status> {
        let payload_format = payload_format.into();
        let request = v1::TailRequest { node: node.to_owned(), payload_format, ..v1::TailRequest::default() };
        let mut subscriber = SubscriberClient::new(self.channel.clone());
        subscriber.tail(self.with_token(request)).await.map(Response::into_inner)
    }

    /// Reads a node's log from its oldest event on.
    pub(crate) async fn tail_from_start(&self, node: &str) -> Result<Streaming<v1::TailResponse>, Status> {
        let start = Some(v1::tail_request::Start::Earliest(true));
        let request = v1::TailRequest { node: node.to_owned(), start, ..v1::TailRequest::default() };
        let mut subscriber = SubscriberClient::new(self.channel.clone());
        subscriber.tail(self.with_token(request)).await.map(Response::into_inner)
    }

    /// Makes a durable subscription that begins at the oldest event.
    pub(crate) async fn create_subscription(
        &self,
        name: &str,
        config: v1::SubscriptionConfig,
    ) -> Result<(), Status> {
        let start = Some(v1::StartPosition { at: Some(v1::start_position::At::Earliest(true)) });
        let request = v1::CreateSubscriptionRequest { name: name.to_owned(), config: Some(config), start };
        let mut subscriptions = SubscriptionsClient::new(self.channel.clone());
        subscriptions.create_subscription(self.with_token(request)).await.map(drop)
    }

    /// What a durable subscription still has to do.
    pub(crate) async fn backlog(&self, name: &str) -> Result<v1::GetBacklogResponse, Status> {
        let request = v1::GetBacklogRequest { name: name.to_owned() };
        let mut subscriptions = SubscriptionsClient::new(self.channel.clone());
        subscriptions.get_backlog(self.with_token(request)).await.map(Response::into_inner)
    }

    /// Reads a durable subscription: the first request opens it.
    pub(crate) async fn subscribe(
        &self,
        requests: mpsc::Receiver<v1::SubscribeRequest>,
    ) -> Result<Streaming<v1::SubscribeResponse>, Status> {
        let mut subscriber = SubscriberClient::new(self.channel.clone());
        let requests = self.with_token(ReceiverStream::new(requests));
        subscriber.subscribe(requests).await.map(Response::into_inner)
    }

    /// What the daemon tells operators, from its start on.
    pub(crate) async fn advisories(&self) -> Result<Streaming<v1::StreamAdvisoriesResponse>, Status> {
        let request = self.with_token(v1::StreamAdvisoriesRequest { include_recent: true });
        let mut operations = OperationsClient::new(self.channel.clone());
        operations.stream_advisories(request).await.map(Response::into_inner)
    }

    fn with_token<Message>(&self, message: Message) -> Request<Message> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.authorization.clone());
        request
    }
}
