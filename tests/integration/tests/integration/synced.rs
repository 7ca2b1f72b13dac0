//! Promise P1: a publish is answered after the sync of its transaction has returned, on each leg.
//!
//! A library preloaded into the daemon notes what the daemon reads and writes on sockets and what it syncs, in one
//! order, and holds syncs back when told to.

mod interposer;
mod trace;

pub(crate) use interposer::Interposer;

use std::pin::pin;
use std::time::Duration;

use bridge_grpc::v1;
use bus_xml::Element;
use harness::{Daemon, XmppServer};
use tokio::time::timeout;

use crate::peers::{DOMAIN, GrpcCaller, PATIENCE, XmppPeer, init, prosody};

const PUBLISHES: usize = 100;
const NODE: &str = "synced";

/// How long a reply is awaited that must not come. The daemon is known to be inside the sync by then.
const NO_REPLY_TIME: Duration = Duration::from_millis(300);

#[tokio::test]
async fn no_reply_is_written_before_its_sync_has_returned() {
    let rig = Rig::start().await;
    let mut violations = Vec::new();
    for mut leg in rig.legs().await {
        let tokens: Vec<_> = (0..PUBLISHES).map(|number| format!("{}-{number:03}", leg.name())).collect();
        for token in &tokens {
            leg.publish(token).await;
        }
        let trace = rig.interposer.trace();
        let checked = tokens.iter().map(|token| trace.check_synced_before_reply(token));
        let violated: Vec<_> = checked.filter_map(Result::err).collect();
        violations
            .extend(violated.first().map(|first| format!("{} of {PUBLISHES}: {first}", violated.len())));
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[tokio::test]
async fn no_reply_comes_while_a_sync_is_held_back() {
    let rig = Rig::start().await;
    for mut leg in rig.legs().await {
        let token = format!("{}-held", leg.name());
        rig.interposer.hold_syncs();
        {
            let mut reply = pin!(leg.publish(&token));
            tokio::select! {
                () = &mut reply => panic!("{token} is answered while its sync is held back"),
                () = rig.interposer.wait_for_held_sync(&token) => {}
            }
            let early = timeout(NO_REPLY_TIME, &mut reply).await;
            assert!(early.is_err(), "{token} is answered while its sync is held back");
            assert!(!rig.interposer.trace().is_answered(&token), "the answer is on its way");

            rig.interposer.release_syncs();
            reply.await;
        }
        let checked = rig.interposer.trace().check_synced_before_reply(&token);
        checked.unwrap_or_else(|violation| panic!("{violation}"));
    }
}

/// The reply comes while nothing can be synced. A publish on a synced node waits then, as the case above shows.
#[tokio::test]
async fn a_publish_on_a_relaxed_node_waits_for_no_sync() {
    let rig = Rig::start().await;
    let caller = GrpcCaller::new(&rig.daemon);
    let relaxed = v1::NodeConfig { durability: v1::Durability::Relaxed.into(), ..v1::NodeConfig::default() };
    caller.create_node_with("relaxed", relaxed).await.expect("it may create");
    rig.interposer.hold_syncs();
    let published =
        timeout(PATIENCE, caller.publish("relaxed", "unsynced", "<e xmlns='urn:example:event'/>"));
    let seq = published.await.expect("it waits for a sync that is held back").expect("it may publish");
    assert_eq!(seq, 1);
    rig.interposer.release_syncs();
}

/// A watched daemon behind a Prosody, with a node that everyone may publish to.
struct Rig {
    daemon: Daemon,
    prosody: XmppServer,
    interposer: Interposer,
}

impl Rig {
    async fn start() -> Self {
        let interposer = Interposer::compile();
        let mut prosody = prosody();
        prosody.start().await.expect("Prosody starts");
        let mut daemon = init(prosody.component_port()).await;
        interposer.watch(&mut daemon);
        daemon.start().expect("the daemon starts");
        daemon.wait_ready().await.expect("the daemon attaches");
        let open =
            v1::NodeConfig { publish_model: v1::PublishModel::Open.into(), ..v1::NodeConfig::default() };
        GrpcCaller::new(&daemon).create_node_with(NODE, open).await.expect("it may create");
        Self { daemon, prosody, interposer }
    }

    async fn legs(&self) -> [Leg; 2] {
        let alice = XmppPeer::user(&self.prosody, "alice").await;
        [Leg::Grpc(GrpcCaller::new(&self.daemon)), Leg::Xmpp(Box::new(alice))]
    }
}

/// A way into the bus.
enum Leg {
    Grpc(GrpcCaller),
    Xmpp(Box<XmppPeer>),
}

impl Leg {
    fn name(&self) -> &'static str {
        match self {
            Self::Grpc(_) => "grpc",
            Self::Xmpp(_) => "xmpp",
        }
    }

    /// Publishes and waits for the answer. Request and answer both hold `token`, which is the item's id.
    async fn publish(&mut self, token: &str) {
        match self {
            Self::Grpc(caller) => {
                caller.publish(NODE, token, "<e xmlns='urn:example:event'/>").await.expect("it may publish");
            }
            Self::Xmpp(alice) => {
                alice.send(publish_iq(token)).await;
                let is_answer = |stanza: &Element| stanza.attr("id") == Some(token);
                let received = alice.receive_until(|stanzas| stanzas.iter().any(is_answer)).await;
                let answer = received.into_iter().find(is_answer).expect("it was just seen");
                assert_eq!(answer.attr("type"), Some("result"), "{answer:?}");
            }
        }
    }
}

fn publish_iq(token: &str) -> String {
    let item = format!("<item id='{token}'><e xmlns='urn:example:event'/></item>");
    let publish = format!("<publish node='{NODE}'>{item}</publish>");
    let pubsub = format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'>{publish}</pubsub>");
    format!("<iq type='set' to='{DOMAIN}' id='{token}'>{pubsub}</iq>")
}
