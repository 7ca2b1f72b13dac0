//! What an instance reads for itself alone is free for the others as soon as it stops, without waiting for its claim to end.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus_domain::consumer::{ConsumerName, NodePattern};
use bus_domain::push::profile::{Audience, When};
use bus_domain::push::template::Texts;
use bus_domain::push::{ProfileConfig, Template, Urgency};
use bus_domain::source::Source;
use bus_domain::{Actor, BareJid, NodeConfig, Role};
use bus_engine::{
    Clock as _, NewSource, PushProfiles, PushSettings, Pushes, Settings, SourceBatch, SourceReader,
    SourceStream, SourceTrouble, SystemClock, SystemIds, Verb,
};
use bus_store::{Claim, ConsumerStore as _, PushProfileStore as _, SourceStore as _};
use bus_store_postgres::{PostgresLimits, PostgresStore};
use harness::Postgres;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::engines::{Instance, PATIENCE, actor, name};
use crate::fixture::open;

/// Says that it was opened, and sends nothing.
struct Silent(mpsc::Sender<()>);

#[async_trait]
impl SourceReader for Silent {
    async fn open(&self, _: &Source) -> Result<Box<dyn SourceStream>, SourceTrouble> {
        self.0.send(()).await.expect("the test listens");
        Ok(Box::new(Self(self.0.clone())))
    }
}

#[async_trait]
impl SourceStream for Silent {
    async fn next(&mut self) -> Result<Option<SourceBatch>, SourceTrouble> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_source_is_free_once_its_reader_has_stopped() {
    let (instance, store) = instance().await;
    let new =
        NewSource { name: named("erp"), node: name(), uri: "https://localhost".into(), bearer_token: None };
    let source = instance.engine.create_source(&actor("owner"), new).await.expect("a source");
    let (sender, mut opened) = mpsc::channel(8);
    let (engine, stop) = (instance.engine.clone(), CancellationToken::new());
    let stopped = stop.clone();
    let reading = tokio::spawn(async move {
        engine.read_sources(Arc::new(Silent(sender)), Duration::from_mins(1), stopped).await;
    });
    opened.recv().await.expect("it is opened");
    let claimed = store.claim_source(source.id, &of_another_one()).await;
    assert_eq!(claimed.expect("it is asked"), None, "while it is read");
    stop.cancel();
    reading.await.expect("it ends");
    let claimed = store.claim_source(source.id, &of_another_one()).await;
    assert_eq!(claimed.expect("it is asked"), Some(2));
}

#[tokio::test]
async fn a_push_profile_is_free_once_its_reader_has_stopped() {
    let (instance, store) = instance().await;
    let (clock, stop) = (Arc::new(SystemClock), CancellationToken::new());
    let pushes = Pushes::new(Arc::clone(&store) as _, PushSettings::default(), clock, Arc::new(SystemIds));
    let service = BareJid::new("events.example.org").expect("a domain");
    let profiles = PushProfiles::new(instance.engine.clone(), pushes, service);
    let admin = Actor::new(actor("owner").bare().clone(), Role::Admin);
    let profile = profiles.create(&admin, named("p"), profile()).await.expect("a profile");
    let (reader, stopped) = (profiles.clone(), stop.clone());
    let reading = tokio::spawn(async move { reader.run(stopped).await });
    instance.publish().await;
    let is_through = async || {
        let behind = store.profile_cursors_behind(None, 10).await.expect("it is asked");
        behind.is_empty().then_some(())
    };
    harness::wait_until("the profile", PATIENCE, is_through).await.expect("it reads");
    let claimed = store.claim_consumer(profile.id, &of_another_one()).await;
    assert_eq!(claimed.expect("it is asked"), None, "while it is read");
    stop.cancel();
    reading.await.expect("it ends");
    let claimed = store.claim_consumer(profile.id, &of_another_one()).await;
    assert_eq!(claimed.expect("it is asked"), Some(2));
}

/// An instance with a node of `owner`, and another handle of its store.
async fn instance() -> (Instance, Arc<PostgresStore>) {
    let url = Postgres::shared().await.create_database().await.expect("a database");
    let outbound_principals = [actor("owner").bare().clone()].into();
    let settings = Settings { outbound_principals, ..Settings::default() };
    let instance = Instance::start_with(&url, settings).await;
    instance.run("owner", Verb::Create(NodeConfig::default())).await.expect("no node yet");
    (instance, Arc::new(open(&url, PostgresLimits::default()).await))
}

fn named(name: &str) -> ConsumerName {
    ConsumerName::new(name).expect("a name")
}

fn profile() -> ProfileConfig {
    let texts = Texts { title: Some("{node}".parse().expect("a template")), body: None };
    ProfileConfig {
        nodes: vec![NodePattern::new(name().as_str()).expect("a pattern")],
        audience: Audience::Subscribers,
        when: When::Always,
        template: Template { texts, ..Template::default() },
        collapse_key: None,
        ttl_s: 3_600,
        urgency: Urgency::Normal,
        quiet_hours: None,
        coalesce_ms: 0,
    }
}

fn of_another_one() -> Claim {
    let now_ms = SystemClock.now_ms();
    Claim { instance: [7; 16], now_ms, until_ms: now_ms + 60_000 }
}
