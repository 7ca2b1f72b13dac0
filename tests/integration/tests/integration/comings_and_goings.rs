//! What follows when users come and go who let the daemon see their presence (XEP-0060 §12.2, §12.5, §16.4.4), behind
//! servers that say so each in its way.

use bus_xml::Element;
use harness::{Daemon, ServerKind, XmppServer, wait_until};

use crate::peers::{
    DOMAIN, Notification, PATIENCE, TO_US, XmppPeer, behind_each_server, impatient, init, metric, server,
};

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const ENDED: &str = "stanzabus_temporary_subscriptions_ended_total";

behind_each_server! {
    temporary_subscribers_who_went_while_the_daemon_was_down_are_found_out,
    a_temporary_subscription_ends_with_its_last_resource,
    who_comes_is_sent_the_newest_item_and_who_is_there_is_not,
    a_publisher_who_goes_takes_its_items_along,
}

/// Alice's node `n` with this field set, on a daemon that waits for answers as long as a test may.
async fn open(kind: ServerKind, field: &str, value: &str) -> (XmppServer, Daemon, XmppPeer) {
    let mut server = server(kind);
    server.start().await.expect("the server starts");
    let mut daemon = init(server.component_port()).await;
    impatient(&mut daemon);
    daemon.set_env("STANZABUS_LIMITS__PRESENCE_ANSWER_MS_MAX", "6000");
    daemon.start().expect("the daemon starts");
    daemon.wait_ready().await.expect("the daemon attaches");
    let mut alice = XmppPeer::user(&server, "alice").await;
    let form = format!(
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>\
         <value>http://jabber.org/protocol/pubsub#node_config</value></field>\
         <field var='{field}'><value>{value}</value></field></x>"
    );
    let create = format!("<create node='n'/><configure>{form}</configure>");
    let answer = alice.request("set", &format!("<pubsub xmlns='{PUBSUB}'>{create}</pubsub>")).await;
    assert_eq!(answer.attr("type"), Some("result"), "{answer:?}");
    (server, daemon, alice)
}

/// Comes, subscribes its account, and lets the daemon see its presence, which it asks for once.
async fn follow(user: &mut XmppPeer, name: &str) {
    user.send("<presence/>").await;
    let subscribe = format!("<subscribe node='n' jid='{name}@localhost'/>");
    let subscribe = format!("<pubsub xmlns='{PUBSUB}'>{subscribe}</pubsub>");
    user.send(format!("<iq type='set' to='{DOMAIN}' id='subscribe'>{subscribe}</iq>")).await;
    let_see(user).await;
}

async fn let_see(user: &mut XmppPeer) {
    user.receive_until(|stanzas| stanzas.iter().any(is_request)).await;
    user.ask(&format!("<presence type='subscribed' to='{DOMAIN}'/>"), TO_US).await;
}

async fn publish(user: &mut XmppPeer, item: &str) {
    let item = format!("<item id='{item}'><e xmlns='urn:example:event'/></item>");
    let publish = format!("<publish node='n'>{item}</publish>");
    let answer = user.request("set", &format!("<pubsub xmlns='{PUBSUB}'>{publish}</pubsub>")).await;
    assert_eq!(answer.attr("type"), Some("result"), "{answer:?}");
}

async fn wait_until_ended(daemon: &Daemon, count: u64) {
    let ended = wait_until("the end of subscriptions", PATIENCE, async || {
        (metric(daemon, ENDED).await == count).then_some(())
    });
    ended.await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn subscribers(alice: &mut XmppPeer) -> Vec<String> {
    let owner = "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><subscriptions node='n'/></pubsub>";
    let answer = alice.request("get", owner).await;
    let list = answer.children().next().and_then(|pubsub| pubsub.children().next()).expect("a list");
    list.children().filter_map(|it| it.attr("jid")).map(str::to_owned).collect()
}

async fn temporary_subscribers_who_went_while_the_daemon_was_down_are_found_out(kind: ServerKind) {
    let (server, mut daemon, mut alice) = open(kind, "pubsub#tempsub", "1").await;
    let mut bob = XmppPeer::user(&server, "bob").await;
    let mut mallory = XmppPeer::user(&server, "mallory").await;
    follow(&mut bob, "bob").await;
    follow(&mut mallory, "mallory").await;
    daemon.kill9().await.expect("it ends");
    bob.send("<presence type='unavailable'/></stream:stream>").await;
    bob.into_stream().read_to_close(PATIENCE).await.expect("the server says good-bye");
    daemon.start().expect("the daemon starts");
    daemon.wait_ready().await.expect("the daemon attaches");
    wait_until_ended(&daemon, 1).await;
    assert_eq!(subscribers(&mut alice).await, ["mallory@localhost"], "she was there all the time");
}

async fn a_temporary_subscription_ends_with_its_last_resource(kind: ServerKind) {
    let (server, daemon, mut alice) = open(kind, "pubsub#tempsub", "1").await;
    let mut bob = XmppPeer::user(&server, "bob").await;
    follow(&mut bob, "bob").await;
    bob.ask("<presence><show>away</show></presence>", TO_US).await;
    assert_eq!(subscribers(&mut alice).await, ["bob@localhost"], "he is there");
    bob.send("<presence type='unavailable'/>").await;
    wait_until_ended(&daemon, 1).await;
    assert_eq!(subscribers(&mut alice).await, Vec::<String>::new());
    bob.send("<presence/>").await;
    let told = bob.receive_until(|stanzas| stanzas.iter().any(|it| state(it).is_some())).await;
    assert_eq!(told.iter().find_map(state), Some("none".to_owned()), "he finds it when he is back");
}

async fn who_comes_is_sent_the_newest_item_and_who_is_there_is_not(kind: ServerKind) {
    let field = "pubsub#send_last_published_item";
    let (server, mut daemon, mut alice) = open(kind, field, "on_sub_and_presence").await;
    let mut bob = XmppPeer::user(&server, "bob").await;
    follow(&mut bob, "bob").await;
    bob.ask("<presence type='unavailable'/>", TO_US).await;
    publish(&mut alice, "1").await;
    bob.send("<presence/>").await;
    // The event itself has waited for him on the server, or is on its way.
    let heard = bob.receive_until(|stanzas| stanzas.iter().any(is_newest)).await;
    let newest = heard.iter().find(|it| is_newest(it)).expect("it was just seen");
    assert_eq!(newest.attr("to"), Some("bob@localhost/here"));
    assert!(newest.get_child("delay", "urn:xmpp:delay").is_some(), "{newest:?}");
    bob.ask("<presence><show>away</show></presence>", TO_US).await;
    daemon.restart().await.expect("the daemon starts again");
    daemon.wait_ready().await.expect("the daemon attaches");
    // The daemon has asked for him by the time that it tells him of an event.
    publish(&mut alice, "2").await;
    let is_second = |stanza: &Element| Notification::of(stanza).is_some_and(|it| it.item_id == "2");
    let mut heard = bob.receive_until(|stanzas| stanzas.iter().any(is_second)).await;
    heard.extend(bob.ask("<presence/>", TO_US).await);
    assert!(!heard.iter().any(is_newest), "he was there: {heard:?}");
}

async fn a_publisher_who_goes_takes_its_items_along(kind: ServerKind) {
    let (server, _daemon, mut alice) = open(kind, "pubsub#purge_offline", "1").await;
    let mut bob = XmppPeer::user(&server, "bob").await;
    let affiliate = "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><affiliations node='n'>\
                     <affiliation jid='bob@localhost' affiliation='publisher'/></affiliations></pubsub>";
    assert_eq!(alice.request("set", affiliate).await.attr("type"), Some("result"));
    bob.send("<presence/>").await;
    bob.ask("", TO_US).await;
    let item = "<item id='1'><e xmlns='urn:example:event'/></item>";
    let publish = format!("<pubsub xmlns='{PUBSUB}'><publish node='n'>{item}</publish></pubsub>");
    bob.send(format!("<iq type='set' to='{DOMAIN}' id='publish'>{publish}</iq>")).await;
    let_see(&mut bob).await;
    assert_eq!(items(&mut alice).await, 1);
    bob.send("<presence type='unavailable'/>").await;
    let gone = async || (items(&mut alice).await == 0).then_some(());
    wait_until("the end of his items", PATIENCE, gone).await.expect("he has gone");
}

async fn items(user: &mut XmppPeer) -> usize {
    let answer = user.request("get", &format!("<pubsub xmlns='{PUBSUB}'><items node='n'/></pubsub>")).await;
    let items = answer.children().next().and_then(|pubsub| pubsub.children().next()).expect("a list");
    items.children().filter(|child| child.name() == "item").count()
}

/// The daemon asks to see somebody's presence.
fn is_request(stanza: &Element) -> bool {
    let is_ours = stanza.attr("from") == Some(DOMAIN);
    is_ours && stanza.name() == "presence" && stanza.attr("type") == Some("subscribe")
}

/// An item that is sent to who comes: no event of the log, so without a position.
fn is_newest(stanza: &Element) -> bool {
    let event = stanza.get_child("event", "http://jabber.org/protocol/pubsub#event");
    let has_items = event.is_some_and(|event| event.children().any(|child| child.name() == "items"));
    has_items && Notification::of(stanza).is_none()
}

/// How a subscription stands, as its subscriber is told.
fn state(stanza: &Element) -> Option<String> {
    let event = stanza.get_child("event", "http://jabber.org/protocol/pubsub#event")?;
    let subscription = event.children().find(|child| child.name() == "subscription")?;
    subscription.attr("subscription").map(str::to_owned)
}
