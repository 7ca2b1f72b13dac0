use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bus_domain::BareJid;
use bus_engine::{DeliveryInput, Engine, HandOff, Settings, SystemClock, SystemIds};
use bus_store_sqlite::SqliteStore;
use bus_xml::{Element, XmlLimits, parse_document};
use bytes::Bytes;
use conformance::Stage;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use xmpp_pubsub::{Contacts, LaneRefusal, NotificationLane, Notifier, ReplySender, Service, ServiceSettings};

const DOMAIN: &str = "events.example.org";
const LIMITS: XmlLimits = XmlLimits { depth_max: 256, bytes_max: 8 * 1024 * 1024 };
/// Far more than any case has on its way.
const MESSAGES_MAX: usize = 1_000;
/// What comes in process comes at once, on a slow machine too.
const PATIENCE: Duration = Duration::from_secs(20);

/// The service without a server: messages go to everybody who is addressed, with or without a resource.
pub(crate) struct InProcess {
    engine: Engine,
    service: Service,
    messages: mpsc::Receiver<String>,
    waiting: HashMap<String, Vec<String>>,
    _inputs: mpsc::Sender<DeliveryInput>,
    _folder: tempfile::TempDir,
}

struct Lane(mpsc::Sender<String>);

impl NotificationLane for Lane {
    fn try_send(&mut self, _: HandOff, parts: [Bytes; 3]) -> Result<(), LaneRefusal> {
        let message = String::from_utf8(parts.concat()).expect("UTF-8");
        self.0.try_send(message).map_err(|_| LaneRefusal::Full)
    }
}

struct Notices(mpsc::Sender<String>);

impl ReplySender for Notices {
    async fn send(&self, answer: Vec<String>) {
        for stanza in answer {
            let _ = self.0.send(stanza).await;
        }
    }

    fn stanza_bytes_max(&self) -> usize {
        usize::MAX
    }
}

impl InProcess {
    /// Alice may create nodes, like everybody at her domain; mallory is from elsewhere.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::blank(folder.path()).await;
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
        let settings = Settings::default();
        let parts = Engine::start(Arc::new(store), settings, clock, ids, CancellationToken::new()).await;
        let engine = parts.expect("an engine").engine;
        let (lane, messages) = mpsc::channel(MESSAGES_MAX);
        let (inputs, received) = mpsc::channel(1);
        let (asked, telling, notices) = (lane.clone(), engine.clone(), Notices(lane.clone()));
        tokio::spawn(async move { xmpp_pubsub::tell(&telling, &bare(DOMAIN), &notices).await });
        let notifier = Notifier::new(Lane(lane), bare(DOMAIN), engine.event_ids().clone());
        let delivering = engine.clone();
        tokio::spawn(async move { delivering.deliver(notifier, received).await });
        inputs.send(DeliveryInput::LinkUp { link: 1 }).await.expect("delivery runs");
        engine.presence().link_up();
        let following = engine.clone();
        tokio::spawn(async move { following.follow_presence().await });
        let (seeking, questions) = (engine.clone(), Notices(asked));
        tokio::spawn(async move { xmpp_pubsub::seek(&seeking, &bare(DOMAIN), &questions).await });
        let hearing = engine.clone();
        let service = Service::new(
            engine,
            ServiceSettings {
                domain: bare(DOMAIN),
                admins: HashSet::from([bare("admin@example.org")]),
                create_domains: vec![bare("example.org")],
                contacts: Contacts {
                    admin: vec!["mailto:admin@example.org".to_owned()],
                    ..Contacts::default()
                },
                name: "stanzabus".to_owned(),
                version: "0.1".to_owned(),
                push: None,
                answer_bytes_max: 480 * 1024,
            },
        );
        Self { engine: hearing, service, messages, waiting: HashMap::new(), _inputs: inputs, _folder: folder }
    }

    /// The features of the service, as it tells them to anybody.
    pub(crate) async fn announced(&mut self) -> BTreeSet<String> {
        let query = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
        self.send("bob", format!("<iq type='get' id='features' to='{DOMAIN}'>{query}</iq>")).await;
        let answer = parse_document(&self.receive("bob").await.expect("an answer"), LIMITS);
        let answer = answer.expect("well-formed");
        let features =
            answer.children().flat_map(Element::children).filter(|child| child.name() == "feature");
        features.filter_map(|feature| feature.attr("var").map(str::to_owned)).collect()
    }

    fn put(&mut self, stanza: String) {
        let wrapped = format!("<stream xmlns='jabber:client'>{stanza}</stream>");
        let stream = parse_document(&wrapped, LIMITS).expect("well-formed");
        let received = stream.children().next().expect("a stanza");
        // Its server answers, and says nothing of who has told us nothing.
        if received.name() == "presence" && received.attr("type") == Some("probe") {
            return;
        }
        let to = received.attr("to").expect("a receiver");
        let name = to.split('@').next().unwrap_or_default().to_owned();
        self.waiting.entry(name).or_default().push(stanza);
    }
}

impl Stage for InProcess {
    fn service(&self) -> &str {
        DOMAIN
    }

    fn address(&self, actor: &str) -> String {
        let domain = if actor == "mallory" { "example.net" } else { "example.org" };
        format!("{actor}@{domain}/here")
    }

    async fn send(&mut self, actor: &str, stanza: String) {
        let stanza = addressed(&stanza, &self.address(actor));
        xmpp_pubsub::hear(self.engine.presence(), &bare(DOMAIN), &stanza);
        for answer in self.service.handle(&stanza).await {
            self.put(answer);
        }
    }

    async fn receive(&mut self, actor: &str) -> Option<String> {
        loop {
            if let Some(waiting) = self.waiting.get_mut(actor).filter(|waiting| !waiting.is_empty()) {
                return Some(waiting.remove(0));
            }
            let message = timeout(PATIENCE, self.messages.recv()).await.ok()??;
            self.put(message);
        }
    }
}

/// As the server passes it on: with the sender's address, in the namespace of components.
fn addressed(stanza: &str, from: &str) -> Element {
    let start = stanza.find([' ', '/', '>']).expect("an element");
    let (name, rest) = stanza.split_at(start);
    let text = format!("{name} xmlns='jabber:component:accept' from='{from}'{rest}");
    parse_document(&text, LIMITS).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn bare(jid: &str) -> BareJid {
    BareJid::new(jid).expect("an address")
}
