//! Presence-based delivery (XEP-0060 §12.6): the daemon asks its subscribers to see their presence, and goes by it.

use bus_xml::Element;
use harness::{ServerKind, XmppServer};

use crate::peers::{
    DOMAIN, Notification, StanzaKind, TO_US, XmppPeer, behind_each_server, kind_of, on_server,
};

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";

behind_each_server! {
    events_go_to_those_who_are_there,
    after_a_restart_those_who_are_there_are_found_again,
    directed_presence_is_as_good,
}

async fn events_go_to_those_who_are_there(kind: ServerKind) {
    let (server, _daemon) = on_server(kind).await;
    let mut room = Room::open(&server).await;
    room.publish("1").await;
    assert_eq!(room.bob_hears("1").await, (1, 0));

    room.bob.ask("<presence type='unavailable'/>", TO_US).await;
    room.publish("2").await;
    room.publish("3").await;
    // Bob comes before alice, so what is not sent to him by now is not sent.
    let heard = room.bob.ask("<presence/>", TO_US).await;
    assert!(!heard.iter().any(is_notification), "{heard:?}");
    room.publish("4").await;
    assert_eq!(room.bob_hears("4").await, (4, 3), "he sees that he has missed something");
}

async fn after_a_restart_those_who_are_there_are_found_again(kind: ServerKind) {
    let (server, mut daemon) = on_server(kind).await;
    let mut room = Room::open(&server).await;
    daemon.restart().await.expect("the daemon starts again");
    daemon.wait_ready().await.expect("the daemon attaches");
    room.publish("1").await;
    assert_eq!(room.bob_hears("1").await, (1, 0));
}

/// Whoever does not let us see its presence may show it.
async fn directed_presence_is_as_good(kind: ServerKind) {
    let (server, _daemon) = on_server(kind).await;
    let mut room = Room::open(&server).await;
    let mut mallory = XmppPeer::user(&server, "mallory").await;
    mallory.ask(&format!("<presence to='{DOMAIN}'/>"), TO_US).await;
    mallory.subscribe("n", "mallory@localhost/here").await;
    room.publish("1").await;
    mallory.receive_until(|stanzas| stanzas.iter().any(is_notification)).await;
    mallory.ask(&format!("<presence to='{DOMAIN}' type='unavailable'/>"), TO_US).await;
    for item in ["2", "3"] {
        room.publish(item).await;
    }
    // By the third one, the second is through with all.
    let heard = mallory.ask("", TO_US).await;
    assert!(!heard.iter().any(is_notification), "{heard:?}");
}

/// Alice's node `n` with two subscribers who let the daemon see their presence, bob before alice.
struct Room {
    alice: XmppPeer,
    bob: XmppPeer,
}

impl Room {
    async fn open(server: &XmppServer) -> Self {
        let (alice, bob) = (XmppPeer::user(server, "alice").await, XmppPeer::user(server, "bob").await);
        let mut room = Self { alice, bob };
        let form = "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>\
                    <value>http://jabber.org/protocol/pubsub#node_config</value></field>\
                    <field var='pubsub#presence_based_delivery'><value>1</value></field></x>";
        let create = format!("<create node='n'/><configure>{form}</configure>");
        let answer = room.alice.request("set", &format!("<pubsub xmlns='{PUBSUB}'>{create}</pubsub>")).await;
        assert_eq!(answer.attr("type"), Some("result"), "{answer:?}");
        for (user, name) in [(&mut room.bob, "bob"), (&mut room.alice, "alice")] {
            user.send("<presence/>").await;
            let subscribe = format!("<subscribe node='n' jid='{name}@localhost'/>");
            let subscribe = format!("<pubsub xmlns='{PUBSUB}'>{subscribe}</pubsub>");
            user.send(format!("<iq type='set' to='{DOMAIN}' id='subscribe'>{subscribe}</iq>")).await;
            user.receive_until(|stanzas| stanzas.iter().any(is_request)).await;
            user.ask(&format!("<presence type='subscribed' to='{DOMAIN}'/>"), TO_US).await;
        }
        room
    }

    /// Publishes, and waits until alice has heard of it: whoever subscribed before her has been dealt with.
    async fn publish(&mut self, item: &str) {
        let item = format!("<item id='{item}'><e xmlns='urn:example:event'/></item>");
        let publish = format!("<pubsub xmlns='{PUBSUB}'><publish node='n'>{item}</publish></pubsub>");
        self.alice.send(format!("<iq type='set' to='{DOMAIN}' id='publish'>{publish}</iq>")).await;
        let is_done = |it: &Element| kind_of(it) == StanzaKind::Result(Some("publish".to_owned()));
        let are_both =
            |stanzas: &[Element]| stanzas.iter().any(is_notification) && stanzas.iter().any(is_done);
        self.alice.receive_until(are_both).await;
    }

    /// The position of the next event that bob hears of, and of the one before.
    async fn bob_hears(&mut self, item: &str) -> (u64, u64) {
        let heard = self.bob.receive_until(|stanzas| stanzas.iter().any(is_notification)).await;
        let heard: Vec<_> = heard.iter().filter_map(Notification::of).collect();
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert_eq!(heard[0].item_id, item);
        (heard[0].seq, heard[0].after)
    }
}

/// The daemon asks to see somebody's presence.
fn is_request(stanza: &Element) -> bool {
    let is_ours = stanza.attr("from") == Some(DOMAIN);
    is_ours && stanza.name() == "presence" && stanza.attr("type") == Some("subscribe")
}

fn is_notification(stanza: &Element) -> bool {
    Notification::of(stanza).is_some()
}
