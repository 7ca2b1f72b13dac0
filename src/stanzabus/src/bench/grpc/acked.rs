//! Many durable subscriptions of one node, whose readers acknowledge each event. What they have acknowledged is on disk.

use bridge_grpc::v1;
use bridge_grpc::v1::subscribe_request::Frame as Asked;
use bridge_grpc::v1::subscribe_response::Frame;
use futures::future::try_join_all;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::super::cut_short;
use super::publish::{per_second, send};
use super::target::Target;
use crate::client::grpc::GrpcClient;
use crate::failure::Failure;

/// Events in one publish, so that publishing is not what is measured.
const EVENTS_PER_BATCH: usize = 10;
const OUTSTANDING: u64 = 4;
/// What a reader takes before it acknowledges.
const CREDIT: v1::Credit = v1::Credit { messages: 200, bytes: 1 << 20 };
/// What a reader may have to say before it is read: an acknowledgement and credit for each event.
const ASKS_MAX: usize = 2 * 200 + 1;
/// Subscriptions that are made and removed at a time.
const AT_ONCE: usize = 32;

/// Deliveries a second, all subscriptions taken together, from the first publish to when the last acknowledgement is on disk.
pub(super) async fn live(target: &Target, subscriptions: usize) -> Result<f64, Failure> {
    let node = target.node(v1::Durability::Fsync).await?;
    let batches = (4 * target.events / EVENTS_PER_BATCH as u64 / subscriptions as u64).max(1);
    let events = batches * EVENTS_PER_BATCH as u64;
    let names: Vec<String> = (0..subscriptions).map(|number| node.subscription_name(number)).collect();
    each(&names, |name| make(&target.client, name, &node.name)).await?;
    let mut readers = Vec::with_capacity(subscriptions);
    for name in &names {
        let reader = Reader::open(&target.client, name).await?;
        readers.push(tokio::spawn(reader.acknowledge(events)));
    }
    let began = Instant::now();
    send(target, &node.name, batches, EVENTS_PER_BATCH, OUTSTANDING).await?;
    for ended in try_join_all(readers).await.map_err(|error| cut_short(&error.to_string()))? {
        ended?;
    }
    let took = began.elapsed();
    each(&names, async |name| Ok(target.client.delete_subscription(name).await?)).await?;
    Ok(per_second(events * subscriptions as u64, took))
}

async fn each<'a, F: Future<Output = Result<(), Failure>>>(
    names: &'a [String],
    what: impl Fn(&'a str) -> F,
) -> Result<(), Failure> {
    let calls = stream::iter(names).map(|name| what(name));
    calls.buffer_unordered(AT_ONCE).try_collect().await
}

async fn make(client: &GrpcClient, name: &str, node: &str) -> Result<(), Failure> {
    let config = v1::SubscriptionConfig {
        nodes: vec![node.to_owned()],
        mode: v1::SubscriptionMode::Queue.into(),
        ..v1::SubscriptionConfig::default()
    };
    let request = v1::CreateSubscriptionRequest {
        name: name.to_owned(),
        config: Some(config),
        ..v1::CreateSubscriptionRequest::default()
    };
    client.create_subscription(request).await?;
    Ok(())
}

struct Reader {
    asks: mpsc::Sender<v1::SubscribeRequest>,
    answers: Streaming<v1::SubscribeResponse>,
}

impl Reader {
    async fn open(client: &GrpcClient, name: &str) -> Result<Self, Failure> {
        let (asks, requests) = mpsc::channel(ASKS_MAX);
        let open = v1::SubscriptionOpen {
            subscription: name.to_owned(),
            credit: Some(CREDIT),
            ..v1::SubscriptionOpen::default()
        };
        let _ = asks.send(v1::SubscribeRequest { frame: Some(Asked::Open(open)) }).await;
        let answers = client.subscribe(ReceiverStream::new(requests)).await?;
        let mut reader = Self { asks, answers };
        match reader.next().await? {
            Frame::Opened(_) => Ok(reader),
            _ => Err(cut_short("a subscription does not open")),
        }
    }

    /// Until so many events are settled.
    async fn acknowledge(mut self, events: u64) -> Result<(), Failure> {
        let mut settled = 0;
        while settled < events {
            match self.next().await? {
                Frame::Deliveries(some) => self.answer(&some.deliveries).await,
                Frame::LeaseResults(some) => settled += some.results.len() as u64,
                Frame::GoingAway(_) => return Err(cut_short("the daemon stops")),
                _ => {}
            }
        }
        Ok(())
    }

    async fn answer(&self, deliveries: &[v1::Delivery]) {
        let lease_ids = deliveries.iter().map(|delivery| delivery.lease_id.clone()).collect();
        let credit = v1::Credit { messages: deliveries.len() as u64, bytes: CREDIT.bytes };
        for frame in [Asked::Ack(v1::Acknowledgement { lease_ids }), Asked::Credit(credit)] {
            // Whoever has closed it says why in its answer.
            let _ = self.asks.send(v1::SubscribeRequest { frame: Some(frame) }).await;
        }
    }

    async fn next(&mut self) -> Result<Frame, Failure> {
        let frame = self.answers.message().await.map_err(|status| cut_short(status.message()))?;
        frame.and_then(|answer| answer.frame).ok_or_else(|| cut_short("a subscription's stream has ended"))
    }
}
