//! Durable subscriptions of services over gRPC: workers that die, and a daemon that is killed, on both stores.

use std::collections::{BTreeMap, BTreeSet};

use bridge_grpc::v1;
use harness::{Daemon, Postgres, wait_until};
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};
use v1::subscribe_request::Frame as Asked;
use v1::subscribe_response::Frame;

use crate::peers::{DOMAIN, GrpcCaller, PATIENCE, SECRET, impatient, wait_not_ready};

const NODE: &str = "jobs";

mod sqlite {
    #[tokio::test]
    async fn workers_that_die_lose_no_event() {
        super::workers_that_die_lose_no_event(super::daemon("sqlite:stanzabus.db").await).await;
    }

    #[tokio::test]
    async fn a_kill_of_the_daemon_keeps_what_was_acknowledged_and_brings_the_rest_again() {
        let daemon = super::daemon("sqlite:stanzabus.db").await;
        super::a_kill_of_the_daemon_keeps_what_was_acknowledged_and_brings_the_rest_again(daemon).await;
    }
}

mod postgres {
    use super::{Postgres, daemon};

    #[tokio::test]
    async fn workers_that_die_lose_no_event() {
        let url = Postgres::shared().await.create_database().await.expect("a database");
        super::workers_that_die_lose_no_event(daemon(&url).await).await;
    }

    #[tokio::test]
    async fn a_kill_of_the_daemon_keeps_what_was_acknowledged_and_brings_the_rest_again() {
        let url = Postgres::shared().await.create_database().await.expect("a database");
        let daemon = daemon(&url).await;
        super::a_kill_of_the_daemon_keeps_what_was_acknowledged_and_brings_the_rest_again(daemon).await;
    }
}

/// Four workers share 400 events; two of them take what they get and are never heard of again.
async fn workers_that_die_lose_no_event(daemon: Daemon) {
    const EVENTS: usize = 400;
    let caller = GrpcCaller::new(&daemon);
    create(&caller, "workers", v1::SubscriptionMode::Queue).await;
    let mut dying = [Reader::open(&caller, "workers").await, Reader::open(&caller, "workers").await];
    let mut living = [Reader::open(&caller, "workers").await, Reader::open(&caller, "workers").await];
    caller.publish_many(NODE, EVENTS).await.expect("it may publish");
    let mut lost = BTreeSet::new();
    for worker in &mut dying {
        lost.extend(worker.deliveries().await.iter().map(seq));
    }
    drop(dying);
    let mut acknowledged: BTreeMap<u64, u32> = BTreeMap::new();
    while acknowledged.len() < EVENTS {
        let [first, second] = &mut living;
        let (worker, deliveries) = tokio::select! {
            deliveries = first.deliveries() => (first, deliveries),
            deliveries = second.deliveries() => (second, deliveries),
        };
        worker.grant(deliveries.len()).await;
        for (delivery, outcome) in deliveries.iter().zip(worker.acknowledge(&deliveries).await) {
            assert_eq!(outcome, v1::LeaseOutcome::Accepted, "{delivery:?}");
            let before = acknowledged.insert(seq(delivery), delivery.attempt);
            assert_eq!(before, None, "acknowledged twice");
        }
    }
    assert_eq!(acknowledged.keys().copied().collect::<Vec<_>>(), (1..=400).collect::<Vec<_>>());
    assert!(!lost.is_empty());
    for seq in lost {
        assert!(acknowledged[&seq] >= 2, "its first attempt has died with its worker");
    }
    let left = caller.backlog("workers").await.expect("it is its own");
    assert_eq!((left.nodes[0].leased, left.nodes[0].waiting, left.oldest_unsettled_time), (0, 0, None));
}

/// While a stream and a queue are read, the daemon is killed again and again.
async fn a_kill_of_the_daemon_keeps_what_was_acknowledged_and_brings_the_rest_again(mut daemon: Daemon) {
    const EVENTS: usize = 120;
    let caller = GrpcCaller::new(&daemon);
    create(&caller, "workers", v1::SubscriptionMode::Queue).await;
    create(&caller, "audit", v1::SubscriptionMode::Stream).await;
    let (mut acknowledged, mut seen, mut committed) = (BTreeSet::new(), BTreeSet::new(), 0);
    for round in 1..=3 {
        caller.publish_many(NODE, EVENTS / 3).await.expect("it may publish");
        let through = EVENTS / 3 * round;
        let mut queue = Reader::open(&caller, "workers").await;
        let mut stream = Reader::open(&caller, "audit").await;
        // Half of what there is is dealt with; the rest is under way when the daemon dies.
        while acknowledged.len() < through - 20 {
            let deliveries = queue.deliveries().await;
            queue.grant(deliveries.len()).await;
            let (some, _) = deliveries.split_at(deliveries.len().div_ceil(2));
            acknowledge(&mut queue, some, &mut acknowledged).await;
        }
        while committed + 10 < through as u64 {
            for delivery in stream.deliveries().await {
                assert!(seq(&delivery) > committed, "committed before: {delivery:?}");
                seen.insert(seq(&delivery));
            }
            let last = *seen.last().expect("some were seen");
            stream.ask(Asked::Commit(v1::Commit { node: String::new(), seq: last })).await;
            committed = stream.committed().await;
        }
        daemon.kill9().await.expect("it runs");
        daemon.start().expect("it starts again");
        wait_not_ready(&daemon, "xmpp: ").await;
    }
    let mut queue = Reader::open(&caller, "workers").await;
    while acknowledged.len() < EVENTS {
        let deliveries = queue.deliveries().await;
        queue.grant(deliveries.len()).await;
        acknowledge(&mut queue, &deliveries, &mut acknowledged).await;
    }
    let mut stream = Reader::open(&caller, "audit").await;
    while seen.len() < EVENTS {
        seen.extend(stream.deliveries().await.iter().map(seq));
    }
    assert_eq!(acknowledged, (1..=120).collect());
    assert_eq!(seen, acknowledged);
}

/// What was accepted once never comes again.
async fn acknowledge(queue: &mut Reader, some: &[v1::Delivery], acknowledged: &mut BTreeSet<u64>) {
    for (delivery, outcome) in some.iter().zip(queue.acknowledge(some).await) {
        let is_accepted = outcome == v1::LeaseOutcome::Accepted;
        assert!(!is_accepted || acknowledged.insert(seq(delivery)), "acknowledged before: {delivery:?}");
    }
}

/// A daemon that serves gRPC; there is no XMPP server.
async fn daemon(store: &str) -> Daemon {
    let server = format!("127.0.0.1:{}", harness::free_port());
    let mut daemon = Daemon::init_on_store(store, DOMAIN, &server, SECRET).await.expect("`init` succeeds");
    impatient(&mut daemon);
    daemon.start().expect("it starts");
    wait_not_ready(&daemon, "xmpp: ").await;
    GrpcCaller::new(&daemon).create_node(NODE).await.expect("no node yet");
    daemon
}

async fn create(caller: &GrpcCaller, name: &str, mode: v1::SubscriptionMode) {
    let is_queue = mode == v1::SubscriptionMode::Queue;
    // Longer than a worker takes to acknowledge.
    let short = prost_types::Duration { seconds: 10, nanos: 0 };
    let config = v1::SubscriptionConfig {
        nodes: vec![NODE.to_owned()],
        mode: mode.into(),
        lease: is_queue.then_some(short),
        retry_schedule: if is_queue {
            vec![prost_types::Duration { seconds: 0, nanos: 100_000_000 }]
        } else {
            vec![]
        },
        ..v1::SubscriptionConfig::default()
    };
    caller.create_subscription(name, config).await.expect("it may");
}

fn seq(delivery: &v1::Delivery) -> u64 {
    delivery.event.as_ref().expect("each has its event").seq
}

/// A stream, with credit for 40 events.
struct Reader {
    requests: mpsc::Sender<v1::SubscribeRequest>,
    answers: Streaming<v1::SubscribeResponse>,
    /// Deliveries that came while something else was waited for.
    kept: Vec<v1::Delivery>,
}

impl Reader {
    /// Opens it; an instance that was killed may have its claim still.
    async fn open(caller: &GrpcCaller, subscription: &str) -> Self {
        wait_until("the subscription is served", PATIENCE, async || {
            match Self::try_open(caller, subscription).await {
                Ok(reader) => Some(reader),
                // Unknown and cancelled are what the library says of a connection that broke.
                Err(refused)
                    if matches!(refused.code(), Code::Unavailable | Code::Unknown | Code::Cancelled) =>
                {
                    None
                }
                Err(refused) => panic!("{refused}"),
            }
        })
        .await
        .expect("it is served")
    }

    async fn try_open(caller: &GrpcCaller, subscription: &str) -> Result<Self, Status> {
        let credit = Some(v1::Credit { messages: 40, bytes: 10_000_000 });
        let open =
            v1::SubscriptionOpen { subscription: subscription.into(), worker_id: String::new(), credit };
        let (requests, receiver) = mpsc::channel(64);
        let answers = caller.subscribe(receiver).await?;
        let mut reader = Self { requests, answers, kept: Vec::new() };
        reader.ask(Asked::Open(open)).await;
        match reader.frame().await? {
            Frame::Opened(_) => Ok(reader),
            other => panic!("opened comes first: {other:?}"),
        }
    }

    async fn ask(&self, frame: Asked) {
        self.requests.send(v1::SubscribeRequest { frame: Some(frame) }).await.expect("the stream is open");
    }

    async fn grant(&self, messages: usize) {
        self.ask(Asked::Credit(v1::Credit { messages: messages as u64, bytes: 1_000_000 })).await;
    }

    async fn frame(&mut self) -> Result<Frame, Status> {
        let response = tokio::time::timeout(PATIENCE, self.answers.message()).await.expect("it comes")?;
        Ok(response.expect("the stream goes on").frame.expect("no frame is empty"))
    }

    /// The next deliveries, at least one. Safe to drop and call again.
    async fn deliveries(&mut self) -> Vec<v1::Delivery> {
        loop {
            if !self.kept.is_empty() {
                return std::mem::take(&mut self.kept);
            }
            match self.frame().await.expect("the stream goes on") {
                Frame::Deliveries(some) => return some.deliveries,
                Frame::Positions(_) => {}
                other => panic!("deliveries come: {other:?}"),
            }
        }
    }

    /// Says that events are dealt with, and waits until that is on disk.
    async fn acknowledge(&mut self, deliveries: &[v1::Delivery]) -> Vec<v1::LeaseOutcome> {
        let lease_ids = deliveries.iter().map(|delivery| delivery.lease_id.clone()).collect();
        self.ask(Asked::Ack(v1::Acknowledgement { lease_ids })).await;
        let mut outcomes = Vec::new();
        while outcomes.len() < deliveries.len() {
            match self.frame().await.expect("the stream goes on") {
                Frame::LeaseResults(results) => {
                    outcomes.extend(results.results.iter().map(v1::LeaseResult::outcome));
                }
                Frame::Deliveries(more) => self.kept.extend(more.deliveries),
                Frame::Positions(_) => {}
                other => panic!("results come: {other:?}"),
            }
        }
        outcomes
    }

    /// The position that is on disk; makes room for what comes.
    async fn committed(&mut self) -> u64 {
        loop {
            match self.frame().await.expect("the stream goes on") {
                Frame::Committed(committed) => {
                    self.grant(40).await;
                    return committed.through_seq;
                }
                Frame::Deliveries(more) => self.kept.extend(more.deliveries),
                Frame::Positions(_) => {}
                other => panic!("a position comes: {other:?}"),
            }
        }
    }
}
