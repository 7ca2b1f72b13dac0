//! Devices and durable pushes, with a provider that says what a test wants.

mod accounts;
mod inlets;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bus_domain::push::{Device, JobState, PushAddress, PushLane, PushMessage, PushProvider, PushVerdict};
use bus_domain::{Actor, BareJid, Role};
use bus_engine::{
    Clock, JobRecord, Push, PushAccount, PushError, PushLimits, PushOrder, PushOutcome, PushSettings,
    PushSink, PushTargets, Pushes, QueuedPush, Registration, SystemIds, Unfit,
};
use bus_store_sqlite::SqliteStore;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const START_MS: i64 = 1_700_000_000_000;
const SENDER: &str = "app@events.example.org";

#[tokio::test]
async fn a_message_goes_to_all_devices_of_its_owners() {
    let mut bus = Bus::new().await;
    for (owner, token) in
        [("a@example.org", "1"), ("a@example.org", "2"), ("b@example.org", "3"), ("c@example.org", "4")]
    {
        bus.register(owner, token).await.unwrap();
    }
    let queued = bus.send(None, &["a@example.org", "b@example.org"]).await;
    assert!(queued.iter().all(|push| push.is_new && push.refused.is_none()), "{queued:?}");
    bus.start();
    let mut sent = vec![bus.sent().await, bus.sent().await, bus.sent().await];
    sent.sort();
    assert_eq!(sent, ["1", "2", "3"]);
    bus.stop().await;
    assert!(
        bus.records(&queued).await.iter().all(|job| job.state == JobState::Delivered && job.attempts == 1)
    );
    let counts = bus.pushes.counts();
    assert_eq!(
        (counts.len(), counts[0].verdict, counts[0].reason, counts[0].count),
        (1, "delivered", "fine", 3)
    );
}

#[tokio::test]
async fn what_is_enqueued_while_it_runs_is_sent_at_once() {
    let mut bus = Bus::new().await;
    bus.register("a@example.org", "1").await.unwrap();
    bus.start();
    for _ in 0..3 {
        bus.send(None, &["a@example.org"]).await;
        assert_eq!(bus.sent().await, "1");
    }
    bus.stop().await;
}

#[tokio::test]
async fn the_same_order_again_sends_nothing_again() {
    let mut bus = Bus::new().await;
    bus.register("a@example.org", "1").await.unwrap();
    let first = bus.send(Some([7; 16]), &["a@example.org"]).await;
    let again = bus.send(Some([7; 16]), &["a@example.org"]).await;
    assert_eq!((first[0].is_new, again[0].is_new), (true, false));
    assert_eq!(first[0].job, again[0].job);
    bus.run_until_sent(1).await;
    assert!(!bus.send(Some([7; 16]), &["a@example.org"]).await[0].is_new, "it is remembered when it is over");
    assert!(bus.send(Some([8; 16]), &["a@example.org"]).await[0].is_new);
}

#[tokio::test]
async fn registering_again_keeps_a_device_and_a_token_changes_hands() {
    let bus = Bus::new().await;
    let first = bus.register("a@example.org", "1").await.unwrap();
    bus.clock.advance(1_000);
    let again = bus.register("a@example.org", "1").await.unwrap();
    assert_eq!((again.id, again.registered_at_ms), (first.id, first.registered_at_ms + 1_000));
    let rotated = bus.register_as(&user("a@example.org"), Some(&first), "a@example.org", "2").await.unwrap();
    assert_eq!((rotated.id, rotated.address.token()), (first.id, "2"));
    let taken = bus.register("b@example.org", "2").await.unwrap();
    assert_ne!(taken.id, first.id, "what is on its way to the one must not reach the other");
    assert_eq!(bus.pushes.devices(&user("a@example.org"), &jid("a@example.org"), None, 9).await.unwrap(), []);
    let not_theirs = bus.register_as(&user("a@example.org"), Some(&taken), "a@example.org", "3").await;
    assert!(matches!(not_theirs, Err(PushError::NoSuchDevice)));
}

#[tokio::test]
async fn everybody_manages_their_own_devices_and_only_senders_send() {
    let bus = Bus::new().await;
    let (a, service) = (user("a@example.org/phone"), Actor::new(jid(SENDER), Role::Creator));
    let device = bus.register_as(&a, None, "a@example.org", "1").await.unwrap();
    assert!(matches!(bus.register_as(&a, None, "b@example.org", "2").await, Err(PushError::Forbidden)));
    assert!(matches!(bus.register_as(&service, None, "b@example.org", "2").await, Err(PushError::Forbidden)));
    bus.register_as(&service, None, SENDER, "2").await.unwrap();
    let of_a = jid("a@example.org");
    assert!(matches!(
        bus.pushes.devices(&user("b@example.org"), &of_a, None, 9).await,
        Err(PushError::Forbidden)
    ));
    assert!(matches!(bus.pushes.devices(&service, &of_a, None, 9).await, Err(PushError::Forbidden)));
    let seen = bus.pushes.devices(&admin(), &of_a, None, 9).await.unwrap();
    assert_eq!(seen, std::slice::from_ref(&device));
    let order = PushOrder {
        id: None,
        targets: PushTargets::Devices(vec![device.id]),
        message: PushMessage::default(),
    };
    let creator = Actor::new(jid("c@example.org"), Role::Creator);
    for nobody in [&a, &creator] {
        assert!(matches!(bus.pushes.send(nobody, order.clone()).await, Err(PushError::Forbidden)));
    }
    assert!(bus.pushes.send(&service, order).await.unwrap()[0].is_new);
    assert!(matches!(bus.pushes.dead(&a, None, 9).await, Err(PushError::Forbidden)));
    assert!(matches!(
        bus.pushes.remove_device(&user("b@example.org"), device.id).await,
        Err(PushError::NoSuchDevice)
    ));
    bus.pushes.remove_device(&a, device.id).await.unwrap();
    assert!(matches!(bus.pushes.remove_device(&a, device.id).await, Err(PushError::NoSuchDevice)));
}

#[tokio::test]
async fn what_cannot_be_registered_or_sent_is_named() {
    let bus = Bus::new().await;
    for number in 0..3 {
        bus.register("a@example.org", &number.to_string()).await.unwrap();
    }
    assert!(matches!(
        bus.register("a@example.org", "4").await,
        Err(PushError::TooManyDevices { devices_max: 3 })
    ));
    bus.register("a@example.org", "2").await.expect("it is there already");
    assert!(matches!(bus.register("b@example.org", "a b").await, Err(PushError::Address(_))));
    assert!(matches!(bus.register("b@example.org", "unfit").await, Err(PushError::Unfit(_))));
    let elsewhere = PushAddress::WebPush {
        endpoint: "https://push.example.net/".to_owned(),
        public_key: vec![4; 65],
        auth_secret: vec![0; 16],
    };
    let registration =
        Registration { id: None, owner: jid("b@example.org"), address: elsewhere, account: None };
    let refused = bus.pushes.register(&admin(), registration).await.unwrap_err();
    assert_eq!(refused.to_string(), "nothing can be sent through webpush: it has no section in [push]");
    let message = PushMessage { title: Some("unfit".to_owned()), ..PushMessage::default() };
    let targets = PushTargets::Owners(vec![jid("a@example.org")]);
    let queued = bus.pushes.send(&admin(), PushOrder { id: None, targets, message }).await.unwrap();
    assert!(queued.iter().all(|push| !push.is_new && push.refused.as_deref() == Some("unfit")), "{queued:?}");
    assert_eq!(bus.pushes.queues().await.unwrap(), []);
}

#[tokio::test]
async fn what_is_not_now_is_tried_again_when_it_is_due_also_after_a_restart() {
    let mut bus = Bus::new().await;
    bus.register("a@example.org", "1").await.unwrap();
    bus.provider.say(PushVerdict::Retry { after_ms: Some(30_000) });
    let queued = bus.send(None, &["a@example.org"]).await;
    bus.run_until_sent(1).await;
    let waiting = &bus.records(&queued).await[0];
    assert_eq!(
        (waiting.state, waiting.attempts, waiting.reason.as_deref()),
        (JobState::Waiting, 1, Some("said"))
    );
    assert!((30_000..31_000).contains(&(waiting.due_at_ms - START_MS)), "{}", waiting.due_at_ms - START_MS);
    bus.restart();
    bus.clock.advance(31_000);
    bus.run_until_sent(1).await;
    let delivered = &bus.records(&queued).await[0];
    assert_eq!((delivered.state, delivered.attempts), (JobState::Delivered, 2));
}

/// The process ends while pushes are under way, or just claimed: they are due again when their claims end.
#[tokio::test]
async fn a_kill_loses_nothing() {
    let mut bus = Bus::new().await;
    bus.register("a@example.org", "1").await.unwrap();
    for number in 0..50 {
        bus.send(Some([number; 16]), &["a@example.org"]).await;
    }
    bus.provider.hang(true);
    bus.start();
    for _ in 0..16 {
        bus.sent().await;
    }
    bus.kill().await;
    bus.restart();
    bus.provider.hang(false);
    bus.clock.advance(100_000);
    bus.run_until_sent(50).await;
    assert_eq!(bus.pushes.queues().await.unwrap(), []);
}

/// Whoever stops gives back what was not begun; only what does not end in time waits for the end of its claim.
#[tokio::test]
async fn a_stop_holds_up_nothing_but_what_does_not_end() {
    let mut bus = Bus::new().await;
    bus.register("a@example.org", "1").await.unwrap();
    for number in 0..20 {
        bus.send(Some([number; 16]), &["a@example.org"]).await;
    }
    bus.provider.hang(true);
    bus.start();
    for _ in 0..16 {
        bus.sent().await;
    }
    bus.stop().await;
    bus.restart();
    bus.provider.hang(false);
    bus.run_until_sent(4).await;
    assert_eq!(bus.pushes.queues().await.unwrap()[0].waiting, 16);
    bus.clock.advance(100_000);
    bus.run_until_sent(16).await;
}

#[tokio::test]
async fn a_device_that_is_gone_is_removed_unless_it_has_come_back() {
    let mut bus = Bus::new().await;
    let device = bus.register("a@example.org", "1").await.unwrap();
    bus.provider.say(PushVerdict::Gone { since_ms: Some(START_MS - 1) });
    bus.send(None, &["a@example.org"]).await;
    bus.run_until_sent(1).await;
    let devices = async || bus.pushes.devices(&admin(), &jid("a@example.org"), None, 9).await.unwrap();
    assert_eq!(devices().await, [device], "it has registered since");
    bus.clock.advance(60_000);
    bus.provider.say(PushVerdict::Gone { since_ms: None });
    bus.run_until_sent(1).await;
    assert_eq!(bus.pushes.devices(&admin(), &jid("a@example.org"), None, 9).await.unwrap(), []);
    let dead = bus.pushes.dead(&admin(), None, 9).await.unwrap();
    assert_eq!((dead.len(), dead[0].reason.as_deref()), (1, Some("said")));
}

#[tokio::test]
async fn a_device_that_is_set_aside_gets_nothing_until_it_registers_anew() {
    let mut bus = Bus::new().await;
    bus.register("a@example.org", "1").await.unwrap();
    bus.provider.say(PushVerdict::Quarantine);
    bus.send(None, &["a@example.org"]).await;
    bus.run_until_sent(1).await;
    let refused = bus.send(None, &["a@example.org"]).await.remove(0).refused.unwrap();
    assert_eq!(refused, "its provider refuses it (said) until it registers anew");
    bus.register("a@example.org", "1").await.unwrap();
    bus.send(None, &["a@example.org"]).await;
    bus.run_until_sent(1).await;
}

#[tokio::test]
async fn what_has_expired_is_given_up_and_what_is_cancelled_is_not_sent() {
    let mut bus = Bus::new().await;
    bus.register("a@example.org", "1").await.unwrap();
    let once = bus.send(None, &["a@example.org"]).await;
    let cancelled = bus.send(None, &["a@example.org"]).await;
    assert_eq!(bus.pushes.cancel(&admin(), &[cancelled[0].job]).await.unwrap(), [cancelled[0].job]);
    bus.clock.advance(30_000);
    let last = bus.send(None, &["a@example.org"]).await;
    bus.run_until_sent(1).await;
    let given_up = &bus.records(&once).await[0];
    assert_eq!(
        (given_up.state, given_up.reason.as_deref(), given_up.attempts),
        (JobState::Dead, Some("expired"), 0)
    );
    assert_eq!(bus.records(&cancelled).await, []);
    assert_eq!(bus.records(&last).await[0].state, JobState::Delivered);
}

/// A provider that answers what it is told to, or "fine".
struct Provider {
    says: Mutex<VecDeque<PushVerdict>>,
    hangs: Mutex<bool>,
    sent: mpsc::Sender<String>,
}

struct Bus {
    pushes: Pushes,
    provider: Arc<Provider>,
    sent: mpsc::Receiver<String>,
    clock: Arc<StillClock>,
    store: Arc<SqliteStore>,
    running: Option<(JoinHandle<()>, CancellationToken)>,
    _folder: tempfile::TempDir,
}

struct StillClock(AtomicI64);

impl Clock for StillClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl StillClock {
    fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Provider {
    fn say(&self, verdict: PushVerdict) {
        self.says.lock().unwrap().push_back(verdict);
    }

    fn hang(&self, hangs: bool) {
        *self.hangs.lock().unwrap() = hangs;
    }
}

#[async_trait]
impl PushSink for Provider {
    fn provider(&self) -> PushProvider {
        PushProvider::Fcm
    }

    fn check(&self, address: &PushAddress, message: &PushMessage) -> Result<(), Unfit> {
        let is_unfit = address.token() == "unfit" || message.title.as_deref() == Some("unfit");
        if is_unfit { Err(Unfit::Contradiction("unfit")) } else { Ok(()) }
    }

    async fn send(&self, push: &Push<'_>) -> PushOutcome {
        self.sent.send(push.address.token().to_owned()).await.unwrap();
        if *self.hangs.lock().unwrap() {
            std::future::pending::<()>().await;
        }
        let said = self.says.lock().unwrap().pop_front();
        said.map_or(PushOutcome::new(PushVerdict::Delivered, "fine"), |verdict| {
            PushOutcome::new(verdict, "said")
        })
    }
}

impl Bus {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = folder.path().join("bus.db");
        let store = Arc::new(SqliteStore::open(&path).await.unwrap());
        let clock = Arc::new(StillClock(AtomicI64::new(START_MS)));
        let (sender, sent) = mpsc::channel(1_000);
        let provider = Arc::new(Provider { says: Mutex::default(), hangs: Mutex::default(), sent: sender });
        let pushes = pushes(&store, &provider, &clock);
        Self { pushes, provider, sent, clock, store, running: None, _folder: folder }
    }

    async fn register(&self, owner: &str, token: &str) -> Result<Device, PushError> {
        self.register_as(&admin(), None, owner, token).await
    }

    async fn register_as(
        &self,
        actor: &Actor,
        known: Option<&Device>,
        owner: &str,
        token: &str,
    ) -> Result<Device, PushError> {
        let address = PushAddress::Fcm { token: token.to_owned() };
        let id = known.map(|device| device.id);
        let registration = Registration { id, owner: jid(owner), address, account: None };
        self.pushes.register(actor, registration).await
    }

    async fn send(&self, id: Option<[u8; 16]>, owners: &[&str]) -> Vec<QueuedPush> {
        let targets = PushTargets::Owners(owners.iter().map(|owner| jid(owner)).collect());
        // Without an id it is to be tried once; with one, it is kept.
        let ttl_s = if id.is_some() { 86_400 } else { 0 };
        let ttl_s = if self.provider.says.lock().unwrap().is_empty() { ttl_s } else { 86_400 };
        let message = PushMessage { ttl_s, ..PushMessage::default() };
        self.pushes.send(&admin(), PushOrder { id, targets, message }).await.unwrap()
    }

    async fn records(&self, queued: &[QueuedPush]) -> Vec<JobRecord> {
        let jobs: Vec<_> = queued.iter().map(|push| push.job).collect();
        self.pushes.jobs(&admin(), &jobs).await.unwrap()
    }

    fn start(&mut self) {
        let (pushes, stop) = (self.pushes.clone(), CancellationToken::new());
        let stopping = stop.clone();
        self.running = Some((tokio::spawn(async move { pushes.run(stopping).await }), stop));
    }

    async fn stop(&mut self) {
        let (task, stop) = self.running.take().unwrap();
        stop.cancel();
        task.await.unwrap();
    }

    /// As if the process ended: nothing is finished, nothing is stored.
    async fn kill(&mut self) {
        let (task, _) = self.running.take().unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }

    /// All that was in memory is gone.
    fn restart(&mut self) {
        self.pushes = pushes(&self.store, &self.provider, &self.clock);
    }

    /// The token that something was sent to next.
    async fn sent(&mut self) -> String {
        self.sent.recv().await.unwrap()
    }

    async fn run_until_sent(&mut self, count: usize) {
        self.start();
        for _ in 0..count {
            self.sent().await;
        }
        self.stop().await;
        assert!(self.sent.try_recv().is_err(), "nothing more was sent");
    }
}

fn pushes(store: &Arc<SqliteStore>, provider: &Arc<Provider>, clock: &Arc<StillClock>) -> Pushes {
    let limits = PushLimits {
        devices_per_owner_max: 3,
        shutdown_grace: Duration::from_millis(500),
        ..PushLimits::default()
    };
    let sink = Arc::clone(provider) as Arc<dyn PushSink>;
    let broken = PushAccount { lane: team_7(), bundle_ids: Vec::new(), sink: None };
    let senders = [jid(SENDER)].into();
    let settings = PushSettings { accounts: vec![sink.into(), broken], senders, limits, feedback: None };
    Pushes::new(Arc::clone(store) as _, settings, Arc::clone(clock) as _, Arc::new(SystemIds))
}

/// An account whose credentials could not be read.
fn team_7() -> PushLane {
    PushLane { provider: PushProvider::Fcm, account: "team-7".parse().unwrap() }
}

fn jid(text: &str) -> BareJid {
    BareJid::new(text).unwrap()
}

fn user(text: &str) -> Actor {
    Actor::new(bus_domain::Jid::new(text).unwrap(), Role::User)
}

fn admin() -> Actor {
    Actor::new(jid("admin@example.org"), Role::Admin)
}
