use std::time::Duration;

use bus_domain::subscribe::Request as Subscribe;
use bus_domain::{Affiliation, Expire, Jid, NodeConfig, OptionSetting, Show};
use bus_engine::{EngineLimits, HeardPresence, Notice, NoticeAbout, Settings, Verb};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::fixture::{Bus, bare, jid, publish_verb};

const OLD: HeardPresence = HeardPresence::Available { show: Show::Online, priority: 0, is_old: true };
const PATIENCE: Duration = Duration::from_mins(1);
const SUBSCRIPTIONS: &str = "(SELECT count(*) FROM subscriptions)";

/// A bus with a link, that does what follows from presence.
struct Followed {
    bus: Bus,
    follower: JoinHandle<()>,
}

impl Followed {
    fn new(bus: Bus) -> Self {
        bus.engine.presence().link_up();
        let engine = bus.engine.clone();
        Self { bus, follower: tokio::spawn(async move { engine.follow_presence().await }) }
    }

    async fn restart(self) -> Self {
        self.follower.abort();
        let _ = self.follower.await;
        Self::new(self.bus.restart().await)
    }

    fn hears(&self, user: &str, heard: HeardPresence) {
        let resource = Jid::new(&format!("{}/x", bare(user))).expect("a JID");
        self.bus.engine.presence().hear(&resource, heard);
    }

    async fn subscribe_temporarily(&self, user: &str) {
        let options = vec![OptionSetting::Expire(Expire::WithPresence)];
        let request = Subscribe { jid: jid(user), options };
        self.bus.run(user, "n", Verb::Subscribe(request)).await.expect("a subscription");
    }

    /// Those who are asked about, whether or not they are to tell from now on.
    async fn asked<const COUNT: usize>(&self) -> [String; COUNT] {
        let mut asked = Vec::new();
        for _ in 0..COUNT {
            let wanted = timeout(PATIENCE, self.bus.engine.presence().next_wanted()).await;
            asked.push(wanted.expect("a question").account.to_string());
        }
        asked.sort();
        asked.try_into().expect("as many")
    }

    /// Whose subscription has ended.
    async fn told(&self) -> Jid {
        match timeout(PATIENCE, self.bus.engine.next_notice()).await.expect("a notice") {
            Notice { to, about: NoticeAbout::State { state: None, .. }, .. } => to,
            other => panic!("{other:?}"),
        }
    }
}

/// Answers may take no longer than a test waits, and longer than it takes to give one.
async fn bus() -> Bus {
    let engine = EngineLimits { presence_answer_ms_max: 1_000, ..EngineLimits::default() };
    Bus::start_with(Settings { engine, ..Settings::default() }).await
}

#[tokio::test]
async fn after_a_restart_temporary_subscribers_are_asked_for_and_only_those_end_who_have_gone() {
    let followed = Followed::new(bus().await);
    followed.bus.create("n").await;
    followed.bus.subscribe("n", "plain").await;
    for user in ["away", "hidden", "there"] {
        followed.subscribe_temporarily(user).await;
    }
    let followed = followed.restart().await;
    assert_eq!(followed.asked().await, ["away", "hidden", "there"].map(|user| bare(user).to_string()));
    for user in ["away", "there"] {
        followed.hears(user, HeardPresence::Subscribed);
    }
    followed.hears("there", OLD);
    assert_eq!(followed.told().await, jid("away"));
    assert_eq!(followed.bus.stored(SUBSCRIPTIONS).await, 3);
    followed.hears("there", HeardPresence::Unavailable);
    assert_eq!(followed.told().await, jid("there"));
    assert_eq!(followed.bus.stored(SUBSCRIPTIONS).await, 2, "who hides has not gone by being silent");
}

#[tokio::test]
async fn on_a_cut_nobody_has_gone_before_that_is_known() {
    let followed = Followed::new(bus().await);
    followed.bus.create("n").await;
    followed.subscribe_temporarily("a").await;
    followed.asked::<1>().await;
    followed.hears("a", HeardPresence::Subscribed);
    followed.hears("a", OLD);
    followed.bus.engine.presence().link_down();
    followed.bus.engine.presence().link_up();
    followed.asked::<1>().await;
    assert_eq!(followed.bus.stored(SUBSCRIPTIONS).await, 1);
    assert_eq!(followed.told().await, jid("a"));
}

/// A node whose newest item is a publisher's, who lets us see its presence.
async fn published() -> Followed {
    let followed = Followed::new(bus().await);
    let config = NodeConfig { purge_when_publisher_goes: true, ..NodeConfig::default() };
    followed.bus.create_with("n", config).await;
    followed.bus.affiliate("n", "p", Affiliation::Publisher).await;
    followed.bus.run("p", "n", publish_verb(&["1"])).await.expect("an item");
    assert_eq!(followed.asked().await, [bare("p").to_string()], "who has published is asked for");
    followed.hears("p", HeardPresence::Subscribed);
    followed.hears("p", OLD);
    followed
}

const PURGES: &str = "(SELECT count(*) FROM heads WHERE purged_through_seq > 0)";

#[tokio::test]
async fn a_publisher_who_goes_may_have_another_resource() {
    let followed = published().await.restart().await;
    // The process that is new to it has not seen it come.
    followed
        .bus
        .create_with("other", NodeConfig { purge_when_publisher_goes: true, ..NodeConfig::default() })
        .await;
    followed.hears("p", HeardPresence::Unavailable);
    assert_eq!(followed.asked().await, [bare("p").to_string()], "is there another one?");
    let desk = Jid::new(&format!("{}/desk", bare("p"))).unwrap();
    followed.bus.engine.presence().hear(&desk, OLD);
    followed.bus.publish("other", &["1"]).await;
    assert_eq!(followed.bus.stored(PURGES).await, 0);
    followed.bus.engine.presence().hear(&desk, HeardPresence::Unavailable);
    followed.bus.until_stored(PURGES, 1).await;
    assert_eq!(followed.bus.item_ids("other").await, ["1"], "the owner has not gone");
}

#[tokio::test]
async fn a_publisher_who_goes_while_the_link_is_away_is_found_out() {
    let followed = published().await;
    followed.bus.engine.presence().link_down();
    followed.bus.engine.presence().link_up();
    assert_eq!(followed.asked().await, [bare("p").to_string()]);
    assert_eq!(followed.bus.stored(PURGES).await, 0);
    followed.bus.until_stored(PURGES, 1).await;
}

#[tokio::test]
async fn what_somebody_else_has_published_meanwhile_stays() {
    let followed = published().await;
    followed.bus.publish("n", &["2"]).await;
    let purge = Verb::PurgeBehind(bare("p"));
    followed.bus.run("p", "n", purge.clone()).await.expect("nothing to do");
    assert_eq!(followed.bus.item_ids("n").await, ["1", "2"]);
    followed.bus.run("p", "n", publish_verb(&["3"])).await.expect("an item");
    followed.bus.run("p", "n", purge).await.expect("a purge");
    assert_eq!(followed.bus.item_ids("n").await, Vec::<String>::new());
}
