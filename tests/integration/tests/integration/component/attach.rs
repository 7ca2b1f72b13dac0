use harness::{ServerKind, XmppServer};

use crate::peers::{
    DOMAIN, SECRET, TO_US, XmppPeer, attached, behind_each_server, init, on_server, prosody, server,
};

behind_each_server! {
    the_server_lists_the_component,
    disco_ping_and_version_are_answered,
    two_components_live_on_one_server,
    a_daemon_that_was_killed_attaches_again,
}

const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
const VERSION: &str = "jabber:iq:version";

async fn the_server_lists_the_component(kind: ServerKind) {
    let (server, _daemon) = on_server(kind).await;
    let mut alice = XmppPeer::user(&server, "alice").await;
    let query = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
    let asked =
        alice.ask(&format!("<iq type='get' to='{}' id='list'>{query}</iq>", XmppServer::HOST), TO_US).await;
    let items = asked[0].children().next().expect("a query");
    assert!(items.children().any(|item| item.attr("jid") == Some(DOMAIN)), "{items:?}");
}

async fn disco_ping_and_version_are_answered(kind: ServerKind) {
    let (server, _daemon) = on_server(kind).await;
    let mut alice = XmppPeer::user(&server, "alice").await;

    let info = alice.request("get", &format!("<query xmlns='{DISCO_INFO}'/>")).await;
    let query = info.get_child("query", DISCO_INFO).expect("an answer");
    let identity = query.get_child("identity", DISCO_INFO).expect("an identity");
    assert_eq!((identity.attr("category"), identity.attr("type")), (Some("pubsub"), Some("service")));
    let has = |feature: &str| query.children().any(|child| child.attr("var") == Some(feature));
    assert!(has(DISCO_INFO) && has("urn:xmpp:ping") && has(VERSION), "{query:?}");

    let pong = alice.request("get", "<ping xmlns='urn:xmpp:ping'/>").await;
    assert_eq!((pong.attr("type"), pong.children().count()), (Some("result"), 0));

    let version = alice.request("get", &format!("<query xmlns='{VERSION}'/>")).await;
    let query = version.get_child("query", VERSION).expect("an answer");
    let text = |name| query.get_child(name, VERSION).map(bus_xml::Element::text);
    assert_eq!(text("name").as_deref(), Some("stanzabus"));
    assert!(text("version").is_some_and(|version| !version.is_empty()));
}

async fn two_components_live_on_one_server(kind: ServerKind) {
    let mut server = server(kind).component("other.localhost", "another secret");
    server.start().await.unwrap();
    let _daemon = attached(server.component_port()).await;
    let address = format!("127.0.0.1:{}", server.component_port());
    let mut other = harness::Daemon::init("other.localhost", &address, "another secret").await.unwrap();
    other.start().unwrap();
    other.wait_ready().await.unwrap();
    let mut alice = XmppPeer::user(&server, "alice").await;
    for domain in [DOMAIN, "other.localhost"] {
        assert_eq!(alice.ask("", &format!("to='{domain}'")).await, []);
    }
}

async fn a_daemon_that_was_killed_attaches_again(kind: ServerKind) {
    let (server, mut daemon) = on_server(kind).await;
    daemon.kill9().await.unwrap();
    daemon.start().unwrap();
    daemon.wait_ready().await.unwrap();
    let mut alice = XmppPeer::user(&server, "alice").await;
    assert_eq!(alice.ask("", TO_US).await, []);
}

#[tokio::test]
async fn a_line_break_behind_the_secret_in_its_file_is_no_part_of_it() {
    let mut prosody = prosody();
    prosody.start().await.unwrap();
    let mut daemon = init(prosody.component_port()).await;
    std::fs::write(daemon.folder().join("stanzabus.secret"), format!("{SECRET}\r\n")).unwrap();
    daemon.start().unwrap();
    daemon.wait_ready().await.unwrap();
}
