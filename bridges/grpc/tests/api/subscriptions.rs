use bridge_grpc::v1;
use bridge_grpc::v1::start_position::At;
use bridge_grpc::v1::subscribe_request::Frame as Asked;
use bridge_grpc::v1::subscribe_response::Frame;
use prost_types::Duration;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::rig::{ADMIN, ALICE, BOB, Rig, event, expect_refusal, jid_of, refusal, soon};

const PAYLOAD: &str = "<entry xmlns='urn:example'/>";

pub(crate) fn queue(nodes: &[&str]) -> v1::SubscriptionConfig {
    v1::SubscriptionConfig {
        nodes: nodes.iter().map(|&node| node.to_owned()).collect(),
        mode: v1::SubscriptionMode::Queue.into(),
        ..v1::SubscriptionConfig::default()
    }
}

pub(crate) fn stream(nodes: &[&str]) -> v1::SubscriptionConfig {
    v1::SubscriptionConfig { mode: v1::SubscriptionMode::Stream.into(), ..queue(nodes) }
}

pub(crate) fn request(name: &str, config: v1::SubscriptionConfig) -> v1::CreateSubscriptionRequest {
    let start = Some(v1::StartPosition { at: Some(At::Earliest(true)) });
    v1::CreateSubscriptionRequest { name: name.to_owned(), config: Some(config), start }
}

pub(crate) async fn create(rig: &Rig, name: &str, config: v1::SubscriptionConfig) -> v1::Subscription {
    let created = rig.subscriptions(ALICE).create_subscription(request(name, config)).await.unwrap();
    created.into_inner().subscription.unwrap()
}

/// A stream of alice's.
pub(crate) struct Reader {
    requests: mpsc::Sender<v1::SubscribeRequest>,
    answers: Streaming<v1::SubscribeResponse>,
}

impl Reader {
    pub(crate) async fn open(rig: &Rig, subscription: &str, worker_id: &str) -> Self {
        let mut reader = Self::try_open(rig, subscription, worker_id).await;
        let Ok(Frame::Opened(opened)) = reader.frame().await else { panic!("opened comes first") };
        assert_eq!(opened.subscription.unwrap().name, subscription);
        reader
    }

    /// With credit for a thousand events.
    async fn try_open(rig: &Rig, subscription: &str, worker_id: &str) -> Self {
        let credit = Some(v1::Credit { messages: 1_000, bytes: 1_000_000 });
        let open =
            v1::SubscriptionOpen { subscription: subscription.into(), worker_id: worker_id.into(), credit };
        Self::start(rig, Asked::Open(open)).await
    }

    async fn start(rig: &Rig, first: Asked) -> Self {
        let (requests, receiver) = mpsc::channel(16);
        requests.send(v1::SubscribeRequest { frame: Some(first) }).await.unwrap();
        let answers =
            rig.subscriber(ALICE).subscribe(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        Self { requests, answers }
    }

    pub(crate) async fn ask(&self, frame: Asked) {
        self.requests.send(v1::SubscribeRequest { frame: Some(frame) }).await.unwrap();
    }

    pub(crate) async fn frame(&mut self) -> Result<Frame, Status> {
        let response = soon(self.answers.message()).await?;
        Ok(response.expect("the stream goes on").frame.expect("no frame is empty"))
    }

    pub(crate) async fn deliveries(&mut self, count: usize) -> Vec<v1::Delivery> {
        let mut taken = Vec::new();
        while taken.len() < count {
            match self.frame().await.unwrap() {
                Frame::Deliveries(some) => taken.extend(some.deliveries),
                other => panic!("deliveries come: {other:?}"),
            }
        }
        taken
    }

    pub(crate) async fn results(&mut self) -> Vec<(String, v1::LeaseOutcome)> {
        match self.frame().await.unwrap() {
            Frame::LeaseResults(results) => outcomes(results.results),
            other => panic!("results come: {other:?}"),
        }
    }

    pub(crate) async fn acknowledge(&mut self, lease_ids: &[&str]) -> Vec<(String, v1::LeaseOutcome)> {
        let lease_ids = lease_ids.iter().map(|&id| id.to_owned()).collect();
        self.ask(Asked::Ack(v1::Acknowledgement { lease_ids })).await;
        self.results().await
    }
}

pub(crate) fn outcomes(results: Vec<v1::LeaseResult>) -> Vec<(String, v1::LeaseOutcome)> {
    results.into_iter().map(|result| (result.lease_id.clone(), result.outcome())).collect()
}

#[tokio::test]
async fn a_subscription_is_shown_with_its_defaults_to_its_owner_and_the_admins() {
    let rig = &Rig::start().await;
    rig.create("news").await;
    rig.create("dead").await;
    let config = v1::SubscriptionConfig { dead_letter_node: "dead".into(), ..queue(&["news"]) };
    let created = create(rig, "billing", config).await;
    let config = created.config.clone().unwrap();
    assert_eq!(created.owner, jid_of(ALICE));
    assert_eq!((config.lease, config.in_flight_max), (Some(Duration { seconds: 30, nanos: 0 }), Some(1_000)));
    assert_eq!((config.attempts_max, config.retry_schedule.len()), (Some(5), 5));
    let get = |principal| {
        let request = v1::GetSubscriptionRequest { name: "billing".into() };
        async move {
            rig.subscriptions(principal).get_subscription(request).await.map(tonic::Response::into_inner)
        }
    };
    assert_eq!(get(ALICE).await.unwrap().subscription.unwrap(), created);
    assert_eq!(get(ADMIN).await.unwrap().subscription.unwrap(), created);
    expect_refusal(get(BOB).await, Code::NotFound, "SUBSCRIPTION_NOT_FOUND", None);

    create(rig, "audit", stream(&["news"])).await;
    let list = |page_size, page_token: &str| {
        let request = v1::ListSubscriptionsRequest { page_size, page_token: page_token.to_owned() };
        async move { rig.subscriptions(ALICE).list_subscriptions(request).await.map(tonic::Response::into_inner) }
    };
    let first = list(1, "").await.unwrap();
    assert_eq!(first.subscriptions[0].name, "audit");
    let second = list(1, &first.next_page_token).await.unwrap();
    assert_eq!((second.subscriptions[0].name.as_str(), second.next_page_token.as_str()), ("billing", ""));
    expect_refusal(list(1, "?").await, Code::InvalidArgument, "REQUEST_INVALID", Some("page_token"));

    let delete = v1::DeleteSubscriptionRequest { name: "billing".into() };
    rig.subscriptions(ALICE).delete_subscription(delete).await.unwrap();
    expect_refusal(get(ALICE).await, Code::NotFound, "SUBSCRIPTION_NOT_FOUND", None);
}

#[tokio::test]
async fn what_cannot_be_made_is_refused_with_its_field() {
    let rig = Rig::start().await;
    rig.create("news").await;
    let refused = async |request| refusal(rig.subscriptions(ALICE).create_subscription(request).await);
    let invalid = |reason: &str, field: Option<&str>| {
        (Code::InvalidArgument, reason.to_owned(), field.map(str::to_owned))
    };
    let negative = Duration { seconds: -1, nanos: 0 };
    for (config, field) in [
        (v1::SubscriptionConfig { mode: 0, ..queue(&["news"]) }, "config.mode"),
        (v1::SubscriptionConfig { mode: 99, ..queue(&["news"]) }, "config.mode"),
        (queue(&["a\u{b}"]), "config.nodes[0]"),
        (v1::SubscriptionConfig { lease: Some(negative), ..queue(&["news"]) }, "config.lease"),
        (
            v1::SubscriptionConfig { retry_schedule: vec![negative], ..queue(&["news"]) },
            "config.retry_schedule[0]",
        ),
        (
            v1::SubscriptionConfig { dead_letter_node: "\u{0}".into(), ..queue(&["news"]) },
            "config.dead_letter_node",
        ),
    ] {
        assert_eq!(refused(request("x", config)).await, invalid("REQUEST_INVALID", Some(field)));
    }
    assert_eq!(refused(request("a b", queue(&["news"]))).await, invalid("REQUEST_INVALID", Some("name")));
    let no_config = v1::CreateSubscriptionRequest { config: None, ..request("x", queue(&[])) };
    assert_eq!(refused(no_config).await, invalid("REQUEST_INVALID", Some("config")));
    assert_eq!(refused(request("x", queue(&[]))).await, invalid("SUBSCRIPTION_INVALID", None));
    let start = Some(v1::StartPosition { at: Some(At::Earliest(false)) });
    let bad_start = v1::CreateSubscriptionRequest { start, ..request("x", queue(&["news"])) };
    assert_eq!(refused(bad_start).await, invalid("REQUEST_INVALID", Some("start.earliest")));
    let unknown = refused(request("x", queue(&["none"]))).await;
    assert_eq!((unknown.0, unknown.1.as_str()), (Code::NotFound, "NODE_NOT_FOUND"));
    create(&rig, "x", queue(&["news"])).await;
    let taken = refused(request("x", queue(&["news"]))).await;
    assert_eq!((taken.0, taken.1.as_str()), (Code::AlreadyExists, "SUBSCRIPTION_EXISTS"));
}

#[tokio::test]
async fn a_stream_is_read_in_order_and_committed() {
    let rig = Rig::start().await;
    let epoch = rig.create("news").await;
    rig.publish("news", vec![event("a", PAYLOAD), event("b", PAYLOAD), event("c", PAYLOAD)]).await;
    create(&rig, "audit", stream(&["news"])).await;
    let mut reader = Reader::open(&rig, "audit", "one").await;
    let deliveries = reader.deliveries(3).await;
    let seqs: Vec<_> = deliveries.iter().map(|it| it.event.as_ref().unwrap().seq).collect();
    assert_eq!((seqs, deliveries[0].lease_id.as_str(), deliveries[0].attempt), (vec![1, 2, 3], "", 0));
    reader.ask(Asked::Commit(v1::Commit { node: String::new(), seq: 2 })).await;
    let committed = v1::Committed { node: "news".into(), epoch, through_seq: 2 };
    assert_eq!(reader.frame().await.unwrap(), Frame::Committed(committed));

    let mut other = Reader::try_open(&rig, "audit", "two").await;
    expect_refusal(other.frame().await, Code::FailedPrecondition, "SUBSCRIPTION_IN_USE", None);
    let mut again = Reader::open(&rig, "audit", "one").await;
    expect_refusal(reader.frame().await, Code::Aborted, "SUBSCRIPTION_TAKEN_OVER", None);
    assert_eq!(again.deliveries(1).await[0].event.as_ref().unwrap().seq, 3);
    again.ask(Asked::Commit(v1::Commit { node: "news".into(), seq: 9 })).await;
    expect_refusal(again.frame().await, Code::InvalidArgument, "SUBSCRIPTION_INVALID", None);
}

#[tokio::test]
async fn a_queue_reports_unknown_leases_and_goes_on() {
    let rig = Rig::start().await;
    rig.create("jobs").await;
    create(&rig, "workers", queue(&["jobs"])).await;
    rig.publish("jobs", vec![event("a", PAYLOAD), event("b", PAYLOAD)]).await;
    let mut reader = Reader::open(&rig, "workers", "").await;
    let deliveries = reader.deliveries(2).await;
    assert_eq!(deliveries[0].attempt, 1);
    let lease = &deliveries[0].lease_id;
    let unknown = reader.acknowledge(&["nonsense"]).await;
    assert_eq!(unknown, [("nonsense".to_owned(), v1::LeaseOutcome::Unknown)]);
    assert_eq!(reader.acknowledge(&[lease]).await, [(lease.clone(), v1::LeaseOutcome::Accepted)]);
    assert_eq!(reader.acknowledge(&[lease]).await, [(lease.clone(), v1::LeaseOutcome::Unknown)]);

    let second = deliveries[1].lease_id.clone();
    let extension = v1::Extension { lease_ids: vec![second.clone()], lease: None };
    reader.ask(Asked::Extend(extension)).await;
    assert_eq!(reader.results().await, [(second.clone(), v1::LeaseOutcome::Accepted)]);
    let delay = Some(Duration { seconds: 0, nanos: 0 });
    reader.ask(Asked::Nack(v1::Refusal { lease_ids: vec![second], delay, terminate: false })).await;
    let mut attempt = 0;
    while attempt == 0 {
        if let Frame::Deliveries(again) = reader.frame().await.unwrap() {
            attempt = again.deliveries[0].attempt;
        }
    }
    assert_eq!(attempt, 2);
    reader.ask(Asked::Commit(v1::Commit { node: String::new(), seq: 1 })).await;
    let refused = loop {
        if let Err(refused) = reader.frame().await {
            break refused;
        }
    };
    expect_refusal(Err::<(), _>(refused), Code::FailedPrecondition, "SUBSCRIPTION_MODE", None);
}

#[tokio::test]
async fn nothing_comes_without_credit_and_what_was_asked_for_is_answered_before_the_end() {
    let rig = Rig::start().await;
    rig.create("jobs").await;
    create(&rig, "workers", queue(&["jobs"])).await;
    rig.publish("jobs", vec![event("a", PAYLOAD), event("b", PAYLOAD)]).await;
    let open =
        v1::SubscriptionOpen { subscription: "workers".into(), worker_id: String::new(), credit: None };
    let mut reader = Reader::start(&rig, Asked::Open(open)).await;
    assert!(matches!(reader.frame().await, Ok(Frame::Opened(_))));
    reader.ask(Asked::Credit(v1::Credit { messages: 1, bytes: 1 })).await;
    let one = reader.deliveries(1).await;
    let lease_ids = vec![one[0].lease_id.clone()];
    reader.ask(Asked::Ack(v1::Acknowledgement { lease_ids })).await;
    let Reader { requests, mut answers } = reader;
    drop(requests);
    let last = soon(answers.message()).await.unwrap().unwrap();
    assert!(matches!(last.frame, Some(Frame::LeaseResults(_))), "{last:?}");
    assert_eq!(soon(answers.message()).await.unwrap(), None);

    let mut wrong = Reader::start(&rig, Asked::Credit(v1::Credit { messages: 1, bytes: 1 })).await;
    expect_refusal(wrong.frame().await, Code::InvalidArgument, "REQUEST_INVALID", Some("open"));
    let mut unknown = Reader::try_open(&rig, "none", "").await;
    expect_refusal(unknown.frame().await, Code::NotFound, "SUBSCRIPTION_NOT_FOUND", None);
    let mut empty = Reader::open(&rig, "workers", "").await;
    empty.requests.send(v1::SubscribeRequest { frame: None }).await.unwrap();
    let refused = loop {
        if let Err(refused) = empty.frame().await {
            break refused;
        }
    };
    expect_refusal(Err::<(), _>(refused), Code::InvalidArgument, "REQUEST_INVALID", Some("frame"));
}

#[tokio::test]
async fn dead_letters_are_listed_and_redriven() {
    let rig = &Rig::start().await;
    rig.create("jobs").await;
    rig.create("dead").await;
    let config =
        v1::SubscriptionConfig { dead_letter_node: "dead".into(), attempts_max: Some(1), ..queue(&["jobs"]) };
    create(rig, "workers", config).await;
    rig.publish("jobs", vec![event("a", "<job xmlns='urn:example'>1</job>")]).await;
    let mut reader = Reader::open(rig, "workers", "").await;
    let lease_ids = vec![reader.deliveries(1).await[0].lease_id.clone()];
    reader.ask(Asked::Nack(v1::Refusal { lease_ids, delay: None, terminate: false })).await;
    reader.results().await;
    let list = || async {
        let request = v1::ListDeadLettersRequest { subscription: "workers".into(), ..Default::default() };
        rig.subscriptions(ALICE).list_dead_letters(request).await.unwrap().into_inner().dead_letters
    };
    let letters = soon(async {
        let mut poll = tokio::time::interval(std::time::Duration::from_millis(20));
        loop {
            poll.tick().await;
            let letters = list().await;
            if !letters.is_empty() {
                return letters;
            }
        }
    })
    .await;
    let letter = &letters[0];
    assert_eq!((letter.node.as_str(), letter.seq, letter.event_item_id.as_str()), ("jobs", 1, "a"));
    assert_eq!((letter.attempts, letter.xml.as_str()), (1, "<job xmlns='urn:example'>1</job>"));
    assert_eq!((letter.reason.as_str(), &letter.publisher), ("it was refused", &jid_of(ALICE)));
    let redrive = |item_ids| {
        let request = v1::RedriveDeadLettersRequest { subscription: "workers".into(), item_ids };
        async move {
            rig.subscriptions(ALICE).redrive_dead_letters(request).await.map(tonic::Response::into_inner)
        }
    };
    let unknown = redrive(vec!["none".into()]).await;
    expect_refusal(unknown, Code::NotFound, "ITEM_NOT_FOUND", None);
    let redriven = redrive(vec![letter.item_id.clone()]).await.unwrap();
    assert_eq!(redriven, v1::RedriveDeadLettersResponse { redriven: 1, gone_item_ids: vec![] });
    let again = reader.deliveries(1).await;
    assert_eq!((again[0].attempt, again[0].event.as_ref().unwrap().seq), (1, 1));
    assert!(list().await.is_empty());
}

#[tokio::test]
async fn seek_pause_and_deletion_reach_who_reads() {
    let rig = Rig::start().await;
    rig.create("jobs").await;
    create(&rig, "workers", queue(&["jobs"])).await;
    rig.publish("jobs", vec![event("a", PAYLOAD), event("b", PAYLOAD)]).await;
    let mut reader = Reader::open(&rig, "workers", "").await;
    reader.deliveries(2).await;
    let seek = v1::SeekSubscriptionRequest {
        name: "workers".into(),
        node: "jobs".into(),
        start: Some(v1::StartPosition { at: Some(At::AfterSeq(1)) }),
    };
    rig.subscriptions(ALICE).seek_subscription(seek).await.unwrap();
    expect_refusal(reader.frame().await, Code::Aborted, "SUBSCRIPTION_MOVED", None);
    let mut reader = Reader::open(&rig, "workers", "").await;
    assert_eq!(reader.deliveries(1).await[0].event.as_ref().unwrap().seq, 2);

    let pause = v1::PauseSubscriptionRequest { name: "workers".into() };
    let paused = rig.subscriptions(ALICE).pause_subscription(pause).await.unwrap().into_inner();
    assert!(paused.subscription.unwrap().paused);
    rig.publish("jobs", vec![event("c", PAYLOAD)]).await;
    let resume = v1::ResumeSubscriptionRequest { name: "workers".into() };
    let resumed = rig.subscriptions(ALICE).resume_subscription(resume).await.unwrap().into_inner();
    assert!(!resumed.subscription.unwrap().paused);
    assert_eq!(reader.deliveries(1).await[0].event.as_ref().unwrap().seq, 3);

    let delete = v1::DeleteSubscriptionRequest { name: "workers".into() };
    rig.subscriptions(ALICE).delete_subscription(delete).await.unwrap();
    expect_refusal(reader.frame().await, Code::NotFound, "SUBSCRIPTION_NOT_FOUND", None);
}

#[tokio::test]
async fn a_reader_loses_its_stream_with_its_right_to_read_and_hears_of_the_end() {
    let rig = Rig::start().await;
    rig.create("news").await;
    let request = request("bobs", stream(&["news"]));
    rig.subscriptions(BOB).create_subscription(request).await.unwrap();
    let credit = Some(v1::Credit { messages: 10, bytes: 1_000_000 });
    let open = |subscription: &str| v1::SubscribeRequest {
        frame: Some(Asked::Open(v1::SubscriptionOpen {
            subscription: subscription.to_owned(),
            worker_id: String::new(),
            credit,
        })),
    };
    let requests = tokio_stream::iter([open("bobs")]).chain(tokio_stream::pending());
    let mut answers = rig.subscriber(BOB).subscribe(requests).await.unwrap().into_inner();
    assert!(matches!(soon(answers.message()).await.unwrap().unwrap().frame, Some(Frame::Opened(_))));
    rig.affiliate("news", BOB, v1::Affiliation::Outcast).await;
    rig.publish("news", vec![event("a", PAYLOAD)]).await;
    expect_refusal(soon(answers.message()).await, Code::PermissionDenied, "AFFILIATION_REQUIRED", None);

    create(&rig, "audit", stream(&["news"])).await;
    let mut reader = Reader::open(&rig, "audit", "").await;
    reader.deliveries(1).await;
    rig.shutdown.cancel();
    assert_eq!(reader.frame().await.unwrap(), Frame::GoingAway(v1::GoingAway {}));
    assert_eq!(soon(reader.answers.message()).await.unwrap(), None);
}
