//! What is published comes through a push profile and the real senders to the push services, for who would not get it
//! otherwise.

use std::sync::Arc;
use std::time::Duration;

use bridge_push::Sink;
use bus_domain::consumer::{ConsumerName, NodePattern};
use bus_domain::push::profile::{Audience, When};
use bus_domain::push::template::Texts;
use bus_domain::push::{ProfileConfig, PushAddress, PushProvider, Template, Urgency};
use bus_domain::{
    Actor, BareJid, ItemId, Jid, NodeConfig, NodeName, Payload, PublishModel, Role, Show, publish,
};
use bus_engine::{
    Command, Engine, HeardPresence, PushAccount, PushProfiles, PushSettings, Pushes, Registration, Settings,
    SystemIds, TailStart, Verb,
};
use bus_store_sqlite::SqliteStore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::fixture::{Fixture, address_of, android_device, apple_device};

const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn an_event_reaches_each_service_for_who_is_away_and_none_for_who_is_there() {
    let fixture = Fixture::with_fcm().await;
    let bus = Bus::start(&fixture).await;
    let browser = address_of(&fixture.mock.subscribe(None));
    for address in [apple_device(), android_device(), browser] {
        bus.register("away@example.org", address).await;
    }
    for (number, owner) in ["online@example.org", "reader@events.example.org"].into_iter().enumerate() {
        bus.register(owner, PushAddress::Fcm { token: format!("quiet-{number}") }).await;
    }
    for subscriber in ["away@example.org", "online@example.org", "reader@events.example.org"] {
        bus.execute(subscriber, Verb::Subscribe(Jid::new(subscriber).unwrap().into())).await;
    }
    bus.profiles.create(&admin(), ConsumerName::new("orders").unwrap(), profile()).await.unwrap();
    // One is available on XMPP, another one reads a stream.
    bus.engine.presence().link_up();
    let reader = Actor::new(jid("reader@events.example.org"), Role::User);
    let tail = bus.engine.tail(reader, &node(), TailStart::Latest, None).await.unwrap();
    bus.publish("7").await;
    for _ in 0..2 {
        let asked = timeout(PATIENCE, bus.engine.presence().next_wanted()).await.unwrap().account;
        let heard = match asked.as_str() {
            "online@example.org" => HeardPresence::Available { show: Show::Away, priority: 0, is_old: true },
            _ => HeardPresence::Unsubscribed,
        };
        bus.engine.presence().hear(&asked.with_resource_str("x").unwrap().into(), heard);
    }
    for provider in PushProvider::ALL {
        timeout(PATIENCE, fixture.mock.wait_for(provider, 1)).await.unwrap();
    }
    // The next one is through when the first must have been: to the reader, who does not read any more.
    drop(tail);
    bus.publish("8").await;
    timeout(PATIENCE, fixture.mock.wait_for(PushProvider::Fcm, 3)).await.unwrap();
    for provider in [PushProvider::Apns, PushProvider::WebPush] {
        timeout(PATIENCE, fixture.mock.wait_for(provider, 2)).await.unwrap();
    }
    let taken = PushProvider::ALL.map(|provider| fixture.mock.counts(provider).taken);
    assert_eq!(taken, [2, 3, 2], "of APNs, FCM and Web Push");
    bus.stop().await;
}

struct Bus {
    engine: Engine,
    pushes: Pushes,
    profiles: PushProfiles,
    running: tokio::task::JoinHandle<()>,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Bus {
    /// With a node that everybody may read.
    async fn start(fixture: &Fixture) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("bus.db")).await.unwrap());
        let (clock, ids, stop) = (Arc::clone(&fixture.clock), Arc::new(SystemIds), CancellationToken::new());
        let parts = Engine::start(store.clone(), Settings::default(), clock.clone(), ids, stop.clone())
            .await
            .unwrap();
        let sinks: Vec<Arc<dyn Sink>> =
            vec![Arc::new(fixture.webpush()), Arc::new(fixture.apns()), Arc::new(fixture.fcm())];
        let accounts = sinks.into_iter().map(PushAccount::from).collect();
        let settings = PushSettings { accounts, ..PushSettings::default() };
        let pushes = Pushes::new(store, settings, clock, Arc::new(SystemIds));
        let profiles = PushProfiles::new(parts.engine.clone(), pushes.clone(), jid("events.example.org"));
        let running = {
            let (profiles, pushes, stop) = (profiles.clone(), pushes.clone(), stop.clone());
            tokio::spawn(async move {
                tokio::join!(profiles.run(stop.clone()), pushes.run(stop));
            })
        };
        let bus = Self { engine: parts.engine, pushes, profiles, running, stop, _folder: folder };
        let config = NodeConfig { publish_model: PublishModel::Open, ..NodeConfig::default() };
        bus.execute("owner@example.org", Verb::Create(config)).await;
        bus
    }

    async fn register(&self, owner: &str, address: PushAddress) {
        let registration = Registration { id: None, owner: jid(owner), address, account: None };
        self.pushes.register(&admin(), registration).await.unwrap();
    }

    async fn publish(&self, order: &str) {
        let payload = format!("<order xmlns='urn:example:order' id='{order}'/>");
        let item = publish::NewItem {
            id: Some(ItemId::new(order).unwrap()),
            payload: Some(Payload::from_serialised(payload)),
        };
        let request = publish::Request { items: vec![item], ..publish::Request::default() };
        self.execute("service@events.example.org", Verb::Publish(request)).await;
    }

    async fn execute(&self, who: &str, verb: Verb) {
        let actor = Actor::new(jid(who), Role::Creator);
        self.engine.execute(Command { actor, node: node(), verb }).await.unwrap();
    }

    async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

fn profile() -> ProfileConfig {
    let texts = Texts { title: Some("Order {xml.order.@id}".parse().unwrap()), body: None };
    ProfileConfig {
        nodes: vec![NodePattern::new("orders").unwrap()],
        audience: Audience::Subscribers,
        when: When::Away,
        template: Template { texts, ..Template::default() },
        collapse_key: Some("{item_id}".parse().unwrap()),
        ttl_s: 3_600,
        urgency: Urgency::High,
        quiet_hours: None,
        coalesce_ms: 0,
    }
}

fn node() -> NodeName {
    NodeName::new("orders").unwrap()
}

fn jid(text: &str) -> BareJid {
    BareJid::new(text).unwrap()
}

fn admin() -> Actor {
    Actor::new(jid("admin@example.org"), Role::Admin)
}
