//! Two engines on one database.

use std::sync::Arc;
use std::time::Duration;

use bus_domain::collection::Placement;
use bus_domain::idempotency::IdempotencyKey;
use bus_domain::quota::Quotas;
use bus_domain::retrieve::Selection;
use bus_domain::{
    Actor, Affiliation, BareJid, BusError, ItemId, Jid, LimitKind, NodeConfig, NodeName, NodeType,
    OptionSetting, Payload, PublishModel, RelationWish, Role, Setting, publish, subscribe,
};
use bus_engine::{
    Command, Delivery, DeliveryInput, Engine, EngineLimits, NotificationSink, Outcome, Settings, SinkFull,
    SystemClock, SystemIds, Tail, TailFrame, TailStart, Verb,
};
use bus_store::{CursorStore as _, LaggingStore as _, Leg};
use bus_store_postgres::{PostgresLimits, PostgresStore};
use harness::Postgres;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::fixture::{database, open};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Nothing is seen by polling in the time of a test.
const NEVER_MS: u64 = 3_600_000;

pub(crate) struct Instance {
    pub(crate) engine: Engine,
    _stop: DropGuard,
}

impl Instance {
    async fn start(url: &str, doorbell_poll_ms: u64) -> Self {
        let store = Arc::new(open(url, PostgresLimits::default()).await);
        let engine = EngineLimits { doorbell_poll_ms, ..EngineLimits::default() };
        Self::start_on(store, Settings { engine, ..Settings::default() }).await
    }

    pub(crate) async fn start_with(url: &str, settings: Settings) -> Self {
        Self::start_on(Arc::new(open(url, PostgresLimits::default()).await), settings).await
    }

    async fn start_on(store: Arc<PostgresStore>, settings: Settings) -> Self {
        let stop = CancellationToken::new();
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
        let parts = Engine::start(store, settings, clock, ids, stop.clone()).await.expect("an engine");
        Self { engine: parts.engine, _stop: stop.drop_guard() }
    }

    pub(crate) async fn run(&self, user: &str, verb: Verb) -> Result<Outcome, BusError> {
        self.engine.execute(Command { actor: actor(user), node: name(), verb }).await
    }

    pub(crate) async fn publish(&self) -> u64 {
        match self.run("owner", publish()).await {
            Ok(Outcome::Published(published)) => published.first_seq,
            other => panic!("{other:?}"),
        }
    }

    async fn affiliate(&self, user: &str, affiliation: Affiliation) {
        self.run("owner", Verb::Affiliate(vec![(bare(user), affiliation)].into()))
            .await
            .expect("an affiliation");
    }

    async fn tail(&self) -> Result<Tail, BusError> {
        self.engine.tail(actor("reader"), &name(), TailStart::Latest, None).await
    }

    /// Waits until the doorbell has looked at the store so often: it listens then.
    async fn until_listening(&self, looks: u64) {
        let listens = harness::wait_until("the doorbell", PATIENCE, async || {
            (self.engine.statistics().snapshot().doorbell_looks >= looks).then_some(())
        });
        listens.await.expect("it listens");
    }

    /// Attaches a leg that takes everything, and returns the positions that it takes.
    async fn attach(&self) -> (mpsc::Sender<DeliveryInput>, mpsc::Receiver<u64>) {
        let (inputs, seen) = self.stand_by();
        inputs.send(DeliveryInput::LinkUp { link: 1 }).await.expect("a dispatcher");
        (inputs, seen)
    }

    /// Attaches a leg without a link.
    fn stand_by(&self) -> (mpsc::Sender<DeliveryInput>, mpsc::Receiver<u64>) {
        let (sender, seen) = mpsc::channel(10_000);
        let (inputs, receiver) = mpsc::channel(8);
        let engine = self.engine.clone();
        tokio::spawn(async move { engine.deliver(Lane(sender), receiver).await });
        (inputs, seen)
    }
}

struct Lane(mpsc::Sender<u64>);

impl NotificationSink for Lane {
    fn try_send(&mut self, delivery: &Delivery<'_>) -> Result<(), SinkFull> {
        self.0.try_send(delivery.event.seq).map_err(|_| SinkFull)
    }
}

async fn pair(doorbell_poll_ms: u64) -> (Instance, Instance, String) {
    let url = Postgres::shared().await.create_database().await.expect("a database");
    let first = Instance::start(&url, doorbell_poll_ms).await;
    first.until_listening(2).await;
    let second = Instance::start(&url, doorbell_poll_ms).await;
    // One look at the start, one at the first tick, and one at the other's arrival.
    first.until_listening(3).await;
    second.until_listening(2).await;
    (first, second, url)
}

#[tokio::test]
async fn what_one_commits_the_other_reads_at_once() {
    let (first, second, _) = pair(NEVER_MS).await;
    first.run("owner", Verb::Create(NodeConfig::default())).await.unwrap();
    let mut tail = second.tail().await.unwrap();
    for seq in 1..=5 {
        assert_eq!(first.publish().await, seq);
        assert_eq!(next_seq(&mut tail).await, seq);
    }
    assert_eq!(second.publish().await, 6);
    assert_eq!(first.publish().await, 7);
    assert_eq!((next_seq(&mut tail).await, next_seq(&mut tail).await), (6, 7), "whoever publishes");
}

#[tokio::test]
async fn without_a_ring_a_look_finds_it() {
    let (first, second, url) = pair(50).await;
    first.run("owner", Verb::Create(NodeConfig::default())).await.unwrap();
    let mut tail = second.tail().await.unwrap();
    let postgres = Postgres::shared().await;
    // What another program commits rings nowhere.
    let append =
        "INSERT INTO events SELECT node_id, 1, 5, NULL, 'a@example.org', NULL, 0, 1, 0, NULL FROM heads;
                  UPDATE heads SET seq = 1, last_due_seq = 1";
    postgres.sql(database(&url), append).await.unwrap();
    assert_eq!(next_seq(&mut tail).await, 1);
}

#[tokio::test]
async fn rings_that_were_missed_while_the_connection_was_lost_are_made_up_for() {
    let (first, second, url) = pair(100).await;
    first.run("owner", Verb::Create(NodeConfig::default())).await.unwrap();
    let mut tail = second.tail().await.unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid() AND query ~* 'listen|instances'";
    Postgres::shared().await.sql(database(&url), end).await.unwrap();
    assert_eq!(first.publish().await, 1);
    assert_eq!(next_seq(&mut tail).await, 1);
}

#[tokio::test]
async fn a_ban_on_one_acts_on_the_other_with_its_next_step() {
    let (first, second, _) = pair(NEVER_MS).await;
    first.run("owner", Verb::Create(NodeConfig::default())).await.unwrap();
    first.affiliate("reader", Affiliation::Publisher).await;
    let mut tail = second.tail().await.unwrap();
    assert!(second.run("reader", publish()).await.is_ok());

    // Each step meets rules that the second remembers from before the ban.
    let ban = async || {
        first.affiliate("reader", Affiliation::Publisher).await;
        assert!(second.run("reader", publish()).await.is_ok());
        first.affiliate("reader", Affiliation::Outcast).await;
    };
    next_seq(&mut tail).await;
    first.affiliate("reader", Affiliation::Outcast).await;
    first.publish().await;
    let refused = tokio::time::timeout(PATIENCE, tail.next()).await.expect("it is woken");
    assert_eq!(refused.err(), Some(BusError::Forbidden), "nothing is shown behind the ban");
    ban().await;
    assert_eq!(second.tail().await.err(), Some(BusError::Forbidden));
    ban().await;
    assert_eq!(second.engine.node(&actor("reader"), &name()).await.err(), Some(BusError::Forbidden));
    ban().await;
    assert_eq!(second.run("reader", publish()).await, Err(BusError::Forbidden));
}

#[tokio::test]
async fn what_one_commits_the_other_delivers() {
    let (first, second, _) = pair(NEVER_MS).await;
    first.run("owner", Verb::Create(NodeConfig::default())).await.unwrap();
    first.run("reader", Verb::Subscribe(Jid::from(bare("reader")).into())).await.unwrap();
    let (_inputs, mut seen) = second.attach().await;
    assert_eq!(first.publish().await, 1);
    assert_eq!(next(&mut seen).await, 1);
    assert_eq!(first.publish().await, 2);
    assert_eq!(second.publish().await, 3);
    assert_eq!((next(&mut seen).await, next(&mut seen).await), (2, 3));
    first.run("reader", Verb::Unsubscribe(Jid::from(bare("reader")).into())).await.unwrap();
    first.run("other", Verb::Subscribe(Jid::from(bare("other")).into())).await.unwrap();
    assert_eq!(second.publish().await, 4, "with its recipients of now");
    assert_eq!(next(&mut seen).await, 4);
    assert!(seen.is_empty(), "one recipient");
}

#[tokio::test]
async fn a_node_that_is_not_in_memory_is_delivered_from_its_cursor() {
    let url = Postgres::shared().await.create_database().await.unwrap();
    let instance = Instance::start(&url, NEVER_MS).await;
    instance.until_listening(2).await;
    let (_inputs, mut seen) = instance.attach().await;
    instance.run("owner", Verb::Create(NodeConfig::default())).await.unwrap();
    instance.run("reader", Verb::Subscribe(Jid::from(bare("reader")).into())).await.unwrap();
    // Another program, which rings nowhere: all that the instance hears of the node is its own commit.
    let append =
        "INSERT INTO events SELECT node_id, n, 1, 'b', 'a@example.org', '<a/>', 0, recipients_version, n - 1
                      FROM heads, generate_series(1, 3) n;
                  UPDATE heads SET seq = 3, last_due_seq = 3";
    Postgres::shared().await.sql(database(&url), append).await.unwrap();
    assert_eq!(instance.publish().await, 4);
    for seq in 1..=4 {
        assert_eq!(next(&mut seen).await, seq, "nothing is passed over");
    }
}

#[tokio::test]
async fn a_digest_that_one_has_begun_is_sent_by_the_one_that_takes_the_link_over() {
    let (first, second, url) = pair(NEVER_MS).await;
    first.run("owner", Verb::Create(NodeConfig::default())).await.unwrap();
    let options = vec![OptionSetting::Digest(true), OptionSetting::DigestFrequencyMs(Some(4_000))];
    let request = subscribe::Request { jid: bare("reader").into(), options };
    first.run("reader", Verb::Subscribe(request)).await.unwrap();
    let (takes_over, mut seen) = second.stand_by();
    let (inputs, mut seen_before) = first.attach().await;
    assert_eq!(first.publish().await, 1);
    let store = open(&url, PostgresLimits::default()).await;
    let is_aside = harness::wait_until("the digest's row, and the cursor behind it", PATIENCE, async || {
        let rows = store.lagging(Leg::Xmpp, None, 10).await.unwrap();
        let behind = store.undelivered(Leg::Xmpp, None, 10).await.unwrap();
        (rows.len() == 1 && behind.nodes.is_empty()).then_some(())
    });
    is_aside.await.unwrap();
    drop(inputs);
    assert_eq!(seen_before.recv().await, None, "it has ended, and sent nothing");
    takes_over.send(DeliveryInput::LinkUp { link: 1 }).await.unwrap();
    assert_eq!(next(&mut seen).await, 1);
}

#[tokio::test]
async fn both_publish_to_one_node_at_once_in_one_order() {
    const EACH: usize = 150;
    let (first, second, url) = pair(NEVER_MS).await;
    first.run("owner", Verb::Create(NodeConfig::default())).await.unwrap();
    let load = async |instance: &Instance| {
        let mut seqs = Vec::new();
        for _ in 0..EACH {
            seqs.push(instance.publish().await);
        }
        seqs
    };
    let (of_first, of_second) = tokio::join!(load(&first), load(&second));
    assert!(of_first.is_sorted() && of_second.is_sorted());
    let mut all = [of_first, of_second].concat();
    all.sort_unstable();
    assert_eq!(all, (1..=2 * EACH as u64).collect::<Vec<_>>(), "without a hole, each once");
    let stored = Postgres::shared().await.sql(database(&url), "SELECT count(*), max(seq) FROM events").await;
    assert_eq!(stored.unwrap(), format!("{0}|{0}", 2 * EACH));
}

async fn next_seq(tail: &mut Tail) -> u64 {
    match tokio::time::timeout(PATIENCE, tail.next()).await.expect("it comes").expect("readable") {
        Some(TailFrame::Event(event)) => event.seq,
        other => panic!("{other:?}"),
    }
}

async fn next(seen: &mut mpsc::Receiver<u64>) -> u64 {
    tokio::time::timeout(PATIENCE, seen.recv()).await.expect("it comes").expect("a dispatcher")
}

fn publish() -> Verb {
    let item = publish::NewItem {
        id: Some(ItemId::new("a").expect("an id")),
        payload: Some(Payload::from_serialised("<a xmlns='urn:test'/>")),
    };
    Verb::Publish(publish::Request { items: vec![item], ..publish::Request::default() })
}

pub(crate) fn name() -> NodeName {
    NodeName::new("n").expect("a name")
}

pub(crate) fn actor(user: &str) -> Actor {
    let role = if user == "owner" { Role::Creator } else { Role::User };
    Actor::new(bare(user), role)
}

fn bare(user: &str) -> BareJid {
    BareJid::new(&format!("{user}@example.org")).expect("a JID")
}

#[tokio::test]
async fn what_somebody_may_have_is_counted_over_all_instances() {
    const MAX: u64 = 5;
    let url = Postgres::shared().await.create_database().await.unwrap();
    let quotas = Quotas { nodes_per_jid_max: MAX, subscriptions_max: MAX, ..Quotas::default() };
    let start = async || {
        let settings = Settings { quotas: quotas.clone(), ..Settings::default() };
        Instance::start_with(&url, settings).await
    };
    let instances = [start().await, start().await];
    let all = async |verb_of: &dyn Fn(usize) -> (&'static str, NodeName, Verb)| {
        let commands = (0..40).map(|number| {
            let (user, node, verb) = verb_of(number);
            instances[number % 2].engine.execute(Command { actor: actor(user), node, verb })
        });
        let answers = futures::future::join_all(commands).await;
        let is_refusal = |it: &BusError| matches!(it, BusError::LimitReached(LimitKind::Quota(_)));
        let refused =
            answers.iter().filter_map(|it| it.as_ref().err()).inspect(|it| assert!(is_refusal(it), "{it}"));
        answers.len() - refused.count()
    };
    let node = |number: usize| NodeName::new(&number.to_string()).unwrap();
    let create = |number| ("owner", node(number), Verb::Create(NodeConfig::default()));
    assert_eq!(all(&create).await, 5, "nodes of one address");
    let admin = Actor::new(bare("admin"), Role::Admin);
    for number in 100..140 {
        let verb = Verb::Create(NodeConfig::default());
        let command = Command { actor: admin.clone(), node: node(number), verb };
        instances[0].engine.execute(command).await.expect("an admin is not bound");
    }
    let subscribe =
        |number| ("reader", node(100 + number), Verb::Subscribe(Jid::from(bare("reader")).into()));
    assert_eq!(all(&subscribe).await, 5, "subscriptions in all");
}

#[tokio::test]
async fn whoever_publishes_below_a_collection_it_takes_everything_once() {
    let (first, second, url) = pair(NEVER_MS).await;
    let node = |text: &str| NodeName::new(text).unwrap();
    let run = async |instance: &Instance, on: &str, verb: Verb| {
        let command = Command { actor: actor("owner"), node: node(on), verb };
        instance.engine.execute(command).await.unwrap()
    };
    let collection = NodeConfig { node_type: NodeType::Collection, ..NodeConfig::default() };
    run(&first, "above", Verb::Create(collection)).await;
    run(&first, "n", Verb::Create(NodeConfig::default())).await;
    run(&second, "above", Verb::Associate(node("n"))).await;
    for round in 0..20 {
        // What each of them knows of the collection's rules is old by the next round.
        let instance = if round % 2 == 0 { &first } else { &second };
        let title = Setting::Title(Some(round.to_string()));
        tokio::join!(first.publish(), second.publish(), run(instance, "above", Verb::Configure(vec![title])));
    }
    let taken = "SELECT count(*) || ' ' || count(DISTINCT origin) FROM events WHERE origin IS NOT NULL";
    let postgres = Postgres::shared().await;
    let all = async {
        let mut found = String::new();
        while found != "41 41" {
            tokio::time::sleep(Duration::from_millis(20)).await;
            found = postgres.sql(database(&url), taken).await.unwrap();
            assert!(!found.starts_with("42"), "{found}");
        }
    };
    assert!(tokio::time::timeout(PATIENCE, all).await.is_ok(), "the association and forty items");
}

#[tokio::test]
async fn who_is_banned_above_a_node_is_kept_out_by_every_instance_at_once() {
    let (first, second, _url) = pair(NEVER_MS).await;
    let node = |text: &str| NodeName::new(text).unwrap();
    let open = NodeConfig { publish_model: PublishModel::Open, ..NodeConfig::default() };
    let run = async |instance: &Instance, user: &str, on: &str, verb: Verb| {
        instance.engine.execute(Command { actor: actor(user), node: node(on), verb }).await
    };
    run(&first, "owner", "above", Verb::Create(open.clone())).await.unwrap();
    let below = |name: &str| {
        let relation = RelationWish { parent: Some(Some(node(name))), link: None };
        let placement = Placement { relation, ..Placement::default() };
        Verb::CreateAmong(open.clone(), Box::new(placement))
    };
    run(&first, "owner", "middle", below("above")).await.unwrap();
    run(&first, "owner", "n", below("middle")).await.unwrap();
    for round in 0..10 {
        // What the other one knows of the node is warm, and of an older version of what is above it.
        run(&second, "guest", "n", publish()).await.unwrap();
        assert!(second.engine.items(&actor("guest"), &node("n"), Selection::Newest(Some(1))).await.is_ok());
        let ban = |affiliation| Verb::Affiliate(vec![(bare("guest"), affiliation)].into());
        let above = if round % 2 == 0 { "above" } else { "middle" };
        run(&first, "owner", above, ban(Affiliation::Outcast)).await.unwrap();
        assert_eq!(run(&second, "guest", "n", publish()).await, Err(BusError::Forbidden), "{round}");
        let items = second.engine.items(&actor("guest"), &node("n"), Selection::Newest(Some(1))).await;
        assert_eq!(items.err(), Some(BusError::Forbidden), "{round}");
        run(&first, "owner", above, ban(Affiliation::None)).await.unwrap();
    }
}

#[tokio::test]
async fn whichever_instance_ends_first_what_is_below_a_deleted_node_goes() {
    let (first, second, url) = pair(NEVER_MS).await;
    let node = |text: &str| NodeName::new(text).unwrap();
    let run = async |instance: &Instance, on: &str, verb: Verb| {
        instance.engine.execute(Command { actor: actor("owner"), node: node(on), verb }).await
    };
    run(&first, "above", Verb::Create(NodeConfig::default())).await.unwrap();
    let relation = RelationWish { parent: Some(Some(node("above"))), link: None };
    let placement = Box::new(Placement { relation, ..Placement::default() });
    run(&first, "n", Verb::CreateAmong(NodeConfig::default(), placement)).await.unwrap();
    assert!(second.engine.node(&actor("owner"), &node("n")).await.is_ok());
    run(&first, "above", Verb::Delete(None)).await.unwrap();
    assert_eq!(run(&second, "n", publish()).await, Err(BusError::NodeNotFound));
    drop((first, second));
    let third = Instance::start(&url, NEVER_MS).await;
    let again = async { while run(&third, "n", Verb::Create(NodeConfig::default())).await.is_err() {} };
    assert!(tokio::time::timeout(PATIENCE, again).await.is_ok(), "its name is free again");
}

#[tokio::test]
async fn a_request_that_comes_to_both_is_carried_out_by_one() {
    const REQUESTS: u64 = 40;
    let (first, second, url) = pair(NEVER_MS).await;
    first.run("owner", Verb::Create(NodeConfig::default())).await.unwrap();
    let submit = |instance: &Instance, number: u64| {
        let Verb::Publish(mut request) = publish() else { unreachable!() };
        let key = IdempotencyKey::new(&number.to_string()).unwrap();
        request.once = Some(bus_engine::once(key, &request));
        let command = Command { actor: actor("owner"), node: name(), verb: Verb::Publish(request) };
        instance.engine.submit(command)
    };
    // All at once, so that their batches meet.
    let [of_first, of_second] = [&first, &second]
        .map(|instance| futures::future::join_all((0..REQUESTS).map(|number| submit(instance, number))));
    let (of_first, of_second) = tokio::join!(of_first, of_second);
    for (one, other) in of_first.into_iter().zip(of_second) {
        let (Ok(Outcome::Published(one)), Ok(Outcome::Published(other))) = (one, other) else {
            panic!("both are answered");
        };
        assert_eq!(
            (one.first_seq, one.epoch, &one.item_ids),
            (other.first_seq, other.epoch, &other.item_ids)
        );
        assert_ne!(one.duplicate, other.duplicate);
    }
    let stored = Postgres::shared().await.sql(database(&url), "SELECT count(*), max(seq) FROM events").await;
    assert_eq!(stored.unwrap(), format!("{REQUESTS}|{REQUESTS}"));
}
