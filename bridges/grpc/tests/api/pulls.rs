//! Subscriptions by single calls: pull and acknowledge.

use bridge_grpc::v1;
use bus_engine::{Delivery, EngineLimits, NotificationSink, Settings, SinkFull};
use prost_types::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::rig::{ALICE, Rig, event, expect_refusal, soon};
use crate::subscriptions::{create, outcomes, queue, stream};

const PAYLOAD: &str = "<entry xmlns='urn:example'/>";

#[tokio::test]
async fn a_queue_can_be_worked_off_by_single_calls() {
    let rig = Rig::start().await;
    rig.create("jobs").await;
    create(&rig, "workers", queue(&["jobs"])).await;
    rig.publish("jobs", vec![event("a", PAYLOAD), event("b", PAYLOAD), event("c", PAYLOAD)]).await;
    let pull = async |messages_max, wait_s| {
        let wait = Some(Duration { seconds: wait_s, nanos: 0 });
        let request = v1::PullRequest { subscription: "workers".into(), messages_max, bytes_max: 0, wait };
        soon(rig.subscriber(ALICE).pull(request)).await.unwrap().into_inner().deliveries
    };
    let first = pull(2, 60).await;
    let rest = pull(10, 60).await;
    assert_eq!((first.len(), rest.len(), pull(10, 0).await.len()), (2, 1, 0));
    let lease = |delivery: &v1::Delivery| delivery.lease_id.clone();
    let request = v1::AcknowledgeRequest {
        subscription: "workers".into(),
        ack_lease_ids: vec!["nonsense".into(), lease(&first[0])],
        nacks: vec![v1::Refusal {
            lease_ids: vec![lease(&first[1])],
            delay: Some(Duration { seconds: 0, nanos: 0 }),
            terminate: false,
        }],
        extensions: vec![v1::Extension { lease_ids: vec![lease(&rest[0])], lease: None }],
    };
    let answered = rig.subscriber(ALICE).acknowledge(request).await.unwrap().into_inner();
    let expected = [
        ("nonsense".to_owned(), v1::LeaseOutcome::Unknown),
        (lease(&first[0]), v1::LeaseOutcome::Accepted),
        (lease(&first[1]), v1::LeaseOutcome::Accepted),
        (lease(&rest[0]), v1::LeaseOutcome::Accepted),
    ];
    assert_eq!(outcomes(answered.results), expected);
    let again = pull(10, 60).await;
    assert_eq!((again.len(), again[0].attempt), (1, 2));

    let backlog = v1::GetBacklogRequest { name: "workers".into() };
    let backlog = rig.subscriptions(ALICE).get_backlog(backlog).await.unwrap().into_inner();
    let node = &backlog.nodes[0];
    assert_eq!((node.head_seq, node.through_seq, node.leased, node.waiting), (3, 3, 2, 0));
    assert!(backlog.oldest_unsettled_time.is_some() && backlog.oldest_unsettled_age.is_some());

    create(&rig, "audit", stream(&["jobs"])).await;
    let of_stream = v1::PullRequest { subscription: "audit".into(), ..v1::PullRequest::default() };
    let refused = rig.subscriber(ALICE).pull(of_stream).await;
    expect_refusal(refused, Code::FailedPrecondition, "SUBSCRIPTION_MODE", None);
    let too_many =
        v1::PullRequest { subscription: "workers".into(), messages_max: 1_001, ..Default::default() };
    let refused = rig.subscriber(ALICE).pull(too_many).await;
    expect_refusal(refused, Code::InvalidArgument, "REQUEST_INVALID", Some("messages_max"));
}

/// Delivers to nobody, and lets what is due to nobody pass.
struct Nobody;

impl NotificationSink for Nobody {
    fn try_send(&mut self, _: &Delivery<'_>) -> Result<(), SinkFull> {
        Err(SinkFull)
    }
}

#[tokio::test]
async fn a_pull_says_what_is_gone() {
    let engine = EngineLimits { recent_bytes_max: 1, ..EngineLimits::default() };
    let rig = Rig::start_with(Settings { engine, ..Settings::default() }).await;
    let config = v1::NodeConfig { items_max: Some(1), history_events_max: Some(1), ..Default::default() };
    rig.create_with("jobs", config).await;
    create(&rig, "workers", queue(&["jobs"])).await;
    for id in ["a", "b", "c"] {
        rig.publish("jobs", vec![event(id, PAYLOAD)]).await;
    }
    let (engine, stop) = (rig.engine.clone(), CancellationToken::new());
    let (_inputs, receiver) = mpsc::channel(1);
    let work = async { tokio::join!(engine.deliver(Nobody, receiver), engine.retain(stop.clone())) };
    let pulled = async {
        let mut poll = tokio::time::interval(std::time::Duration::from_millis(20));
        let trimmed = async || {
            let request = v1::TailRequest {
                node: "jobs".into(),
                start: Some(v1::tail_request::Start::Earliest(true)),
                ..Default::default()
            };
            let mut frames = rig.subscriber(ALICE).tail(request).await.unwrap().into_inner();
            loop {
                if let Some(v1::tail_response::Frame::Event(event)) =
                    frames.message().await.unwrap().unwrap().frame
                {
                    return event.seq == 3;
                }
            }
        };
        while !trimmed().await {
            poll.tick().await;
        }
        let request =
            v1::PullRequest { subscription: "workers".into(), messages_max: 9, ..Default::default() };
        rig.subscriber(ALICE).pull(request).await.unwrap().into_inner()
    };
    let response = soon(Box::pin(async {
        tokio::select! {
            _ = work => unreachable!("it goes on"),
            response = pulled => response,
        }
    }))
    .await;
    let gaps: Vec<_> = response.gaps.iter().map(|gap| (gap.node.as_str(), gap.first_seq)).collect();
    assert_eq!(gaps, [("jobs", 3)]);
    assert_eq!(response.deliveries[0].event.as_ref().unwrap().seq, 3);
}
