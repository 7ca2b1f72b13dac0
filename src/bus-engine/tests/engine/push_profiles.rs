//! Push profiles over the real engine and store: what is published becomes jobs, once, for those who are not there.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus_domain::consumer::{ConsumerName, NodePattern};
use bus_domain::push::profile::{Audience, Topic, When};
use bus_domain::push::template::Texts;
use bus_domain::push::{
    ProfileConfig, ProfileError, PushAddress, PushMessage, PushProvider, PushVerdict, Template, Urgency,
};
use bus_domain::{AccessModel, Actor, Affiliation, BareJid, Jid, NodeConfig, Role, Show};
use bus_engine::{
    DevicePreferences, HeardPresence, Push, PushOutcome, PushProfileError, PushProfiles, PushSettings,
    PushSink, Pushes, Registration, SystemIds, TailStart, Unfit, Verb,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fixture::{Bus, actor, bare, name, publish_verb};

const JOBS: &str = "(SELECT count(*) FROM push_jobs)";
const CURSORS: &str = "(SELECT coalesce(sum(seq), 0) FROM consumer_cursors)";

struct Provider(mpsc::Sender<(String, String)>);

#[async_trait]
impl PushSink for Provider {
    fn provider(&self) -> PushProvider {
        PushProvider::Fcm
    }

    fn check(&self, _: &PushAddress, _: &PushMessage) -> Result<(), Unfit> {
        Ok(())
    }

    async fn send(&self, push: &Push<'_>) -> PushOutcome {
        let title = push.message.title.clone().unwrap_or_default();
        self.0.send((push.address.token().to_owned(), title)).await.unwrap();
        PushOutcome::new(PushVerdict::Delivered, "fine")
    }
}

/// A bus with profiles; the push services take everything.
struct Profiled {
    bus: Bus,
    pushes: Pushes,
    profiles: PushProfiles,
    sent: mpsc::Receiver<(String, String)>,
    running: Option<(JoinHandle<()>, CancellationToken)>,
}

impl Profiled {
    async fn new() -> Self {
        Self::over(Bus::start().await)
    }

    fn over(bus: Bus) -> Self {
        let (sender, sent) = mpsc::channel(1_000);
        let sink: Arc<dyn PushSink> = Arc::new(Provider(sender));
        let settings = PushSettings { accounts: vec![sink.into()], ..PushSettings::default() };
        let pushes =
            Pushes::new(bus.push_store(), settings, Arc::clone(&bus.clock) as _, Arc::new(SystemIds));
        let profiles = PushProfiles::new(bus.engine.clone(), pushes.clone(), service());
        Self { bus, pushes, profiles, sent, running: None }
    }

    /// All that was in memory is gone; whatever runs was stopped before.
    async fn restart(self) -> Self {
        let Self { bus, pushes, profiles, sent, running } = self;
        assert!(running.is_none());
        drop((pushes, profiles, sent));
        Self::over(bus.restart().await)
    }

    fn start(&mut self) {
        let stop = CancellationToken::new();
        let (profiles, pushes, stopping) = (self.profiles.clone(), self.pushes.clone(), stop.clone());
        let running = async move {
            tokio::join!(profiles.run(stopping.clone()), pushes.run(stopping));
        };
        self.running = Some((tokio::spawn(running), stop));
    }

    async fn stop(&mut self) {
        let (task, stop) = self.running.take().unwrap();
        stop.cancel();
        task.await.unwrap();
    }

    async fn device(&self, user: &str, token: &str) -> bus_domain::push::DeviceId {
        let address = PushAddress::Fcm { token: token.to_owned() };
        let registration = Registration { id: None, owner: bare(user), address, account: None };
        self.pushes.register(&admin(), registration).await.unwrap().id
    }

    async fn make(&self, name: &str, config: ProfileConfig) {
        self.profiles.create(&admin(), profile_name(name), config).await.unwrap();
    }

    async fn sent(&mut self) -> (String, String) {
        let sent = tokio::time::timeout(Duration::from_mins(1), self.sent.recv()).await;
        sent.expect("something is sent").expect("the provider lives")
    }

    /// The tokens to which the next so many were sent.
    async fn tokens(&mut self, count: usize) -> Vec<String> {
        let mut tokens = Vec::new();
        for _ in 0..count {
            tokens.push(self.sent().await.0);
        }
        tokens.sort();
        tokens
    }

    /// Waits until the profiles have come so far, with all their cursors together.
    async fn until_through(&self, seqs: i64) {
        self.bus.until_stored(CURSORS, seqs).await;
    }

    fn hears(&self, user: &str, heard: HeardPresence) {
        let resource = Jid::new(&format!("{}/x", bare(user))).expect("a JID");
        self.bus.engine.presence().hear(&resource, heard);
    }
}

fn admin() -> Actor {
    Actor::new(bare("admin"), Role::Admin)
}

fn service() -> BareJid {
    BareJid::new("events.example.org").unwrap()
}

fn profile_name(name: &str) -> ConsumerName {
    ConsumerName::new(name).unwrap()
}

fn config(nodes: &str, audience: Audience) -> ProfileConfig {
    let texts = Texts { title: Some("{node} {item_id}".parse().unwrap()), body: None };
    ProfileConfig {
        nodes: vec![NodePattern::new(nodes).unwrap()],
        audience,
        when: When::Always,
        template: Template { texts, ..Template::default() },
        collapse_key: None,
        ttl_s: 3_600,
        urgency: Urgency::Normal,
        quiet_hours: None,
        coalesce_ms: 0,
    }
}

fn list(users: &[&str]) -> Audience {
    Audience::List(users.iter().map(|user| bare(user)).collect())
}

#[tokio::test]
async fn what_is_published_from_now_on_is_pushed_to_subscribers_once() {
    let mut it = Profiled::new().await;
    it.bus.create("n").await;
    for user in ["a", "b"] {
        it.bus.subscribe("n", user).await;
        it.device(user, user).await;
    }
    it.device("stranger", "stranger").await;
    it.bus.publish("n", &["before"]).await;
    it.make("p", config("n", Audience::Subscribers)).await;
    it.start();
    it.bus.publish("n", &["1"]).await;
    assert_eq!(it.tokens(2).await, ["a", "b"]);
    it.bus.subscribe("n", "late").await;
    it.device("late", "late").await;
    it.bus.publish("n", &["2"]).await;
    assert_eq!(it.tokens(3).await, ["a", "b", "late"]);
    it.stop().await;
    assert_eq!(it.bus.stored(JOBS).await, 5);
    // Nothing is told of twice by whoever comes next.
    let mut again = it.restart().await;
    again.start();
    again.bus.publish("n", &["3"]).await;
    assert_eq!(again.tokens(3).await, ["a", "b", "late"]);
    assert_eq!(again.bus.stored(JOBS).await, 8);
}

#[tokio::test]
async fn what_was_committed_while_nobody_looked_is_pushed_after_the_restart() {
    let it = Profiled::new().await;
    it.bus.create("n").await;
    it.device("a", "a").await;
    it.make("p", config("n", list(&["a"]))).await;
    it.bus.publish("n", &["1"]).await;
    let mut again = it.restart().await;
    again.start();
    assert_eq!(again.sent().await, ("a".to_owned(), "n 1".to_owned()));
    again.stop().await;
}

#[tokio::test]
async fn a_fan_out_goes_on_where_it_was_cut() {
    let mut it = Profiled::new().await;
    it.bus.create("n").await;
    it.make("p", config("n", Audience::Subscribers)).await;
    for number in 0..450 {
        it.bus.subscribe("n", &format!("u{number:03}")).await;
        it.device(&format!("u{number:03}"), &format!("{number:03}")).await;
    }
    // As a process has left it that was killed behind its first page.
    it.bus
        .tamper(
            "UPDATE consumer_cursors SET fan_out = (SELECT printf('%016x', epoch) FROM heads) || ' 1 200'",
        )
        .await;
    it.bus.publish("n", &["1"]).await;
    it.start();
    let tokens = it.tokens(250).await;
    assert_eq!(
        (tokens.first().map(String::as_str), tokens.last().map(String::as_str)),
        (Some("200"), Some("449"))
    );
    it.until_through(1).await;
    it.bus.until("it is counted", |counts| counts.push_profile_moves > 0).await;
    it.stop().await;
    assert_eq!(it.bus.stored(JOBS).await, 250);
    assert_eq!(
        it.bus.engine.statistics().snapshot().push_profile_moves,
        1,
        "one transaction for all of them"
    );
}

#[tokio::test]
async fn nodes_that_a_pattern_finds_later_are_pushed_from_their_beginning() {
    let mut it = Profiled::new().await;
    it.device("a", "a").await;
    it.make("p", config("orders.*", list(&["a"]))).await;
    it.start();
    for (node, item) in [("orders.1", "x"), ("news", "y"), ("orders.2", "z")] {
        it.bus.create(node).await;
        it.bus.publish(node, &[item]).await;
    }
    let mut sent = [it.sent().await.1, it.sent().await.1];
    sent.sort();
    assert_eq!(sent, ["orders.1 x", "orders.2 z"]);
}

#[tokio::test]
async fn who_may_not_read_the_node_gets_no_push() {
    let mut it = Profiled::new().await;
    it.bus
        .create_with("n", NodeConfig { access_model: AccessModel::Whitelist, ..NodeConfig::default() })
        .await;
    for user in ["member", "outcast", "stranger"] {
        it.device(user, user).await;
    }
    it.bus.affiliate("n", "member", Affiliation::Member).await;
    it.bus.affiliate("n", "outcast", Affiliation::Member).await;
    it.make("list", config("n", list(&["member", "outcast", "stranger"]))).await;
    it.start();
    it.bus.publish("n", &["1"]).await;
    assert_eq!(it.tokens(2).await, ["member", "outcast"]);
    it.bus.affiliate("n", "outcast", Affiliation::Outcast).await;
    it.bus.publish("n", &["2"]).await;
    assert_eq!(it.sent().await, ("member".to_owned(), "n 2".to_owned()));
    it.until_through(2).await;
    it.stop().await;
    assert_eq!(it.bus.stored(JOBS).await, 3);
}

#[tokio::test]
async fn devices_under_a_topic_are_told_in_their_language() {
    let mut it = Profiled::new().await;
    it.bus.create("n").await;
    for (user, locale, topic) in [("a", Some("de-at"), "t"), ("b", None, "t"), ("c", None, "other")] {
        let device = it.device(user, user).await;
        let preferences =
            DevicePreferences { locale: locale.map(str::to_owned), topics: vec![Topic::new(topic).unwrap()] };
        it.pushes.set_device_preferences(&admin(), device, &preferences).await.unwrap();
    }
    let mut config = config("n", Audience::Topic(Topic::new("t").unwrap()));
    let german = Texts { title: Some("Neues auf {node}".parse().unwrap()), body: None };
    config.template.locales.insert("de".to_owned(), german);
    it.make("p", config).await;
    it.start();
    it.bus.publish("n", &["1"]).await;
    let mut sent = [it.sent().await, it.sent().await];
    sent.sort();
    let sent = sent.each_ref().map(|(token, title)| (token.as_str(), title.as_str()));
    assert_eq!(sent, [("a", "Neues auf n"), ("b", "n 1")]);
    it.until_through(1).await;
    it.stop().await;
    assert_eq!(it.bus.stored(JOBS).await, 2);
}

#[tokio::test]
async fn who_is_there_gets_no_push_and_who_may_be_away_does() {
    let mut it = Profiled::new().await;
    it.bus.create("n").await;
    for user in ["online", "away", "reader"] {
        it.device(user, user).await;
    }
    let away = ProfileConfig { when: When::Away, ..config("n", list(&["online", "away", "reader"])) };
    it.make("p", away).await;
    // Without a link nobody's presence is known: that pushes.
    it.start();
    let tail = it.bus.engine.tail(actor("reader"), &name("n"), TailStart::Latest, None).await.unwrap();
    it.bus.publish("n", &["1"]).await;
    assert_eq!(it.tokens(2).await, ["away", "online"]);
    // With one they are asked about, and waited for.
    it.bus.engine.presence().link_up();
    it.bus.publish("n", &["2"]).await;
    for _ in 0..2 {
        it.bus.engine.presence().next_wanted().await;
    }
    let online = HeardPresence::Available { show: Show::Online, priority: 0, is_old: true };
    it.hears("online", online);
    it.hears("away", HeardPresence::Unsubscribed);
    assert_eq!(it.sent().await, ("away".to_owned(), "n 2".to_owned()));
    drop(tail);
    it.bus.publish("n", &["3"]).await;
    it.bus.engine.presence().next_wanted().await;
    it.hears("reader", HeardPresence::Unsubscribed);
    assert_eq!(it.tokens(2).await, ["away", "reader"]);
    it.until_through(3).await;
    it.stop().await;
    assert_eq!(it.bus.stored(JOBS).await, 5);
}

#[tokio::test]
async fn a_profile_that_is_changed_goes_on_by_its_new_words() {
    let mut it = Profiled::new().await;
    it.bus.create("n").await;
    it.bus.create("m").await;
    it.device("a", "a").await;
    it.make("p", config("n", list(&["a"]))).await;
    it.start();
    it.bus.publish("n", &["1"]).await;
    it.sent().await;
    it.bus.publish("m", &["old"]).await;
    let mut other = config("m", list(&["a"]));
    other.template.texts.title = Some("other {item_id}".parse().unwrap());
    let updated = it.profiles.update(&admin(), &profile_name("p"), other.clone()).await.unwrap();
    assert_eq!(updated.config, other);
    it.bus.publish("n", &["2"]).await;
    it.bus.publish("m", &["new"]).await;
    assert_eq!(it.sent().await.1, "other new");
    it.profiles.delete(&admin(), &profile_name("p")).await.unwrap();
    it.bus.publish("m", &["newer"]).await;
    it.stop().await;
    assert_eq!(it.bus.stored(JOBS).await, 2);
    let gone = it.profiles.get(&admin(), &profile_name("p")).await;
    assert_eq!(gone, Err(PushProfileError::Profile(ProfileError::NotFound)));
}

#[tokio::test]
async fn owners_tell_their_subscribers_and_admins_anybody() {
    let mut it = Profiled::new().await;
    it.bus.create("n").await;
    it.bus.subscribe("n", "a").await;
    it.device("a", "a").await;
    let owner = Actor::new(bare("owner"), Role::User);
    let own = config("n", Audience::Subscribers);
    for (who, config) in [(&owner, config("n", list(&["a"]))), (&owner, config("n.*", Audience::Subscribers))]
    {
        let refused = it.profiles.create(who, profile_name("x"), config).await;
        assert_eq!(refused, Err(PushProfileError::Profile(ProfileError::Forbidden)));
    }
    let stranger = Actor::new(bare("stranger"), Role::User);
    let refused = it.profiles.create(&stranger, profile_name("x"), own.clone()).await;
    assert!(matches!(refused, Err(PushProfileError::Bus(_))), "{refused:?}");
    it.profiles.create(&owner, profile_name("own"), own.clone()).await.unwrap();
    let again = it.profiles.create(&admin(), profile_name("own"), own).await;
    assert_eq!(again, Err(PushProfileError::Profile(ProfileError::Exists)));
    it.make("admins", config(">", list(&["b"]))).await;
    let names = async |who: &Actor| {
        let page = it.profiles.list(who, None, 9).await.unwrap();
        page.profiles.iter().map(|profile| profile.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!((names(&owner).await, names(&stranger).await), (vec!["own".to_owned()], vec![]));
    assert_eq!(names(&admin()).await, ["admins", "own"]);
    // Who owns the node no more tells nobody.
    it.bus.affiliate("n", "heir", Affiliation::Owner).await;
    let entries = vec![(bare("owner"), Affiliation::None)];
    it.bus.run("heir", "n", Verb::Affiliate(entries.into())).await.unwrap();
    it.start();
    it.bus.run("heir", "n", publish_verb(&["1"])).await.unwrap();
    it.until_through(2).await;
    it.stop().await;
    let own = it.profiles.get(&owner, &profile_name("own")).await.unwrap();
    assert_eq!((own.failures, it.bus.stored(JOBS).await), (1, 0));
    assert_eq!(own.last_failure.as_deref(), Some("n at 1: it is not the profile's owner's any more"));
}
