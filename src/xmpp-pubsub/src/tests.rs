//! Stanzas in, stanzas out, over a real engine on a real store.

mod ad_hoc;
mod archive;
mod delivery;
mod disco;
mod forms;
mod items;
mod pages;
mod push_service;
mod requests;
mod stanzas;
mod verbs;
mod weights;

use std::collections::HashSet;
use std::sync::Arc;

use bus_domain::{AccessModel, Actor, Affiliation, BareJid, Jid, NodeConfig, NodeName, Role};
use bus_engine::{Command, Engine, Outcome, Settings, SystemClock, SystemIds, Verb};
use bus_store_sqlite::SqliteStore;
use bus_xml::{Element, XmlLimits, parse_document, serialise_into};
use tokio_util::sync::CancellationToken;

use crate::{Contacts, PushServiceSettings, Service, ServiceSettings};

const DOMAIN: &str = "events.example.org";
/// May create nodes.
const ALICE: &str = "alice@example.org/phone";
/// A user from elsewhere.
const BOB: &str = "bob@example.net/desk";
/// In the operator's list of admins.
const ADMIN: &str = "admin@example.org/console";
const LIMITS: XmlLimits = XmlLimits { depth_max: 64, bytes_max: 8 * 1024 * 1024 };

/// A service with a node `news` of Alice's.
struct Fixture {
    service: Service,
    engine: Engine,
    _directory: tempfile::TempDir,
}

impl Fixture {
    async fn new() -> Self {
        Self::with(Settings::default(), 480 * 1024).await
    }

    async fn with(settings: Settings, answer_bytes_max: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::blank(directory.path()).await);
        Self::over(store, directory, settings, answer_bytes_max, None).await
    }

    async fn over(
        store: Arc<SqliteStore>,
        directory: tempfile::TempDir,
        settings: Settings,
        answer_bytes_max: usize,
        push: Option<PushServiceSettings>,
    ) -> Self {
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
        let started = Engine::start(store, settings, clock, ids, CancellationToken::new()).await;
        let engine = started.unwrap().engine;
        let settings = ServiceSettings {
            domain: bare(DOMAIN),
            admins: HashSet::from([bare("admin@example.org")]),
            create_domains: vec![bare("example.org")],
            contacts: Contacts::default(),
            name: "stanzabus".to_owned(),
            version: "0.1".to_owned(),
            push,
            answer_bytes_max,
        };
        let service = Service::new(engine.clone(), settings);
        let fixture = Self { service, engine, _directory: directory };
        fixture.create("news", AccessModel::Open).await;
        fixture
    }

    async fn create(&self, node: &str, access_model: AccessModel) {
        self.execute(node, Verb::Create(NodeConfig { access_model, ..NodeConfig::default() })).await;
    }

    async fn affiliate(&self, node: &str, jid: &str, affiliation: Affiliation) {
        self.execute(node, Verb::Affiliate(vec![(bare(jid), affiliation)].into())).await;
    }

    /// Alice does something that XMPP has no verb for yet.
    async fn execute(&self, node: &str, verb: Verb) -> Outcome {
        let actor = Actor::new(Jid::new(ALICE).unwrap(), Role::Creator);
        let node = NodeName::new(node).unwrap();
        self.engine.execute(Command { actor, node, verb }).await.unwrap()
    }

    /// Sends an IQ to the service and says what the answer holds, in short.
    async fn ask(&self, from: &str, kind: &str, content: &str) -> String {
        self.ask_at(DOMAIN, from, kind, content).await
    }

    async fn ask_at(&self, to: &str, from: &str, kind: &str, content: &str) -> String {
        let stanza = iq(from, to, kind, content);
        let answer = self.service.handle(&stanza).await.pop().expect("every IQ request is answered");
        let answer = parse(&answer);
        assert_eq!(answer.attr("id"), Some("q'1"), "the same id comes back");
        assert_eq!((answer.attr("from"), answer.attr("to")), (Some(to), Some(from)));
        outcome(&answer)
    }

    async fn check(&self, from: &str, kind: &str, content: &str, expected: &str) {
        assert_eq!(self.ask(from, kind, content).await, expected, "{from} {kind} {content}");
    }

    async fn publish(&self, node: &str, item: &str) {
        let content = pubsub(&format!("<publish node='{node}'>{item}</publish>"));
        let answer = self.ask(ALICE, "set", &content).await;
        assert!(answer.starts_with("<pubsub"), "{answer}");
    }
}

/// What an answer holds: the content of a result, or `type/condition+condition` of an error. Attributes stand in the
/// order of their names, and the namespaces of the XMPP protocols without what they begin with.
fn outcome(answer: &Element) -> String {
    let mut content = String::new();
    match answer.attr("type") {
        Some("result") => answer.children().for_each(|child| serialise_into(child, "", &mut content)),
        Some("error") => content = error_of(answer.get_child("error", "").expect("<error/>")),
        other => panic!("an answer of type {other:?}"),
    }
    content.replace("http://jabber.org/protocol/", "")
}

fn error_of(error: &Element) -> String {
    let mut conditions = error.children().filter(|child| child.name() != "text");
    let condition = conditions.next().expect("a condition");
    assert_eq!(condition.ns(), "urn:ietf:params:xml:ns:xmpp-stanzas");
    let mut content = format!("{}/{}", error.attr("type").expect("a type"), condition.name());
    for more in conditions {
        let of = ["http://jabber.org/protocol/pubsub#errors", "http://jabber.org/protocol/commands"];
        assert!(of.contains(&more.ns().as_str()), "{}", more.ns());
        content.push('+');
        content.push_str(more.attr("feature").unwrap_or(more.name()));
    }
    content
}

fn iq(from: &str, to: &str, kind: &str, content: &str) -> Element {
    let namespace = "jabber:component:accept";
    parse(&format!("<iq xmlns='{namespace}' type='{kind}' from='{from}' to='{to}' id=\"q'1\">{content}</iq>"))
}

fn parse(xml: &str) -> Element {
    parse_document(xml, LIMITS).unwrap_or_else(|error| panic!("{error}: {xml}"))
}

fn pubsub(content: &str) -> String {
    format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'>{content}</pubsub>")
}

fn owner(content: &str) -> String {
    format!("<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>{content}</pubsub>")
}

fn bare(jid: &str) -> BareJid {
    BareJid::new(jid).unwrap()
}
