//! Pushes from end to end: gRPC in, the daemon, and the mock of push services behind it, all as processes.

pub(crate) mod services;

use std::collections::{BTreeMap, HashMap};

use bridge_grpc::v1;
use bridge_grpc::v1::device_address::Provider;
use harness::{Clock, Daemon};
use serde_json::{Value, json};

use crate::peers::{GrpcCaller, PATIENCE, init};
use services::Services;

const OWNER: &str = "alice@localhost";
const PROVIDERS: [&str; 3] = ["apns", "fcm", "webpush"];

/// A daemon that runs without an XMPP server, with an account of each provider.
async fn started(clock: Option<&Clock>) -> (Daemon, Services) {
    let mut daemon = init(harness::free_port()).await;
    if let Some(clock) = clock {
        clock.rule(&mut daemon);
    }
    let services = Services::start(&daemon).await;
    daemon.start().unwrap();
    wait_alive(&daemon).await;
    (daemon, services)
}

async fn wait_alive(daemon: &Daemon) {
    let port = daemon.http_port();
    let is_alive = async || {
        harness::http_get(port, "/livez").await.ok().filter(|response| response.status == 200).map(drop)
    };
    harness::wait_until("the daemon's /livez", PATIENCE, is_alive).await.unwrap();
}

fn apns(number: usize) -> Provider {
    let (token, bundle_id) = (format!("{number:064x}"), "org.example.app".to_owned());
    Provider::Apns(v1::ApnsAddress { token, bundle_id, environment: v1::ApnsEnvironment::Sandbox.into() })
}

fn fcm(number: usize) -> Provider {
    Provider::Fcm(v1::FcmAddress { token: format!("token-{number}") })
}

/// Registers so many devices of each provider.
async fn register(caller: &GrpcCaller, services: &Services, of_each: usize) -> Vec<v1::Device> {
    let mut devices = Vec::new();
    for number in 0..of_each {
        for provider in [apns(number), fcm(number), services.subscribe().await] {
            let address = Some(v1::DeviceAddress { provider: Some(provider) });
            let request =
                v1::RegisterDeviceRequest { owner: OWNER.to_owned(), address, account: String::new() };
            devices.push(caller.register_device(request).await.unwrap());
        }
    }
    devices
}

fn order(order_id: &str, title: &str) -> v1::SendPushRequest {
    let ttl = Some(prost_types::Duration { seconds: 2_419_200, nanos: 0 });
    let message = v1::PushMessage { title: Some(title.to_owned()), ttl, ..v1::PushMessage::default() };
    v1::SendPushRequest {
        order_id: order_id.to_owned(),
        owners: vec![OWNER.to_owned()],
        message: Some(message),
        ..v1::SendPushRequest::default()
    }
}

#[tokio::test]
async fn each_provider_is_reached_and_reads_what_was_sent() {
    let (daemon, services) = started(None).await;
    let caller = GrpcCaller::new(&daemon);
    register(&caller, &services, 1).await;
    let pushes = caller.send_push(order("first", "Build 7")).await.unwrap();
    assert_eq!(pushes.len(), 3);
    assert!(pushes.iter().all(|push| push.is_new && push.refusal.is_empty()), "{pushes:?}");
    let received = services.received(3).await;
    let payloads: BTreeMap<_, Value> = received
        .iter()
        .map(|it| (it["provider"].as_str().unwrap(), it["payload"].as_str().unwrap()))
        .map(|(provider, payload)| (provider, serde_json::from_str(payload).unwrap()))
        .collect();
    assert_eq!(payloads["apns"]["aps"]["alert"]["title"], "Build 7");
    assert_eq!(payloads["fcm"]["notification"]["title"], "Build 7");
    assert_eq!(payloads["webpush"], json!({ "title": "Build 7" }));
    let again = caller.send_push(order("first", "Build 7")).await.unwrap();
    assert!(again.iter().all(|push| !push.is_new));
    for push in &pushes {
        let job = caller.settled_push_job(&push.job_id).await;
        assert_eq!((job.state(), job.attempts), (v1::PushJobState::Delivered, 1));
    }
    assert_eq!(services.counts().await["apns"]["taken"], 1, "once only");
}

#[tokio::test]
async fn what_was_answered_is_sent_after_a_kill_and_after_a_restart() {
    let clock = Clock::compile().expect("a C compiler");
    let (mut daemon, services) = started(Some(&clock)).await;
    register(&GrpcCaller::new(&daemon), &services, 1).await;
    // Nobody is let in, so that everything waits.
    let busy = json!([{ "fault": { "answer": { "status": 503, "retry_after": "60" } } }]);
    services.script(&busy).await;
    let pushes = GrpcCaller::new(&daemon).send_push(order("", "Build 8")).await.unwrap();
    daemon.kill9().await.unwrap();
    daemon.start().unwrap();
    wait_alive(&daemon).await;
    assert!(daemon.terminate().await.unwrap().success());
    services.clear_script().await;
    clock.set_s(1_300).unwrap();
    daemon.start().unwrap();
    wait_alive(&daemon).await;
    let caller = GrpcCaller::new(&daemon);
    for push in &pushes {
        let job = caller.settled_push_job(&push.job_id).await;
        assert_eq!(job.state(), v1::PushJobState::Delivered, "{job:?}");
    }
    services.received(3).await;
}

#[tokio::test]
async fn a_device_that_is_gone_is_removed_and_told_of() {
    let (daemon, services) = started(None).await;
    let caller = GrpcCaller::new(&daemon);
    register(&caller, &services, 1).await;
    let gone =
        json!([{ "provider": "fcm", "fault": { "answer": { "status": 404, "reason": "UNREGISTERED" } } }]);
    services.script(&gone).await;
    let pushes = caller.send_push(order("", "Build 9")).await.unwrap();
    let mut dead = Vec::new();
    for push in &pushes {
        let job = caller.settled_push_job(&push.job_id).await;
        dead.extend((job.state() == v1::PushJobState::Dead).then_some(job));
    }
    assert_eq!(dead.iter().map(|job| job.provider.as_str()).collect::<Vec<_>>(), ["fcm"]);
    // It was told before it counted.
    let told =
        daemon.cli(["tail", "feedback", "--earliest", "--count", "1", "--cloud-events"]).await.unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    let event = &told["cloud_event"];
    assert_eq!(event["type"], "org.stanzabus.push.device_removed", "{told}");
    assert_eq!((&event["id"], &event["subject"]), (&json!(dead[0].job_id), &json!(dead[0].device_id)));
    assert_eq!(event["data"]["reason"], "UNREGISTERED");
    let again = caller.send_push(order("", "Build 10")).await.unwrap();
    assert_eq!(again.len(), 2, "the device is gone");
}

/// 5,040 pushes, or 100,080 in the long tier, through services that fail in all ways, with three kills in between. Each is delivered
/// or given up with a reason; repeats are counted.
#[tokio::test]
async fn faults_and_three_kills_lose_nothing() {
    let is_long = std::env::var_os("STANZABUS_TEST_TIER").is_some_and(|tier| tier == "long");
    let orders = if is_long { 1_112 } else { 56 };
    let clock = Clock::compile().expect("a C compiler");
    let (mut daemon, services) = started(Some(&clock)).await;
    let caller = GrpcCaller::new(&daemon);
    register(&caller, &services, 30).await;
    services.script(&faults()).await;
    let (mut jobs, mut kills, mut offset_s) = (Vec::new(), 0, 0);
    for number in 0..orders {
        let pushes = GrpcCaller::new(&daemon).send_push(order("", &number.to_string())).await.unwrap();
        jobs.extend(pushes.into_iter().map(|push| push.job_id));
        if kills < 3 && number + 1 == (kills + 1) * orders / 4 {
            daemon.kill9().await.unwrap();
            kills += 1;
            // What was under way is due again when its claims end; and Apple takes a new token every 20 minutes.
            offset_s += 1_300;
            clock.set_s(offset_s).unwrap();
            daemon.start().unwrap();
            wait_alive(&daemon).await;
        }
    }
    assert_eq!((jobs.len(), kills), (orders * 90, 3));
    let outcomes = settle(&daemon, &clock, offset_s, &jobs).await;
    let counts = services.counts().await;
    let taken: u64 = PROVIDERS.iter().map(|provider| counts[provider]["taken"].as_u64().unwrap()).sum();
    println!("{} jobs: {outcomes:?}; {taken} taken by the services", jobs.len());
    let delivered = outcomes["delivered"];
    assert!(taken >= delivered, "none is called delivered that was not taken");
    assert_eq!(outcomes.values().sum::<u64>(), jobs.len() as u64, "none is lost");
    assert_eq!(delivered, jobs.len() as u64, "no fault of the script is for good: {outcomes:?}");
}

/// Lets the time of day go on until all jobs are over, and counts how they ended.
async fn settle(daemon: &Daemon, clock: &Clock, mut offset_s: i64, jobs: &[String]) -> HashMap<String, u64> {
    let caller = GrpcCaller::new(daemon);
    let mut outcomes = HashMap::new();
    for _ in 0..150 {
        outcomes.clear();
        for job in caller.all_push_jobs().await {
            let outcome = match job.state() {
                v1::PushJobState::Delivered => "delivered".to_owned(),
                v1::PushJobState::Dead => format!("dead: {}", job.reason),
                v1::PushJobState::Waiting | v1::PushJobState::Unspecified => {
                    format!("waiting: {}", job.reason)
                }
            };
            *outcomes.entry(outcome).or_default() += 1;
        }
        if !outcomes.keys().any(|outcome: &String| outcome.starts_with("waiting")) {
            return outcomes;
        }
        offset_s += 60;
        clock.set_s(offset_s).unwrap();
        // The senders look at the store every few seconds.
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    }
    panic!("some of {} jobs still wait: {outcomes:?}", jobs.len());
}

fn faults() -> Value {
    let answer = |status: u16, reason: &str, retry_after: Value| json!({ "answer": { "status": status, "reason": reason, "retry_after": retry_after } });
    let mut rules = vec![
        json!({ "provider": "apns", "every": 53, "fault": answer(429, "TooManyRequests", json!("7")) }),
        json!({ "provider": "apns", "every": 61, "fault": answer(503, "Shutdown", Value::Null) }),
        json!({ "provider": "fcm", "every": 53, "fault": answer(429, "QUOTA_EXCEEDED", Value::Null) }),
        json!({ "provider": "fcm", "every": 67, "fault": "expired_token" }),
        json!({ "provider": "webpush", "every": 53, "fault": answer(429, "slow down", json!("3")) }),
        json!({ "provider": "webpush", "every": 59, "fault": answer(500, "trouble", Value::Null) }),
    ];
    for provider in PROVIDERS {
        for (every, fault) in [
            (71, json!("go_away")),
            (83, json!("reset")),
            (307, json!("cut")),
            (211, json!("cut_after_taking")),
            (97, json!({ "slow": { "ms": 20 } })),
        ] {
            rules.push(json!({ "provider": provider, "every": every, "fault": fault }));
        }
    }
    Value::Array(rules)
}
