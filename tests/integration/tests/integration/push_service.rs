//! Real servers that push for a user who is away (XEP-0357): from the client's registration to what the push service gets.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bridge_grpc::v1;
use bus_xml::Element;
use harness::{Daemon, HttpRequest, ServerKind, XmppServer, http_get, http_send, wait_until};
use serde_json::{Value, json};

use crate::peers::{GrpcCaller, PATIENCE, XmppPeer, behind_each_server, impatient, init, server};
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
    let listed = daemon.cli(["push", "registrations", "--owner", "alice@localhost"]).await.unwrap();
    assert!(listed.contains(&node), "{listed}");

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
    // Its job is over when the device is judged.
    let caller = GrpcCaller::new(&daemon);
    let is_gone = async || {
        let jobs = caller.all_push_jobs().await;
        jobs.iter().any(|job| job.state() == v1::PushJobState::Dead).then_some(())
    };
    wait_until("the end of the device", PATIENCE, is_gone).await.unwrap();
    bob.send("<message type='chat' to='alice@localhost'><body>three</body></message>").await;
    wait_for_count(&daemon, "unknown", 1).await;
}

#[tokio::test]
async fn an_application_server_reaches_its_user_live_and_later() {
    let mut server = server(ServerKind::Prosody);
    server.start().await.unwrap();
    let mut daemon = init(server.component_port()).await;
    impatient(&mut daemon);
    let port = daemon.serve_api();
    daemon.set_env("STANZABUS_HTTP__PUBLIC_URL", format!("http://127.0.0.1:{port}"));
    add_to_config(&daemon, "[push.service]\n");
    daemon.start().unwrap();
    daemon.wait_ready().await.unwrap();
    let mut alice = XmppPeer::user(&server, "alice").await;
    alice.send("<presence/>").await;
    let answer = command(&mut alice, "register-web-push", &[("title", "Toots")]).await;
    let endpoint = value(&answer, "endpoint");
    let path = endpoint.strip_prefix(&format!("http://127.0.0.1:{port}")).expect("an address of ours");
    let push = |body: &str| {
        let request =
            HttpRequest { method: "POST", path: path.to_owned(), body: body.into(), headers: Vec::new() };
        request.header("TTL", "600").header("Content-Encoding", "aes128gcm")
    };
    assert_eq!(http_send(port, &push("live")).await.unwrap().status, 201);
    let says = |stanza: &Element, body: &str| bus_xml::serialise(stanza).contains(&STANDARD.encode(body));
    alice.receive_until(|stanzas| stanzas.iter().any(|stanza| says(stanza, "live"))).await;

    log_out(alice).await;
    daemon.terminate().await.unwrap();
    daemon.start().unwrap();
    daemon.wait_ready().await.unwrap();
    assert_eq!(http_send(port, &push("later")).await.unwrap().status, 201);
    let mut alice = XmppPeer::user(&server, "alice").await;
    let items = format!("<items node='{}'/>", value(&answer, "leads_to"));
    let pubsub = format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'>{items}</pubsub>");
    let found = alice.request("get", &pubsub).await;
    assert!(says(&found, "live") && says(&found, "later"), "{}", bus_xml::serialise(&found));
}

/// A daemon with the address that servers push to, and push services behind it.
async fn attached_with_push(server: &XmppServer) -> (Daemon, Services) {
    let mut daemon = init(server.component_port()).await;
    impatient(&mut daemon);
    let services = Services::start(&daemon).await;
    add_to_config(&daemon, "[push.service]\nbody = 'You have a message'\n");
    daemon.start().unwrap();
    daemon.wait_ready().await.unwrap();
    (daemon, services)
}

fn add_to_config(daemon: &Daemon, section: &str) {
    let config = fs::read_to_string(daemon.config_path()).unwrap();
    fs::write(daemon.config_path(), format!("{config}\n{section}")).unwrap();
}

/// What a client does: it registers its device, and has its own server push there. The node.
async fn enable(client: &mut XmppPeer) -> String {
    let device = [("provider", "fcm"), ("token", "token-1")];
    let answer = command(client, "register-device", &device).await;
    let (jid, node) = (value(&answer, "jid"), value(&answer, "node"));
    assert_eq!(jid, PUSH);
    let form_type = "http://jabber.org/protocol/pubsub#publish-options";
    let options = form(&[("FORM_TYPE", form_type), ("secret", &value(&answer, "secret"))]);
    let enable = format!("<enable xmlns='urn:xmpp:push:0' jid='{jid}' node='{node}'>{options}</enable>");
    ask(client, "", &enable).await;
    node
}

/// The answer to a command whose form comes with the first request.
async fn command(client: &mut XmppPeer, name: &str, fields: &[(&str, &str)]) -> Element {
    let node = format!("urn:stanzabus:push:1#{name}");
    let form = form(fields);
    let command =
        format!("<command xmlns='http://jabber.org/protocol/commands' node='{node}'>{form}</command>");
    ask(client, &format!("to='{PUSH}'"), &command).await
}

fn form(fields: &[(&str, &str)]) -> String {
    let field = |(var, value): &(&str, &str)| format!("<field var='{var}'><value>{value}</value></field>");
    let fields: String = fields.iter().map(field).collect();
    format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>")
}

/// The value of a field of the form that a command has answered with.
fn value(answer: &Element, var: &str) -> String {
    let command = answer.children().next().expect("a command");
    let form = command.children().find(|child| child.name() == "x").expect("a form");
    let field = form.children().find(|field| field.attr("var") == Some(var)).expect("a field");
    field.children().next().expect("a value").text()
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
