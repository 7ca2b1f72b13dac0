//! What becomes of notifications that come back: subscribers on another domain of the same server, which the test plays.

use bus_xml::Element;
use harness::{Daemon, RawStream, ServerKind, XmppServer};

use crate::peers::{
    DOMAIN, GrpcCaller, Notification, PATIENCE, SECRET, XmppPeer, assert_in_order, behind_each_server,
    impatient, init, metric, server,
};

/// The other domain, and its only user.
const REMOTE: &str = "remote.localhost";
const USER: &str = "user@remote.localhost";

behind_each_server!(
    a_domain_that_is_away_for_a_while_misses_nothing,
    forged_bounces_are_counted_and_change_nothing,
);

async fn a_domain_that_is_away_for_a_while_misses_nothing(kind: ServerKind) {
    let mut rig = Rig::start(kind).await;
    for number in 1..=5 {
        rig.publish(number).await;
    }
    rig.refuse_through(5, "stanzabus_bounces_retried_total", 15, "wait", "remote-server-timeout").await;
    assert_eq!(metric(&rig.daemon, "stanzabus_lagging_subscriptions").await, 1);
    for number in 6..=8 {
        rig.publish(number).await;
    }
    let heard = rig.hear_through(8).await;
    assert_eq!(assert_in_order(&heard, 1), 8);

    let caught_up =
        async || (metric(&rig.daemon, "stanzabus_lagging_subscriptions").await == 0).then_some(());
    harness::wait_until("the end of the lag", PATIENCE, caught_up)
        .await
        .expect("nothing comes back any more");
    rig.publish(9).await;
    assert_eq!(rig.hear_through(9).await.iter().filter(|one| one.seq == 9).count(), 1);
}

async fn forged_bounces_are_counted_and_change_nothing(kind: ServerKind) {
    let mut rig = Rig::start(kind).await;
    rig.publish(1).await;
    let message = rig.next_messages(|messages| !messages.is_empty()).await.remove(0);
    let id = message.attr("id").expect("a notification has an id").to_owned();
    for (from, id) in [
        ("mallory@remote.localhost", id.as_str()),
        (REMOTE, id.as_str()),
        (USER, "1"),
        (USER, &id.replace(&id[..4], "AAAB")),
    ] {
        rig.remote.send(bounce(from, id, "wait", "remote-server-timeout")).await;
    }
    let counted = async || (metric(&rig.daemon, "stanzabus_bounces_forged_total").await == 4).then_some(());
    harness::wait_until("the count", PATIENCE, counted).await.expect("all are counted");
    rig.publish(2).await;
    let heard = rig.hear_through(2).await;
    assert_eq!(heard.len(), 1, "event 1 does not come again: {heard:?}");
    assert_eq!(metric(&rig.daemon, "stanzabus_lagging_subscriptions").await, 0);
}

/// The bus, and the other domain, whose user is subscribed to the node `news`.
struct Rig {
    remote: XmppPeer,
    publisher: GrpcCaller,
    daemon: Daemon,
    _server: XmppServer,
}

impl Rig {
    async fn start(kind: ServerKind) -> Self {
        let mut server = server(kind).component(REMOTE, SECRET);
        server.start().await.expect("the server starts");
        let mut daemon = init(server.component_port()).await;
        impatient(&mut daemon);
        for (key, value) in [("BACKOFF_MS_MIN", "50"), ("BACKOFF_MS_MAX", "200"), ("QUIET_MS", "3000")] {
            daemon.set_env(format!("STANZABUS_LIMITS__LAGGING_{key}"), value);
        }
        daemon.start().expect("the daemon starts");
        daemon.wait_ready().await.expect("the daemon attaches");
        let publisher = GrpcCaller::new(&daemon);
        publisher.create_node("news").await.expect("it may create");
        let remote = RawStream::attach(server.component_port(), REMOTE, SECRET).await;
        let mut remote = XmppPeer::new(remote.expect("it attaches"));
        subscribe(&mut remote).await;
        Self { remote, publisher, daemon, _server: server }
    }

    async fn publish(&self, number: u64) {
        let payload = "<e xmlns='urn:example:event'/>";
        self.publisher.publish("news", &number.to_string(), payload).await.expect("it is published");
    }

    async fn next_messages(&mut self, enough: impl Fn(&[Element]) -> bool) -> Vec<Element> {
        let received = self.remote.receive_until(enough).await;
        received.into_iter().filter(|stanza| stanza.name() == "message").collect()
    }

    /// Sends everything back, in rounds up to this event, until the daemon has counted so much of it. Who took the end
    /// of a round whose beginning he sent back would see that end before it.
    async fn refuse_through(&mut self, seq: u64, name: &str, count: u64, kind: &str, condition: &str) {
        let is_last = |stanza: &Element| Notification::of(stanza).is_some_and(|one| one.seq == seq);
        while metric(&self.daemon, name).await < count {
            for message in self.next_messages(|stanzas| stanzas.iter().any(is_last)).await {
                let id = message.attr("id").expect("a notification has an id");
                self.remote.send(bounce(USER, id, kind, condition)).await;
            }
        }
    }

    /// Takes everything until an event of this position has come.
    async fn hear_through(&mut self, seq: u64) -> Vec<Notification> {
        let is_last = |stanza: &Element| Notification::of(stanza).is_some_and(|one| one.seq == seq);
        let heard = self.next_messages(|stanzas| stanzas.iter().any(is_last)).await;
        heard.iter().filter_map(Notification::of).collect()
    }
}

async fn subscribe(remote: &mut XmppPeer) {
    let subscribe = format!("<subscribe node='news' jid='{USER}'/>");
    let pubsub = format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'>{subscribe}</pubsub>");
    remote.send(format!("<iq type='set' from='{USER}' to='{DOMAIN}' id='s'>{pubsub}</iq>")).await;
    let is_answer = |stanza: &Element| stanza.attr("id") == Some("s");
    let received = remote.receive_until(|stanzas| stanzas.iter().any(is_answer)).await;
    assert!(received.iter().any(|stanza| is_answer(stanza) && stanza.attr("type") == Some("result")));
}

fn bounce(from: &str, id: &str, kind: &str, condition: &str) -> String {
    let condition = format!("<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>");
    let error = format!("<error type='{kind}'>{condition}</error>");
    format!("<message type='error' from='{from}' to='{DOMAIN}' id='{id}'>{error}</message>")
}
