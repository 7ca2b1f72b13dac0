//! Real servers that push for a user who is away (XEP-0357): from the client's registration to what the push service gets.

use std::fs;

use bus_xml::Element;
use harness::{Daemon, ServerKind, XmppServer, http_get, wait_until};
use serde_json::{Value, json};

use crate::peers::{PATIENCE, XmppPeer, behind_each_server, impatient, init, server};
use crate::push::services::Services;

const PUSH: &str = "push@events.localhost";

behind_each_server!(a_server_pushes_for_a_user_who_is_away_until_the_device_is_gone);

async fn a_server_pushes_for_a_user_who_is_away_until_the_device_is_gone(kind: ServerKind) {
    let mut server = server(kind).with_pushes();
    server.start().await.unwrap();
    let (daemon, services) = attached_with_push(&server).await;
    let mut alice = XmppPeer::user(&server, "alice").await;
    let node = enable(&mut alice).await;
    log_out(alice).await;

    let mut bob = XmppPeer::user(&server, "bob").await;
    bob.send("<message type='chat' to='alice@localhost'><body>one</body></message>").await;
    let received = services.received(1).await;
    let payload: Value = serde_json::from_str(received[0]["payload"].as_str().unwrap()).unwrap();
    assert_eq!(received[0]["provider"], "fcm");
    assert_eq!(payload["notification"]["body"], "You have a message", "{payload}");
    assert_eq!(payload["data"]["node"], node.as_str());
    // Prosody says "New Message!", ejabberd "New message".
    let said = payload["data"]["last-message-body"].as_str().unwrap().to_lowercase();
    assert!(said.starts_with("new message"), "{payload}");
    wait_for_count(&daemon, "accepted", 1).await;

    // The push after the one that the device has not taken is the one that ends the registration.
    let gone = json!([{ "fault": { "answer": { "status": 404, "reason": "UNREGISTERED" } } }]);
    services.script(&gone).await;
    bob.send("<message type='chat' to='alice@localhost'><body>two</body></message>").await;
    wait_for_count(&daemon, "accepted", 2).await;
    let is_gone = async || {
        let told = daemon.cli(["tail", "feedback", "--earliest", "--count", "1"]).await.ok()?;
        told.contains("device_removed").then_some(())
    };
    wait_until("the end of the device", PATIENCE, is_gone).await.unwrap();
    bob.send("<message type='chat' to='alice@localhost'><body>three</body></message>").await;
    wait_for_count(&daemon, "unknown", 1).await;
}

/// A daemon with the address that servers push to, and push services behind it.
async fn attached_with_push(server: &XmppServer) -> (Daemon, Services) {
    let mut daemon = init(server.component_port()).await;
    impatient(&mut daemon);
    let services = Services::start(&daemon).await;
    let config = fs::read_to_string(daemon.config_path()).unwrap();
    let section = "[push.service]\nbody = 'You have a message'\n";
    fs::write(daemon.config_path(), format!("{config}\n{section}")).unwrap();
    daemon.start().unwrap();
    daemon.wait_ready().await.unwrap();
    (daemon, services)
}

/// What a client does: it registers its device, and has its own server push there. The node.
async fn enable(client: &mut XmppPeer) -> String {
    let field = |var: &str, value: &str| format!("<field var='{var}'><value>{value}</value></field>");
    let device = [field("provider", "fcm"), field("token", "token-1")].concat();
    let command = format!(
        "<command xmlns='http://jabber.org/protocol/commands' node='urn:stanzabus:push:1#register-device'>\
         <x xmlns='jabber:x:data' type='submit'>{device}</x></command>"
    );
    let answer = ask(client, &format!("to='{PUSH}'"), &command).await;
    let command = answer.children().next().expect("a command");
    let form = command.children().find(|child| child.name() == "x").expect("a form");
    let value = |var: &str| {
        let field = form.children().find(|field| field.attr("var") == Some(var)).expect("a field");
        field.children().next().expect("a value").text()
    };
    let (jid, node) = (value("jid"), value("node"));
    assert_eq!(jid, PUSH);
    let form_type = field("FORM_TYPE", "http://jabber.org/protocol/pubsub#publish-options");
    let options = [form_type, field("secret", &value("secret"))].concat();
    let enable = format!(
        "<enable xmlns='urn:xmpp:push:0' jid='{jid}' node='{node}'>\
         <x xmlns='jabber:x:data' type='submit'>{options}</x></enable>"
    );
    ask(client, "", &enable).await;
    node
}

/// The result of a request.
async fn ask(client: &mut XmppPeer, to: &str, content: &str) -> Element {
    client.send(format!("<iq type='set' {to} id='ask'>{content}</iq>")).await;
    let is_answer = |stanza: &Element| stanza.attr("id") == Some("ask");
    let received = client.receive_until(|stanzas| stanzas.iter().any(is_answer)).await;
    let answer = received.into_iter().find(is_answer).expect("it was just seen");
    assert_eq!(answer.attr("type"), Some("result"), "{}", bus_xml::serialise(&answer));
    answer
}

async fn log_out(client: XmppPeer) {
    let mut stream = client.into_stream();
    stream.send("</stream:stream>").await.unwrap();
    stream.read_until_contains(PATIENCE, "</stream:stream>").await.unwrap();
}

async fn wait_for_count(daemon: &Daemon, result: &str, count: u64) {
    let line = format!("stanzabus_pushes_in_total{{leg=\"xmpp\",result=\"{result}\"}} {count}\n");
    let counted = async || {
        let metrics = http_get(daemon.http_port(), "/metrics").await.ok()?.body;
        metrics.contains(&line).then_some(())
    };
    wait_until(&line, PATIENCE, counted).await.unwrap();
}
