use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bus_domain::bounce::BounceClass;
use bus_domain::retrieve::Selection;
use bus_domain::{
    Actor, Affiliation, BareJid, BusError, ItemId, Jid, NodeConfig, NodeName, Payload, Role, Subscription,
    publish, retract,
};
use bus_engine::{
    Bounce, Clock, Command, Delivery, DeliveryInput, Engine, EngineParts, EventRef, MessageRef,
    NotificationSink, Outcome, Published, PushStore, Settings, SinkFull, StatisticsSnapshot, SystemIds, Verb,
};
use bus_store::EpochStore as _;
use bus_store_sqlite::SqliteStore;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// An engine over a store in a throw-away folder.
pub(crate) struct Bus {
    pub(crate) engine: Engine,
    pub(crate) folder: tempfile::TempDir,
    store: Arc<SqliteStore>,
    pub(crate) clock: Arc<TestClock>,
    settings: Settings,
    shutdown: CancellationToken,
    committer: JoinHandle<()>,
    retention: Option<JoinHandle<()>>,
}

/// When every test begins, in milliseconds since 1970.
const START_MS: i64 = 1_700_000_000_000;

/// A clock that stands still until a test moves it.
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    /// Moves it by so many milliseconds, also back.
    pub(crate) fn advance(&self, milliseconds: i64) {
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }

    /// Moves it by so many seconds, also back.
    pub(crate) fn jump(&self, seconds: i64) {
        self.advance(seconds * 1_000);
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// What an XMPP leg would have seen: (node, seq, after, recipient).
pub(crate) type Seen = (String, u64, u64, String);

/// A leg that takes everything; the tests prove what it took.
pub(crate) struct Leg {
    pub(crate) inputs: mpsc::Sender<DeliveryInput>,
    seen: mpsc::Receiver<Sent>,
    /// What can come back: the newest hand-off of each event to each recipient.
    messages: HashMap<(u64, String), MessageRef>,
    last_ticket: u64,
    task: JoinHandle<()>,
}

type Sent = (u64, Seen, MessageRef);

struct Lane(mpsc::Sender<Sent>);

impl NotificationSink for Lane {
    fn try_send(&mut self, delivery: &Delivery<'_>) -> Result<(), SinkFull> {
        let seen = (
            delivery.node.name.to_string(),
            delivery.event.seq,
            delivery.after_seq,
            delivery.subscription.jid.to_string(),
        );
        let (node, epoch) = (delivery.node.id, delivery.node.epoch);
        let event = EventRef { node, epoch, seq: delivery.event.seq };
        let subscription = delivery.subscription.id;
        let message = MessageRef { event, subscription, after_seq: delivery.after_seq };
        self.0.try_send((delivery.hand_off.ticket, seen, message)).map_err(|_| SinkFull)
    }
}

impl Bus {
    pub(crate) async fn start() -> Self {
        Self::start_with(Settings::default()).await
    }

    pub(crate) async fn start_with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(TestClock(AtomicI64::new(START_MS)));
        Self::open(folder, settings, clock).await
    }

    /// Ends like a killed process as far as the store can tell, and starts again on the same file.
    pub(crate) async fn restart(self) -> Self {
        let settings = self.settings.clone();
        self.restart_with(settings).await
    }

    /// The same with other settings.
    pub(crate) async fn restart_with(self, settings: Settings) -> Self {
        let clock = Arc::clone(&self.clock);
        Self::open(self.kill().await, settings, clock).await
    }

    /// Ends like a killed process; the folder stays.
    pub(crate) async fn kill(self) -> tempfile::TempDir {
        self.end().await.0
    }

    /// Stops in order and starts again on the same file.
    pub(crate) async fn stop(self) -> Self {
        let (clock, settings) = (Arc::clone(&self.clock), self.settings.clone());
        let (folder, store) = self.end().await;
        store.close().await.expect("the store is closed");
        drop(store);
        Self::open(folder, settings, clock).await
    }

    async fn end(self) -> (tempfile::TempDir, Arc<SqliteStore>) {
        self.shutdown.cancel();
        self.committer.await.expect("the committer ends");
        if let Some(retention) = self.retention {
            retention.await.expect("retention ends");
        }
        drop(self.engine);
        (self.folder, self.store)
    }

    async fn open(folder: tempfile::TempDir, settings: Settings, clock: Arc<TestClock>) -> Self {
        let store = open_store(folder.path()).await;
        Self::on(store, folder, settings, clock).await
    }

    /// Two engines on one store, like two processes on one database.
    pub(crate) async fn start_two() -> [Self; 2] {
        let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
        let store = open_store(folders[0].path()).await;
        let engines = folders.map(|folder| {
            let clock = Arc::new(TestClock(AtomicI64::new(START_MS)));
            Self::on(Arc::clone(&store), folder, Settings::default(), clock)
        });
        let [first, second] = engines;
        [first.await, second.await]
    }

    async fn on(
        store: Arc<SqliteStore>,
        folder: tempfile::TempDir,
        settings: Settings,
        clock: Arc<TestClock>,
    ) -> Self {
        let shutdown = CancellationToken::new();
        let ids = Arc::new(SystemIds);
        let shared = Arc::<SqliteStore>::clone(&store);
        let parts = Engine::start(shared, settings.clone(), clock.clone(), ids, shutdown.clone()).await;
        let EngineParts { engine, committer } = parts.expect("an engine");
        Self { engine, folder, store, clock, settings, shutdown, committer, retention: None }
    }

    pub(crate) fn attach(&self) -> Leg {
        let (seen_sender, seen) = mpsc::channel(100_000);
        let (inputs, receiver) = mpsc::channel(64);
        let engine = self.engine.clone();
        let task = tokio::spawn(async move { engine.deliver(Lane(seen_sender), receiver).await });
        Leg { inputs, seen, messages: HashMap::new(), last_ticket: 0, task }
    }

    /// Starts retention.
    pub(crate) fn retain(&mut self) {
        let (engine, shutdown) = (self.engine.clone(), self.shutdown.clone());
        self.retention = Some(tokio::spawn(async move { engine.retain(shutdown).await }));
    }

    /// Waits until the counters are as wanted.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(StatisticsSnapshot) -> bool) {
        let mut poll = tokio::time::interval(Duration::from_millis(5));
        let reached = async {
            while !is_so(self.engine.statistics().snapshot()) {
                poll.tick().await;
            }
        };
        let reached = tokio::time::timeout(Duration::from_mins(1), reached).await;
        assert!(reached.is_ok(), "{what}: {:?}", self.engine.statistics().snapshot());
    }

    pub(crate) async fn run(&self, actor: &str, node: &str, verb: Verb) -> Result<Outcome, BusError> {
        self.engine.execute(Command { actor: self::actor(actor), node: name(node), verb }).await
    }

    pub(crate) async fn create(&self, node: &str) {
        self.create_with(node, NodeConfig::default()).await;
    }

    pub(crate) async fn create_with(&self, node: &str, config: NodeConfig) {
        self.run("owner", node, Verb::Create(config)).await.expect("a node");
    }

    pub(crate) async fn publish(&self, node: &str, ids: &[&str]) -> Published {
        match self.run("owner", node, publish_verb(ids)).await {
            Ok(Outcome::Published(published)) => published,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn subscribe(&self, node: &str, user: &str) -> Subscription {
        match self.run(user, node, Verb::Subscribe(jid(user).into())).await {
            Ok(Outcome::Subscribed { subscription, .. }) => subscription,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn affiliate(&self, node: &str, user: &str, affiliation: Affiliation) {
        let entries = vec![(bare(user), affiliation)];
        self.run("owner", node, Verb::Affiliate(entries.into())).await.expect("an affiliation");
    }

    /// The store, for what pushing keeps in it.
    pub(crate) fn push_store(&self) -> Arc<dyn PushStore> {
        Arc::clone(&self.store) as _
    }

    /// Waits until no row of a deleted node is left.
    pub(crate) async fn until_reaped(&self) {
        let left = "(SELECT count(*) FROM nodes WHERE deleted_at_ms IS NOT NULL)
                    + (SELECT count(*) FROM subscriptions WHERE node_id NOT IN (SELECT node_id FROM heads))";
        self.until_stored(left, 0).await;
    }

    /// Waits until an expression over the store has a value.
    pub(crate) async fn until_stored(&self, expression: &'static str, expected: i64) {
        let mut connection = self.connect().await;
        let mut poll = tokio::time::interval(Duration::from_millis(20));
        let mut found = i64::MIN;
        let stored = async {
            while found != expected {
                poll.tick().await;
                found = self::stored(&mut connection, expression).await;
            }
        };
        let stored = tokio::time::timeout(Duration::from_mins(1), stored).await;
        assert!(stored.is_ok(), "{expression} is {found} and not {expected}");
    }

    /// The value of an expression over the store.
    pub(crate) async fn stored(&self, expression: &'static str) -> i64 {
        stored(&mut self.connect().await, expression).await
    }

    /// Changes the store behind the engine's back.
    pub(crate) async fn tamper(&self, statement: &'static str) {
        sqlx::query(statement).execute(&mut self.connect().await).await.expect("it is done");
    }

    async fn connect(&self) -> SqliteConnection {
        let path = self.folder.path().join("bus.db");
        SqliteConnection::connect(path.to_str().expect("UTF-8")).await.expect("a connection")
    }

    pub(crate) async fn item_ids(&self, node: &str) -> Vec<String> {
        let listing = self.engine.items(&actor("owner"), &name(node), Selection::Newest(None)).await;
        let items = listing.expect("items").items;
        items.iter().filter_map(|item| item.kind.item_id()).map(ToString::to_string).collect()
    }
}

impl Leg {
    /// Attaches the link.
    pub(crate) async fn up(&self) {
        self.inputs.send(DeliveryInput::LinkUp { link: 1 }).await.expect("a dispatcher");
    }

    /// Detaches the link; when it returns, nothing more is sent.
    pub(crate) async fn down(&self) {
        self.inputs.send(DeliveryInput::LinkDown).await.expect("a dispatcher");
        while self.inputs.capacity() < self.inputs.max_capacity() {
            tokio::task::yield_now().await;
        }
    }

    /// The next notification.
    pub(crate) async fn next(&mut self) -> Seen {
        let next = tokio::time::timeout(Duration::from_mins(1), self.seen.recv());
        let (ticket, seen, message) = next.await.expect("one comes").expect("the dispatcher lives");
        self.last_ticket = ticket;
        self.messages.insert((seen.1, seen.3.clone()), message);
        seen
    }

    /// (seq, after, recipient) of the next so many.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<(u64, u64, String)> {
        let mut taken = Vec::with_capacity(count);
        for _ in 0..count {
            let (_, seq, after, recipient) = self.next().await;
            taken.push((seq, after, recipient));
        }
        taken
    }

    /// Sends an event back that was taken, as its recipient.
    pub(crate) async fn bounce(&self, seq: u64, recipient: &str, class: BounceClass) {
        let from = Jid::new(recipient).expect("a JID");
        self.bounce_as(self.message(seq, recipient), from, class).await;
    }

    /// Sends any message back as anybody.
    pub(crate) async fn bounce_as(&self, message: MessageRef, from: Jid, class: BounceClass) {
        let bounce = Box::new(Bounce { message, from, class });
        self.inputs.send(DeliveryInput::Bounced(bounce)).await.expect("a dispatcher");
    }

    /// What the id of a message that was taken names.
    pub(crate) fn message(&self, seq: u64, recipient: &str) -> MessageRef {
        self.messages[&(seq, recipient.to_owned())]
    }

    /// Proves everything that was taken.
    pub(crate) async fn prove(&self) {
        let proof = DeliveryInput::HandedOver { through_ticket: self.last_ticket };
        self.inputs.send(proof).await.expect("a dispatcher");
    }

    /// Proves whatever is sent until an expression over the store has a value: what a timer sends again meanwhile, too.
    pub(crate) async fn prove_until(&mut self, bus: &Bus, expression: &'static str, expected: i64) {
        let mut poll = tokio::time::interval(Duration::from_millis(20));
        let proving = async {
            while bus.stored(expression).await != expected {
                while let Ok((ticket, ..)) = self.seen.try_recv() {
                    self.last_ticket = ticket;
                }
                self.prove().await;
                poll.tick().await;
            }
        };
        let proven = tokio::time::timeout(Duration::from_mins(1), proving).await;
        assert!(proven.is_ok(), "{expression} is not {expected}");
    }

    /// Detaches; whatever was sent beyond what was taken comes back as not taken.
    pub(crate) async fn detach(mut self) -> Vec<Seen> {
        drop(self.inputs);
        self.task.await.expect("the dispatcher ends");
        let mut rest = Vec::new();
        while let Ok((_, seen, _)) = self.seen.try_recv() {
            rest.push(seen);
        }
        rest
    }
}

async fn stored(connection: &mut SqliteConnection, expression: &str) -> i64 {
    let query = AssertSqlSafe(format!("SELECT {expression}"));
    sqlx::query_scalar(query).fetch_one(connection).await.expect("a number")
}

pub(crate) async fn open_store(folder: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(&folder.join("bus.db")).await.expect("a store"))
}

pub(crate) fn publish_verb(ids: &[&str]) -> Verb {
    let item = |id: &&str| publish::NewItem {
        id: (!id.is_empty()).then(|| ItemId::new(id).expect("an item id")),
        payload: Some(Payload::from_serialised(format!("<a xmlns='urn:test'>{id}</a>"))),
    };
    Verb::Publish(publish::Request { items: ids.iter().map(item).collect(), ..publish::Request::default() })
}

pub(crate) fn retract_verb(ids: &[&str], notify: Option<bool>) -> Verb {
    let item_ids = ids.iter().map(|id| ItemId::new(id).expect("an item id")).collect();
    Verb::Retract(retract::Request { item_ids, notify })
}

pub(crate) fn actor(user: &str) -> Actor {
    let role = if user == "owner" { Role::Creator } else { Role::User };
    Actor::new(bare(user), role)
}

pub(crate) fn name(text: &str) -> NodeName {
    NodeName::new(text).expect("a name")
}

pub(crate) fn jid(user: &str) -> Jid {
    Jid::from(bare(user))
}

pub(crate) fn bare(user: &str) -> BareJid {
    BareJid::new(&format!("{user}@example.org")).expect("a JID")
}
