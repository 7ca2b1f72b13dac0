//! Clients that repeat what they have had no answer to: each request is carried out once, whatever dies meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bridge_grpc::v1;
use bridge_grpc::v1::event::Payload;
use bridge_grpc::v1::tail_response::Frame;
use harness::{Daemon, Postgres};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::Code;

use crate::peers::{DOMAIN, GrpcCaller, PATIENCE, SECRET, impatient, wait_not_ready};

const NODE: &str = "orders";
const WORKERS: u64 = 8;
const REQUESTS_EACH: u64 = 60;
const KILLS: u64 = 3;
/// What a client waits before it tries again.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// The number of a request, and how it was answered.
type Answered = (u64, v1::PublishResponse);

#[tokio::test]
async fn a_daemon_that_is_killed_carries_each_request_out_once_on_sqlite() {
    check_killed_daemon("sqlite:stanzabus.db").await;
}

#[tokio::test]
async fn a_daemon_that_is_killed_carries_each_request_out_once_on_postgresql() {
    check_killed_daemon(&Postgres::shared().await.create_database().await.unwrap()).await;
}

#[tokio::test]
async fn a_database_that_is_killed_in_mid_commit_has_each_request_once() {
    let mut postgres = Postgres::start().await.unwrap();
    let daemon = started(&postgres.create_database().await.unwrap()).await;
    let (mut answers, workers) = load(&[&daemon]).await;
    let mut answered = Vec::new();
    for _ in 0..KILLS {
        answered.extend(take(&mut answers, WORKERS * REQUESTS_EACH / 5).await);
        postgres.kill9().await.unwrap();
        postgres.start_again().await.unwrap();
    }
    finish(&daemon, answered, answers, workers).await;
}

#[tokio::test]
async fn two_daemons_on_one_database_answer_each_others_repeats() {
    let url = Postgres::shared().await.create_database().await.unwrap();
    let (here, there) = (started(&url).await, started(&url).await);
    // Each request is made of both at once, again and again.
    let (answers, workers) = load(&[&here, &there]).await;
    finish(&here, Vec::new(), answers, workers).await;
}

async fn check_killed_daemon(store: &str) {
    let mut daemon = started(store).await;
    let (mut answers, workers) = load(&[&daemon]).await;
    let mut answered = Vec::new();
    for _ in 0..KILLS {
        answered.extend(take(&mut answers, WORKERS * REQUESTS_EACH / 5).await);
        daemon.kill9().await.unwrap();
        daemon.start().unwrap();
    }
    finish(&daemon, answered, answers, workers).await;
}

/// A daemon without an XMPP server.
async fn started(store: &str) -> Daemon {
    let server = format!("127.0.0.1:{}", harness::free_port());
    let mut daemon = Daemon::init_on_store(store, DOMAIN, &server, SECRET).await.unwrap();
    impatient(&mut daemon);
    for (key, value) in [("CONNECT", "4000"), ("CALL", "4000"), ("LOCK", "1000")] {
        daemon.set_env(format!("STANZABUS_LIMITS__STORE_{key}_TIMEOUT_MS"), value);
    }
    daemon.start().unwrap();
    wait_not_ready(&daemon, "xmpp: ").await;
    daemon
}

/// Publishers that each make one request after the other, of all daemons at once, and repeat it until it is answered, and
/// then once more.
async fn load(daemons: &[&Daemon]) -> (mpsc::Receiver<Answered>, JoinSet<()>) {
    let callers: Arc<[GrpcCaller]> = daemons.iter().map(|daemon| GrpcCaller::new(daemon)).collect();
    callers[0].create_node(NODE).await.unwrap();
    let (sender, answers) = mpsc::channel(10_000);
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let (sender, callers) = (sender.clone(), Arc::clone(&callers));
        workers.spawn(async move {
            // Each one once more when the next one is through: whatever died in between.
            for number in (1..=REQUESTS_EACH).flat_map(|number| [number, number.saturating_sub(1).max(1)]) {
                let number = worker * REQUESTS_EACH + number;
                let asked = callers.iter().cloned().map(|caller| insist(caller, number));
                for answer in futures::future::join_all(asked).await {
                    sender.send((number, answer)).await.unwrap();
                }
            }
        });
    }
    (answers, workers)
}

async fn insist(grpc: GrpcCaller, number: u64) -> v1::PublishResponse {
    let answered = async {
        loop {
            match grpc.publish_once(NODE, &format!("request-{number}"), &payload(number)).await {
                Ok(answer) => return answer,
                // Unknown is what the library says of a connection that broke.
                Err(status) => assert!(
                    matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled),
                    "{status}"
                ),
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    };
    tokio::time::timeout(PATIENCE, answered).await.expect("an answer")
}

async fn take(answers: &mut mpsc::Receiver<Answered>, count: u64) -> Vec<Answered> {
    let mut taken = Vec::new();
    while (taken.len() as u64) < count {
        taken.push(answers.recv().await.expect("the load goes on"));
    }
    taken
}

/// Waits for the load's end, and compares the answers with the log.
async fn finish(
    daemon: &Daemon,
    mut answered: Vec<Answered>,
    mut answers: mpsc::Receiver<Answered>,
    workers: JoinSet<()>,
) {
    let workers = workers.join_all();
    let rest = async {
        let mut rest = Vec::new();
        while let Some(answer) = answers.recv().await {
            rest.push(answer);
        }
        rest
    };
    answered.extend(tokio::join!(workers, rest).1);
    let repeats = answered.iter().filter(|(_, answer)| answer.duplicate).count();
    let log = log(daemon).await;
    println!("{} answers, {repeats} of them repeated, {} events", answered.len(), log.len());
    assert_eq!(log.len() as u64, WORKERS * REQUESTS_EACH, "each request is there once");
    assert!(repeats >= log.len(), "a repeat after the answer is known for one");
    let mut made = BTreeMap::new();
    for (number, answer) in answered {
        let [result] = &answer.results[..] else { panic!("{answer:?}") };
        let event = &log[&number];
        assert_eq!((result.seq, &result.item_id, answer.epoch), (event.seq, &event.item_id, event.epoch));
        *made.entry(number).or_insert(0) += u64::from(!answer.duplicate);
    }
    assert_eq!(made.len(), log.len(), "each one is answered");
    assert!(made.values().all(|times| *times <= 1), "and carried out for one answer at most");
}

/// The events of the node by the number in their payloads, each of which stands there once.
async fn log(daemon: &Daemon) -> BTreeMap<u64, v1::Event> {
    let mut frames = GrpcCaller::new(daemon).tail_from_start(NODE).await.unwrap();
    let (mut log, mut head_seq) = (BTreeMap::new(), None);
    while head_seq != Some(log.len() as u64) {
        match frames.message().await.unwrap().unwrap().frame {
            Some(Frame::Opened(opened)) => head_seq = Some(opened.head_seq),
            Some(Frame::Event(event)) => {
                let Some(Payload::Xml(xml)) = &event.payload else { panic!("{event:?}") };
                let number = xml.split(['>', '<']).nth(2).expect("a number").parse().unwrap();
                assert!(log.insert(number, event).is_none(), "request {number} was carried out twice");
            }
            other => panic!("{other:?}"),
        }
    }
    log
}

fn payload(number: u64) -> String {
    format!("<order xmlns='urn:example'>{number}</order>")
}
