//! Strangers who all wait for an owner's approval: as many as a node takes, and one more.

use std::collections::BTreeSet;

use bus_xml::Element;
use harness::ScriptedServer;

use super::memory::{GROWTH_BYTES_MAX, resident_bytes};
use crate::peers::{DOMAIN, FROM_ALICE, StanzaKind, XmppPeer, impatient, init, kind_of};

/// What a node takes by default, in the long tier; else as many as there is time for.
fn strangers() -> usize {
    let is_long = std::env::var_os("STANZABUS_TEST_TIER").is_some_and(|tier| tier == "long");
    if is_long { 100_000 } else { 5_000 }
}

/// Strangers who ask at once.
const ASKING: usize = 100;
const FROM_MALLORY: &str = "from='mallory@localhost/here' to='events.localhost'";

#[tokio::test]
async fn whoever_waits_for_approval_costs_no_memory_and_is_asked_about() {
    let strangers = strangers();
    let server = ScriptedServer::start().await.expect("a free port");
    let mut daemon = init(server.port()).await;
    impatient(&mut daemon);
    daemon.set_env("STANZABUS_LIMITS__NODE_SUBSCRIPTIONS_MAX", strangers.to_string());
    daemon.start().expect("it starts");
    let mut peer = XmppPeer::new(server.accept_daemon().await.expect("it attaches"));
    create_closed(&mut peer).await;
    let bytes_before = resident_bytes(&daemon);

    for first in (0..strangers).step_by(ASKING) {
        let answers = subscribe_all(&mut peer, first..(first + ASKING).min(strangers)).await;
        assert!(answers.iter().all(|kind| matches!(kind, StanzaKind::Result(_))), "{answers:?}");
    }
    let one_more = subscribe_all(&mut peer, strangers..strangers + 1).await;
    let id = Some(format!("s{strangers}"));
    assert_eq!(one_more, [StanzaKind::Error(id, "policy-violation".to_owned())], "the node is full");
    assert_eq!(peer.ask("", FROM_MALLORY).await.len(), 0, "the next ping is answered");

    let asked = ask_about_all(&mut peer).await;
    assert_eq!(asked.len(), strangers, "each of them, once or more");
    let bytes_after = resident_bytes(&daemon);
    assert!(bytes_after < bytes_before + GROWTH_BYTES_MAX, "from {bytes_before} to {bytes_after} bytes");
}

/// Alice makes a node to which nobody is subscribed without her.
async fn create_closed(peer: &mut XmppPeer) {
    let form = "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
        <value>http://jabber.org/protocol/pubsub#node_config</value></field>\
        <field var='pubsub#access_model'><value>authorize</value></field></x>";
    let create = format!(
        "<iq type='set' id='c' {FROM_ALICE}><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
         <create node='closed'/><configure>{form}</configure></pubsub></iq>"
    );
    let answers = peer.ask(&create, FROM_ALICE).await;
    assert_eq!(kind_of(&answers[0]), StanzaKind::Result(Some("c".to_owned())));
}

/// Each stranger asks for himself; what they are answered, in any order. Those who ask at the same time are not in line.
async fn subscribe_all(peer: &mut XmppPeer, numbers: std::ops::Range<usize>) -> Vec<StanzaKind> {
    let count = numbers.len();
    let subscribe = |number| {
        let from = format!("s{number}@strangers.example");
        format!(
            "<iq type='set' id='s{number}' from='{from}/x' to='{DOMAIN}'>\
             <pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='closed' jid='{from}'/></pubsub></iq>"
        )
    };
    peer.send(numbers.map(subscribe).collect::<String>()).await;
    let is_answer = |stanza: &&Element| stanza.name() == "iq" && stanza.attr("type") != Some("get");
    let received = peer.receive_until(|stanzas| stanzas.iter().filter(is_answer).count() >= count).await;
    received.iter().filter(is_answer).map(kind_of).collect()
}

/// Alice goes through `get-pending`, a portion at a time: about whom she is asked.
async fn ask_about_all(peer: &mut XmppPeer) -> BTreeSet<String> {
    let mut asked = BTreeSet::new();
    let mut session = command(peer, "action='execute'", "", &mut asked).await.expect("somebody waits");
    let mut form =
        "<x xmlns='jabber:x:data' type='submit'><field var='pubsub#node'><value>closed</value></field></x>";
    while let Some(next) =
        command(peer, &format!("sessionid='{session}' action='next'"), form, &mut asked).await
    {
        (session, form) = (next, "");
    }
    let last = peer.ask("", FROM_ALICE).await;
    asked.extend(last.iter().filter_map(about));
    asked
}

/// One turn of the command; the session, if there is more to it.
async fn command(
    peer: &mut XmppPeer,
    attributes: &str,
    form: &str,
    asked: &mut BTreeSet<String>,
) -> Option<String> {
    let attributes = if form.is_empty() { attributes } else { &attributes.replace("next", "execute") };
    let command = format!(
        "<iq type='set' id='command' {FROM_ALICE}><command xmlns='http://jabber.org/protocol/commands' \
         node='http://jabber.org/protocol/pubsub#get-pending' {attributes}>{form}</command></iq>"
    );
    let received = peer.ask(&command, FROM_ALICE).await;
    asked.extend(received.iter().filter_map(about));
    let answer = received.iter().find(|stanza| stanza.attr("id") == Some("command")).expect("it is answered");
    let answer = answer.children().next().expect("a command");
    let is_executing = answer.attr("status") == Some("executing");
    is_executing.then(|| answer.attr("sessionid").expect("it has one").to_owned())
}

/// About whom a message asks; `None` if it is none.
fn about(stanza: &Element) -> Option<String> {
    let form = stanza.children().find(|child| child.is("x", "jabber:x:data"))?;
    let about = form.children().find(|field| field.attr("var") == Some("pubsub#subscriber_jid"))?;
    Some(about.children().next()?.text())
}
