//! Durable jobs through real senders to services that fail in all ways, with kills in between.

use std::sync::Arc;
use std::time::Duration;

use bridge_push::Sink;
use bridge_push::mock::{Fault, Rule};
use bus_domain::push::{ApnsEnvironment, JobState, PushAddress, PushMessage, PushProvider};
use bus_domain::{Actor, BareJid, Role};
use bus_engine::{
    Clock as _, PushAccount, PushOrder, PushSettings, PushStore, PushTargets, Pushes, Registration, SystemIds,
};
use bus_store_sqlite::SqliteStore;
use tokio_util::sync::CancellationToken;

use crate::fixture::{Fixture, address_of};

const ORDERS: usize = 1_700;
const KILLS: usize = 3;
/// Longer than any claim, and than any wait of a job that has failed a few times.
const LATER_MS: i64 = 130_000;

/// 5,100 pushes to three providers. Each is delivered; what was repeated is counted, and explained by cuts and kills.
#[tokio::test]
async fn faults_goaways_and_kills_lose_nothing() {
    let fixture = Fixture::with_fcm().await;
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("bus.db")).await.unwrap());
    let sinks: Vec<Arc<dyn Sink>> =
        vec![Arc::new(fixture.webpush()), Arc::new(fixture.apns()), Arc::new(fixture.fcm())];
    let start = || {
        let clock = Arc::clone(&fixture.clock) as _;
        let accounts = sinks.iter().cloned().map(PushAccount::from).collect();
        let settings = PushSettings { accounts, ..PushSettings::default() };
        Pushes::new(Arc::clone(&store) as _, settings, clock, Arc::new(SystemIds))
    };
    let pushes = start();
    register(&pushes, &fixture).await;
    let jobs = enqueue(&pushes).await;
    fixture.mock.script(faults());
    let mut rounds = 0;
    while !pushes.queues().await.unwrap().is_empty() {
        assert!(rounds < 20, "{:?}", pushes.queues().await);
        if rounds < KILLS {
            kill_in_the_middle(start(), &fixture).await;
        } else {
            run_until_nothing_is_due(start(), &*store, fixture.clock.now_ms()).await;
        }
        fixture.clock.advance_ms(LATER_MS);
        rounds += 1;
    }
    for jobs in jobs.chunks(1_000) {
        let records = pushes.jobs(&admin(), jobs).await.unwrap();
        assert_eq!(records.len(), jobs.len());
        assert!(records.iter().all(|job| job.state == JobState::Delivered));
    }
    let taken: u64 = PushProvider::ALL.map(|provider| fixture.mock.counts(provider).taken).iter().sum();
    let repeated = taken - jobs.len() as u64;
    println!("{} jobs, {repeated} repeated, {rounds} rounds", jobs.len());
    assert!(repeated > 0, "cuts behind the taking must repeat some");
}

/// One device of each provider, of one address.
async fn register(pushes: &Pushes, fixture: &Fixture) {
    let apple = PushAddress::Apns {
        token: "0f".repeat(32),
        bundle_id: "org.example.app".to_owned(),
        environment: ApnsEnvironment::Production,
    };
    let browser = address_of(&fixture.mock.subscribe(None));
    for address in [apple, browser, PushAddress::Fcm { token: "token".to_owned() }] {
        let registration = Registration { id: None, owner: owner(), address, account: None };
        pushes.register(&admin(), registration).await.unwrap();
    }
}

async fn enqueue(pushes: &Pushes) -> Vec<bus_domain::push::JobId> {
    let mut jobs = Vec::new();
    for number in 0..ORDERS {
        let message = PushMessage {
            title: Some(number.to_string()),
            ttl_s: PushMessage::TTL_S_MAX,
            ..PushMessage::default()
        };
        let order = PushOrder { id: None, targets: PushTargets::Owners(vec![owner()]), message };
        jobs.extend(pushes.send(&admin(), order).await.unwrap().into_iter().map(|push| push.job));
    }
    jobs
}

fn faults() -> Vec<Rule> {
    let answer = |status, reason: &str, retry_after: Option<&str>| Fault::Answer {
        status,
        reason: reason.to_owned(),
        retry_after: retry_after.map(str::to_owned),
        timestamp_ms: None,
    };
    let (apns, fcm, webpush) = (PushProvider::Apns, PushProvider::Fcm, PushProvider::WebPush);
    let mut rules = vec![
        Rule::every(apns, 53, answer(429, "TooManyRequests", Some("7"))),
        Rule::every(apns, 61, answer(503, "Shutdown", None)),
        Rule::every(fcm, 53, answer(429, "QUOTA_EXCEEDED", None)),
        Rule::every(fcm, 67, Fault::ExpiredToken),
        Rule::every(webpush, 53, answer(429, "slow down", Some("3"))),
        Rule::every(webpush, 59, answer(500, "trouble", None)),
    ];
    for provider in PushProvider::ALL {
        rules.extend([
            Rule::every(provider, 71, Fault::GoAway),
            Rule::every(provider, 83, Fault::Reset),
            Rule::every(provider, 307, Fault::Cut),
            Rule::every(provider, 211, Fault::CutAfterTaking),
            Rule::every(provider, 97, Fault::Slow { ms: 5 }),
        ]);
    }
    rules
}

async fn kill_in_the_middle(pushes: Pushes, fixture: &Fixture) {
    let before = fixture.mock.counts(PushProvider::Apns).taken;
    let running = tokio::spawn(async move { pushes.run(CancellationToken::new()).await });
    fixture.mock.wait_for(PushProvider::Apns, before + 150).await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
}

/// Until all that is left is due later and nothing is under way, in several looks: between a claim and what it begins,
/// one look may miss it.
async fn run_until_nothing_is_due(pushes: Pushes, store: &dyn PushStore, now_ms: i64) {
    let stop = CancellationToken::new();
    let running = {
        let (pushes, stop) = (pushes.clone(), stop.clone());
        tokio::spawn(async move { pushes.run(stop).await })
    };
    let mut looks = 0;
    while looks < 5 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let mut is_over = true;
        for lane in pushes.gauges() {
            let next_ms = store.next_due_ms(&lane.lane).await.unwrap();
            // While the time stands still, a lane in trouble stays so.
            is_over &= lane.in_flight == 0;
            is_over &= lane.is_in_trouble || next_ms.is_none_or(|next_ms| next_ms > now_ms);
        }
        looks = if is_over { looks + 1 } else { 0 };
    }
    stop.cancel();
    running.await.unwrap();
}

fn owner() -> BareJid {
    BareJid::new("a@example.org").unwrap()
}

fn admin() -> Actor {
    Actor::new(BareJid::new("admin@example.org").unwrap(), Role::Admin)
}
