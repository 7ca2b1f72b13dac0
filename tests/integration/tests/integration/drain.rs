//! The way out: what was accepted is answered, what was delivered is not delivered again, and it never takes longer
//! than `drain_ms`.

use std::collections::BTreeSet;

use bridge_grpc::v1;
use bus_xml::Element;
use harness::{Daemon, XmppServer, wait_until};
use tokio::task::JoinSet;

use crate::peers::{
    DOMAIN, GrpcCaller, Notification, PATIENCE, XmppPeer, init, metric, prosody, wait_not_ready,
};
use crate::synced::Interposer;

const NODE: &str = "orders";
const OVER_GRPC: usize = 800;
/// Below what one sender may have under way.
const OVER_XMPP: usize = 200;

#[tokio::test]
async fn what_is_in_flight_at_sigterm_is_answered_and_nothing_is_missing_or_repeated_afterwards() {
    // Time for the proof of everything, also on a machine that does much else.
    let mut rig = Rig::start(&[("STANZABUS_LIMITS__DRAIN_MS", "100000")]).await;
    let mut bob = XmppPeer::user(&rig.prosody, "bob").await;
    bob.send("<presence/>").await;
    bob.subscribe(NODE, "bob@localhost").await;
    let mut alice = XmppPeer::user(&rig.prosody, "alice").await;

    rig.interposer.hold_syncs();
    let mut publishes = rig.publish_over_grpc();
    let requests: String = (0..OVER_XMPP).map(publish_iq).collect();
    alice.send(requests).await;
    rig.wait_for_queued(OVER_GRPC + OVER_XMPP).await;
    rig.daemon.signal("TERM").await.unwrap();
    wait_not_ready(&rig.daemon, "stopping").await;
    rig.interposer.release_syncs();

    let is_answer = |stanza: &&Element| stanza.name() == "iq";
    let answers = alice.receive_until(|stanzas| stanzas.iter().filter(is_answer).count() == OVER_XMPP);
    let (status, answers) = tokio::join!(rig.daemon.wait_for_end(), answers);
    assert_eq!(status.unwrap().code(), Some(0), "everything was finished");
    let mut acknowledged: BTreeSet<String> = answers
        .iter()
        .filter(|answer| answer.attr("type") == Some("result"))
        .filter_map(|answer| answer.attr("id").map(str::to_owned))
        .collect();
    while let Some(published) = publishes.join_next().await {
        acknowledged.extend(published.expect("no panic"));
    }
    assert_eq!(acknowledged.len(), OVER_GRPC + OVER_XMPP, "what was accepted is carried out");

    rig.daemon.start().unwrap();
    rig.daemon.wait_ready().await.unwrap();
    let last = GrpcCaller::new(&rig.daemon).publish(NODE, "last", "<e xmlns='urn:x'/>").await.unwrap();
    let is_last = |notification: Notification| notification.seq == last;
    let heard = bob.receive_until(|stanzas| stanzas.iter().filter_map(Notification::of).any(is_last)).await;
    let heard: Vec<_> = heard.iter().filter_map(Notification::of).collect();
    let seqs: Vec<_> = heard.iter().map(|notification| notification.seq).collect();
    assert_eq!(seqs, (1..=last).collect::<Vec<_>>(), "in order, without a hole, and none twice");
    let items: BTreeSet<_> = heard.into_iter().map(|notification| notification.item_id).collect();
    assert!(acknowledged.is_subset(&items), "missing: {:?}", acknowledged.difference(&items));
}

#[tokio::test]
async fn a_drain_that_takes_too_long_ends_with_status_3() {
    let mut rig = Rig::start(&[("STANZABUS_LIMITS__DRAIN_MS", "300")]).await;
    rig.interposer.hold_syncs();
    let _publishes = rig.publish_over_grpc();
    rig.wait_for_queued(OVER_GRPC).await;
    assert_eq!(rig.daemon.terminate().await.unwrap().code(), Some(3));
    rig.interposer.release_syncs();
}

#[tokio::test]
async fn a_second_signal_ends_at_once_with_status_3() {
    let mut rig = Rig::start(&[("STANZABUS_LIMITS__DRAIN_MS", "3600000")]).await;
    rig.interposer.hold_syncs();
    let _publishes = rig.publish_over_grpc();
    rig.wait_for_queued(OVER_GRPC).await;
    rig.daemon.signal("TERM").await.unwrap();
    wait_not_ready(&rig.daemon, "stopping").await;
    assert_eq!(rig.daemon.terminate().await.unwrap().code(), Some(3));
    rig.interposer.release_syncs();
}

/// A daemon behind a Prosody whose syncs can be held back, with a node that everyone may publish to.
struct Rig {
    daemon: Daemon,
    prosody: XmppServer,
    interposer: Interposer,
}

impl Rig {
    async fn start(environment: &[(&str, &str)]) -> Self {
        let interposer = Interposer::compile();
        let mut prosody = prosody();
        prosody.start().await.expect("Prosody starts");
        let mut daemon = init(prosody.component_port()).await;
        interposer.watch(&mut daemon);
        for (name, value) in environment {
            daemon.set_env(*name, *value);
        }
        daemon.start().expect("the daemon starts");
        daemon.wait_ready().await.expect("the daemon attaches");
        let open =
            v1::NodeConfig { publish_model: v1::PublishModel::Open.into(), ..v1::NodeConfig::default() };
        GrpcCaller::new(&daemon).create_node_with(NODE, open).await.expect("it may create");
        Self { daemon, prosody, interposer }
    }

    /// All at once; each returns its item's id when it is acknowledged.
    fn publish_over_grpc(&self) -> JoinSet<Option<String>> {
        let caller = GrpcCaller::new(&self.daemon);
        let publish = |number| {
            let caller = caller.clone();
            async move {
                let id = format!("grpc-{number}");
                caller.publish(NODE, &id, "<e xmlns='urn:x'/>").await.ok().map(|_| id)
            }
        };
        (0..OVER_GRPC).map(publish).collect()
    }

    async fn wait_for_queued(&self, commands: usize) {
        let is_queued = async || {
            let queued = metric(&self.daemon, "stanzabus_queued_commands ").await;
            (queued == commands as u64).then_some(())
        };
        wait_until("publishes under way", PATIENCE, is_queued).await.expect("they all wait for the sync");
    }
}

fn publish_iq(number: usize) -> String {
    let id = format!("xmpp-{number}");
    let item = format!("<item id='{id}'><e xmlns='urn:x'/></item>");
    let publish = format!("<publish node='{NODE}'>{item}</publish>");
    let pubsub = format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'>{publish}</pubsub>");
    format!("<iq type='set' to='{DOMAIN}' id='{id}'>{pubsub}</iq>")
}
