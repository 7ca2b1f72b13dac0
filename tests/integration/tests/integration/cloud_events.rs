//! CloudEvents between the legs: through a real server, which writes prefixes as it likes, nothing of an event is lost.

/// The events on which the formats are tested, too.
#[path = "../../../../src/bus-cloudevents/tests/formats/made.rs"]
mod made;

use std::fmt::Write as _;

use bridge_grpc::v1;
use bridge_grpc::v1::event::Payload;
use bridge_grpc::v1::tail_response::Frame;
use bus_cloudevents::protobuf::v1::CloudEvent;
use bus_cloudevents::protobuf::v1::cloud_event::Data;
use bus_cloudevents::{protobuf, xml};
use bus_xml::{Element, XmlLimits, escape_attribute, escape_text, parse_document, serialise};
use harness::{Daemon, ServerKind, XmppServer};
use minidom::Node;
use tokio::time::timeout;
use tonic::Streaming;

use crate::peers::{GrpcCaller, Notification, PATIENCE, XmppPeer, behind_each_server, init, server};

behind_each_server! {
    nothing_of_an_event_is_lost_between_grpc_and_xmpp,
    a_users_payload_arrives_on_grpc_as_the_same_infoset,
}

const SEEDS: u64 = 150;
const LIMITS: XmlLimits = XmlLimits { depth_max: 100, bytes_max: 1 << 20 };
const NODE: &str = "orders";

async fn nothing_of_an_event_is_lost_between_grpc_and_xmpp(kind: ServerKind) {
    let mut rig = Rig::start(kind).await;
    for seed in 0..SEEDS {
        let message = made::message(seed);
        let event = protobuf::from_message(message.clone()).expect("it keeps the rules");
        rig.operator.publish_cloud_event(NODE, message).await.expect("it is published");
        let kept = rig.notified().await;
        assert_eq!(xml::read(&kept, LIMITS), Ok(event.clone()), "to XMPP, seed {seed}: {kept}");
        assert_eq!(rig.arrived().await, protobuf::to_message(&event), "to gRPC, seed {seed}");

        let written = parse_document(&xml::write(&event), LIMITS).expect("it is XML");
        rig.publish_as_user(&prefixed(&written, 0)).await;
        assert_eq!(rig.arrived().await, protobuf::to_message(&event), "from XMPP to gRPC, seed {seed}");
        assert_eq!(xml::read(&rig.notified().await, LIMITS), Ok(event), "from XMPP to XMPP, seed {seed}");
    }
}

async fn a_users_payload_arrives_on_grpc_as_the_same_infoset(kind: ServerKind) {
    let mut rig = Rig::start(kind).await;
    for payload in [
        "<entry xmlns='http://www.w3.org/2005/Atom'><title>A &lt;b&gt; &amp; c</title></entry>",
        "<a:x xmlns:a='urn:1' xmlns:b='urn:2' b:c='1'><b:y>\n\t</b:y><z xmlns=''/></a:x>",
        "<event xmlns='http://cloudevents.io/xmlformat/V1' specversion='1.0'><id>no source</id></event>",
    ] {
        rig.publish_as_user(payload).await;
        let arrived = rig.arrived().await;
        let infoset = serialise(&parse_document(payload, LIMITS).expect("it is XML"));
        assert_eq!(arrived.data, Some(Data::TextData(infoset)));
        assert_eq!(arrived.r#type, "stanzabus.item.published");
        assert_eq!(arrived.source, "xmpp:events.localhost?;node=orders");
    }
}

/// The same infoset, with a prefix of its own for each element and each attribute in a namespace.
fn prefixed(element: &Element, depth: usize) -> String {
    let name = format!("p{depth}:{}", element.name());
    let mut out = format!("<{name} xmlns:p{depth}='");
    escape_attribute(&element.ns(), &mut out);
    out.push('\'');
    // What is in no namespace cannot have a prefix.
    if element.ns().is_empty() {
        return serialise(element);
    }
    for (index, ((namespace, name), value)) in element.attrs().iter().enumerate() {
        if namespace.is_none() {
            write!(out, " {name}='").expect("a String takes everything");
        } else {
            write!(out, " xmlns:q{index}='{namespace}' q{index}:{name}='")
                .expect("a String takes everything");
        }
        escape_attribute(value, &mut out);
        out.push('\'');
    }
    out.push('>');
    for node in element.nodes() {
        match node {
            Node::Element(child) => out.push_str(&prefixed(child, depth + 1)),
            Node::Text(text) => escape_text(text, &mut out),
        }
    }
    format!("{out}</{name}>")
}

/// A node, a reader of it over gRPC, and a user who is subscribed to it.
struct Rig {
    operator: GrpcCaller,
    frames: Streaming<v1::TailResponse>,
    user: XmppPeer,
    heard: Vec<String>,
    _daemon: Daemon,
    _server: XmppServer,
}

impl Rig {
    async fn start(kind: ServerKind) -> Self {
        let mut server = server(kind);
        server.start().await.expect("the server starts");
        let mut daemon = init(server.component_port()).await;
        daemon.start().expect("the daemon starts");
        daemon.wait_ready().await.expect("the daemon attaches");
        let operator = GrpcCaller::new(&daemon);
        let config = v1::NodeConfig {
            publish_model: v1::PublishModel::Open.into(),
            items_max: Some(10),
            ..v1::NodeConfig::default()
        };
        operator.create_node_with(NODE, config).await.expect("it may create");
        let frames = operator.tail_as(NODE, v1::PayloadFormat::CloudEvent).await.expect("it may read");
        let mut user = XmppPeer::user(&server, "bob").await;
        user.send("<presence/>").await;
        user.subscribe(NODE, "bob@localhost").await;
        Self { operator, frames, user, heard: Vec::new(), _daemon: daemon, _server: server }
    }

    /// The next event as gRPC has it.
    async fn arrived(&mut self) -> CloudEvent {
        loop {
            let response =
                timeout(PATIENCE, self.frames.message()).await.expect("it comes").expect("no error");
            if let Some(Frame::Event(event)) = response.expect("the stream goes on").frame {
                let Some(Payload::CloudEvent(event)) = event.payload else { panic!("{event:?}") };
                return *event;
            }
        }
    }

    /// The payload of the next notification.
    async fn notified(&mut self) -> String {
        while self.heard.is_empty() {
            let is_notification = |stanza: &Element| Notification::of(stanza).is_some();
            let received = self.user.receive_until(|stanzas| stanzas.iter().any(is_notification)).await;
            self.keep(&received);
        }
        self.heard.remove(0)
    }

    async fn publish_as_user(&mut self, payload: &str) {
        let publish = format!(
            "<iq type='set' to='events.localhost' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
             <publish node='{NODE}'><item>{payload}</item></publish></pubsub></iq>"
        );
        let received = self.user.ask(&publish, "to='events.localhost'").await;
        let answer = received.iter().find(|stanza| stanza.attr("id") == Some("p")).expect("it is answered");
        assert_eq!(answer.attr("type"), Some("result"), "{payload}: {answer:?}");
        self.keep(&received);
    }

    fn keep(&mut self, received: &[Element]) {
        let notifications = received.iter().filter_map(Notification::of);
        self.heard.extend(notifications.map(|it| it.payload.expect("it has its payload")));
    }
}
