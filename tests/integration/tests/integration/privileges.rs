//! XEP-0356: what the server lets the daemon do in the name of its users, and the access models that come of it.

use bus_xml::Element;
use harness::{Daemon, ServerKind, XmppServer, wait_until};

use crate::peers::{
    DOMAIN, FROM_ALICE, Notification, PATIENCE, StanzaKind, XmppPeer, attached, behind_each_server, kind_of,
    on_script, server,
};

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const ROSTER: &str = "jabber:iq:roster";
const ERRORS: &str = "http://jabber.org/protocol/pubsub#errors";

behind_each_server! {
    an_owners_roster_opens_a_node_and_closes_it,
    without_the_grant_nobody_is_let_in,
}

async fn an_owners_roster_opens_a_node_and_closes_it(kind: ServerKind) {
    let (server, _daemon) = privileged(kind).await;
    let [mut alice, mut bob, mut mallory] = users(&server).await;
    befriend(&mut alice, &mut bob).await;
    let colleague = "<item jid='mallory@localhost'><group>Work</group></item>";
    roster_set(&mut alice, colleague).await;
    create(&mut alice, "friends", "pubsub#access_model", "presence").await;
    create(&mut alice, "colleagues", "pubsub#access_model", "roster").await;
    configure(&mut alice, "colleagues", "pubsub#roster_groups_allowed", "Work").await;

    assert_eq!(condition(&subscribe(&mut bob, "colleagues", "bob").await), "not-in-roster-group");
    assert_eq!(
        condition(&subscribe(&mut mallory, "friends", "mallory").await),
        "presence-subscription-required"
    );
    for question in ["<items node='friends'/>", "<subscribe node='friends' jid='mallory@localhost'/>"] {
        let kind = if question.starts_with("<items") { "get" } else { "set" };
        let refused = mallory.request(kind, &format!("<pubsub xmlns='{PUBSUB}'>{question}</pubsub>")).await;
        assert_eq!(condition(&refused), "presence-subscription-required");
    }
    bob.subscribe("friends", "bob@localhost").await;
    mallory.subscribe("colleagues", "mallory@localhost").await;
    for (reader, node) in [(&mut bob, "friends"), (&mut mallory, "colleagues")] {
        publish(&mut alice, node).await;
        let heard = reader.receive_until(|stanzas| stanzas.iter().any(is_notification)).await;
        let heard = heard.iter().find_map(Notification::of).expect("it was just seen");
        assert_eq!((heard.node.as_str(), heard.seq), (node, if node == "friends" { 1 } else { 2 }));
    }
}

async fn without_the_grant_nobody_is_let_in(kind: ServerKind) {
    let (mut server, mut daemon) = privileged(kind).await;
    let [mut alice, mut bob, mallory] = users(&server).await;
    befriend(&mut alice, &mut bob).await;
    create(&mut alice, "friends", "pubsub#access_model", "presence").await;
    bob.subscribe("friends", "bob@localhost").await;
    drop([alice, bob, mallory]);

    server.stop().await.expect("the server stops");
    server = server.grants_privileges(false);
    server.start().await.expect("the server starts again");
    daemon.wait_ready().await.expect("the daemon attaches again");
    let [mut alice, mut bob, _] = users(&server).await;
    let refused = wait_until("a refusal for good", PATIENCE, async || {
        let answer = items(&mut bob, "friends").await;
        (kind_of(&answer) != waiting(&answer)).then_some(answer)
    });
    assert_eq!(condition(&refused.await.expect("it comes")), "presence-subscription-required");
    let refused = alice.request("set", &creating("more", "pubsub#access_model", "presence")).await;
    assert_eq!(condition(&refused), "unsupported-access-model");
    // Bob is still subscribed, and is told nothing; alice is an owner.
    alice.subscribe("friends", "alice@localhost").await;
    publish(&mut alice, "friends").await;
    alice.receive_until(|stanzas| stanzas.iter().any(is_notification)).await;
    let heard = bob.ask("", &format!("to='{DOMAIN}'")).await;
    assert!(!heard.iter().any(is_notification), "bob hears {heard:?}");
}

/// More requests than may be under way wait for a roster; its answer comes in behind all of them.
#[tokio::test]
async fn requests_that_wait_for_a_roster_do_not_hold_its_answer_up() {
    let (_server, _daemon, mut host) = on_script().await;
    host.send(announcement("roster' push='true")).await;
    let create = from_alice("create", &creating("n", "pubsub#access_model", "presence"));
    let created = host.ask(&create, FROM_ALICE).await;
    assert_eq!(kind_of(&created[0]), StanzaKind::Result(Some("create".to_owned())));

    let user = |number: usize| format!("user{number}@localhost");
    let subscribe = |number: usize| {
        let (user, node) = (user(number), format!("<subscribe node='n' jid='{}'/>", user(number)));
        format!(
            "<iq type='set' from='{user}/x' to='{DOMAIN}' id='{number}'><pubsub xmlns='{PUBSUB}'>{node}</pubsub></iq>"
        )
    };
    let requests: String = (0..200).map(subscribe).collect();
    host.send(requests).await;
    let asked = roster_question(&mut host).await;
    assert_eq!(asked.attr("to"), Some("alice@localhost"));
    let contacts: String = (0..200).map(|number| contact(&user(number), "from")).collect();
    host.send(roster(&asked, &contacts)).await;
    let are_all =
        |stanzas: &[Element]| stanzas.iter().filter(|it| it.attr("type") == Some("result")).count() >= 200;
    let answers = host.receive_until(are_all).await;
    assert!(!answers.iter().any(is_roster_question), "it was asked for once");

    // The server tells of changes: then it is asked for again.
    let push = contact("user0@localhost", "remove");
    host.send(format!(
        "<iq type='set' from='alice@localhost' to='{DOMAIN}' id='push'><query xmlns='{ROSTER}'>{push}</query></iq>"
    ))
    .await;
    host.receive_until(|stanzas| stanzas.iter().any(|it| it.attr("id") == Some("push"))).await;
    host.send(subscribe(0)).await;
    let asked = roster_question(&mut host).await;
    host.send(roster(&asked, "")).await;
    let refused = host.receive_until(|stanzas| stanzas.iter().any(|it| it.attr("id") == Some("0"))).await;
    assert_eq!(condition(&refused[0]), "presence-subscription-required");
}

#[tokio::test]
async fn a_grant_ends_with_the_stream_and_comes_from_the_server_alone() {
    let (server, mut daemon, mut host) = on_script().await;
    host.send(announcement("roster").replace("from='localhost'", "from='mallory@localhost/x'")).await;
    let create = |node: &str| from_alice("create", &creating(node, "pubsub#access_model", "presence"));
    let refused = host.ask(&create("n"), FROM_ALICE).await;
    assert_eq!(condition(&refused[0]), "unsupported-access-model");
    host.send(announcement("roster")).await;
    let created = host.ask(&create("n"), FROM_ALICE).await;
    assert_eq!(kind_of(&created[0]), StanzaKind::Result(Some("create".to_owned())));

    drop(host.into_stream());
    let mut host = XmppPeer::new(server.accept_daemon().await.expect("the daemon comes again"));
    daemon.wait_ready().await.expect("the daemon attaches");
    let refused = host.ask(&create("more"), FROM_ALICE).await;
    assert_eq!(condition(&refused[0]), "unsupported-access-model");
    let bob = "from='bob@localhost/x' to='events.localhost'";
    let items =
        format!("<iq type='get' {bob} id='items'><pubsub xmlns='{PUBSUB}'><items node='n'/></pubsub></iq>");
    let answer = host.ask(&items, bob).await;
    assert_eq!(kind_of(&answer[0]), waiting(&answer[0]), "nothing is known yet");
}

async fn privileged(kind: ServerKind) -> (XmppServer, Daemon) {
    let mut server = server(kind).grants_privileges(true);
    server.start().await.expect("the server starts");
    let daemon = attached(server.component_port()).await;
    (server, daemon)
}

async fn users(server: &XmppServer) -> [XmppPeer; 3] {
    let mut users = [
        XmppPeer::user(server, "alice").await,
        XmppPeer::user(server, "bob").await,
        XmppPeer::user(server, "mallory").await,
    ];
    for user in &mut users {
        user.send("<presence/>").await;
    }
    users
}

/// Bob sees alice's presence from now on.
async fn befriend(alice: &mut XmppPeer, bob: &mut XmppPeer) {
    let is = |it: &Element, kind| it.name() == "presence" && it.attr("type") == kind;
    bob.send("<presence type='subscribe' to='alice@localhost'/>").await;
    alice.receive_until(|stanzas| stanzas.iter().any(|it| is(it, Some("subscribe")))).await;
    alice.send("<presence type='subscribed' to='bob@localhost'/>").await;
    let is_alices = |it: &Element| is(it, None) && it.attr("from") == Some("alice@localhost/here");
    bob.receive_until(|stanzas| stanzas.iter().any(is_alices)).await;
}

async fn roster_set(alice: &mut XmppPeer, item: &str) {
    let set = format!("<iq type='set' id='roster'><query xmlns='{ROSTER}'>{item}</query></iq>");
    let is_answer = |it: &Element| it.attr("id") == Some("roster") && it.attr("type") == Some("result");
    alice.send(set).await;
    alice.receive_until(|stanzas| stanzas.iter().any(is_answer)).await;
}

async fn create(alice: &mut XmppPeer, node: &str, field: &str, value: &str) {
    // A grant may be announced a moment after the daemon has attached.
    let created = wait_until("the grant", PATIENCE, async || {
        let answer = alice.request("set", &creating(node, field, value)).await;
        (answer.attr("type") == Some("result")).then_some(())
    });
    created.await.expect("rosters can be read");
}

async fn configure(alice: &mut XmppPeer, node: &str, field: &str, value: &str) {
    let form = form("node_config", field, value);
    let request =
        format!("<pubsub xmlns='{PUBSUB}#owner'><configure node='{node}'>{form}</configure></pubsub>");
    let answer = alice.request("set", &request).await;
    assert_eq!(answer.attr("type"), Some("result"), "{answer:?}");
}

async fn publish(alice: &mut XmppPeer, node: &str) {
    let item = "<item><e xmlns='urn:example:event'/></item>";
    let request = format!("<pubsub xmlns='{PUBSUB}'><publish node='{node}'>{item}</publish></pubsub>");
    alice.send(format!("<iq type='set' to='{DOMAIN}' id='publish'>{request}</iq>")).await;
}

async fn subscribe(user: &mut XmppPeer, node: &str, name: &str) -> Element {
    let request = format!("<subscribe node='{node}' jid='{name}@localhost'/>");
    user.request("set", &format!("<pubsub xmlns='{PUBSUB}'>{request}</pubsub>")).await
}

async fn items(user: &mut XmppPeer, node: &str) -> Element {
    user.request("get", &format!("<pubsub xmlns='{PUBSUB}'><items node='{node}'/></pubsub>")).await
}

fn creating(node: &str, field: &str, value: &str) -> String {
    let form = form("node_config", field, value);
    format!("<pubsub xmlns='{PUBSUB}'><create node='{node}'/><configure>{form}</configure></pubsub>")
}

fn form(kind: &str, field: &str, value: &str) -> String {
    format!(
        "<x xmlns='jabber:x:data' type='submit'>\
         <field var='FORM_TYPE' type='hidden'><value>{PUBSUB}#{kind}</value></field>\
         <field var='{field}'><value>{value}</value></field></x>"
    )
}

fn from_alice(id: &str, child: &str) -> String {
    format!("<iq type='set' {FROM_ALICE} id='{id}'>{child}</iq>")
}

fn announcement(access: &str) -> String {
    format!(
        "<message from='localhost' to='{DOMAIN}'><privilege xmlns='urn:xmpp:privilege:2'>\
         <perm type='get' access='{access}'/></privilege></message>"
    )
}

fn contact(jid: &str, subscription: &str) -> String {
    format!("<item jid='{jid}' subscription='{subscription}'/>")
}

fn roster(asked: &Element, contacts: &str) -> String {
    let (id, owner) = (asked.attr("id").expect("an id"), asked.attr("to").expect("an address"));
    format!(
        "<iq type='result' from='{owner}' to='{DOMAIN}' id='{id}'><query xmlns='{ROSTER}'>{contacts}</query></iq>"
    )
}

async fn roster_question(host: &mut XmppPeer) -> Element {
    let stanzas = host.receive_until(|stanzas| stanzas.iter().any(is_roster_question)).await;
    stanzas.into_iter().find(is_roster_question).expect("it was just seen")
}

fn is_roster_question(stanza: &Element) -> bool {
    stanza.attr("type") == Some("get") && stanza.get_child("query", ROSTER).is_some()
}

fn is_notification(stanza: &Element) -> bool {
    Notification::of(stanza).is_some()
}

/// The condition of XEP-0060 in an error.
fn condition(answer: &Element) -> String {
    let error = answer.children().find(|child| child.name() == "error");
    let condition = error.into_iter().flat_map(Element::children).find(|child| child.ns() == ERRORS);
    condition.map_or_else(|| format!("none in {answer:?}"), |condition| condition.name().to_owned())
}

/// What an answer is that asks to try again.
fn waiting(answer: &Element) -> StanzaKind {
    StanzaKind::Error(answer.attr("id").map(str::to_owned), "remote-server-timeout".to_owned())
}
