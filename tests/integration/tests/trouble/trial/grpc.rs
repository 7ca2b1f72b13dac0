use std::fs;

use bridge_grpc::v1;
use bridge_grpc::v1::new_event::Payload;
use bridge_grpc::v1::nodes_client::NodesClient;
use bridge_grpc::v1::publisher_client::PublisherClient;
use bridge_grpc::v1::subscriber_client::SubscriberClient;
use bridge_grpc::v1::tail_request::Start;
use bridge_grpc::v1::tail_response::Frame;
use harness::Daemon;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// The owner of every node of the trial, over gRPC. Its channel connects again by itself.
#[derive(Clone)]
pub(crate) struct Owner {
    channel: Channel,
    authorization: MetadataValue<Ascii>,
}

impl Owner {
    /// The holder of the token that `init` wrote.
    pub(crate) fn new(daemon: &Daemon) -> Self {
        let token = fs::read_to_string(daemon.folder().join("stanzabus.token")).expect("`init` wrote it");
        let endpoint = format!("http://127.0.0.1:{}", daemon.grpc_port());
        Self {
            channel: Endpoint::from_shared(endpoint).expect("an address").connect_lazy(),
            authorization: format!("Bearer {}", token.trim()).parse().expect("plain characters"),
        }
    }

    /// Publishes an item and returns its position.
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

    /// Bans somebody from a node, or lets it in again.
    pub(crate) async fn ban(&self, node: &str, jid: &str, is_banned: bool) -> Result<(), Status> {
        let affiliation = if is_banned { v1::Affiliation::Outcast } else { v1::Affiliation::None };
        let entry = v1::AffiliationEntry { jid: jid.to_owned(), affiliation: affiliation.into() };
        let request = v1::SetAffiliationsRequest { node: node.to_owned(), entries: vec![entry] };
        NodesClient::new(self.channel.clone()).set_affiliations(self.with_token(request)).await.map(drop)
    }

    /// The item ids of the whole log of a node, in the order of their positions, from 1 on.
    pub(crate) async fn log(&self, node: &str) -> Result<Vec<String>, Status> {
        let start = Some(Start::Earliest(true));
        let request = v1::TailRequest { node: node.to_owned(), start, ..v1::TailRequest::default() };
        let mut subscriber = SubscriberClient::new(self.channel.clone());
        let mut frames = subscriber.tail(self.with_token(request)).await?.into_inner();
        let (mut log, mut head) = (Vec::new(), None);
        while head != Some(log.len() as u64)
            && let Some(response) = frames.message().await?
        {
            match response.frame {
                Some(Frame::Opened(opened)) => head = Some(opened.head_seq),
                Some(Frame::Event(event)) => {
                    assert_eq!(event.seq, log.len() as u64 + 1, "the log has no hole");
                    log.push(event.item_id);
                }
                other => panic!("the log of {node} is whole, yet: {other:?}"),
            }
        }
        Ok(log)
    }

    fn with_token<Message>(&self, message: Message) -> Request<Message> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.authorization.clone());
        request
    }
}
