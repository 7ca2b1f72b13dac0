use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::stanzas::attribute;
use super::{DOMAIN, Fate, Ledger, Owner, Session};

/// What a client waits after a refusal before it tries again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How long an XMPP client waits for an answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// Publishers at work.
pub(crate) struct Publishers {
    workers: JoinSet<()>,
    stop: CancellationToken,
}

/// How a publisher reaches the bus.
#[derive(Clone)]
pub(crate) enum Way {
    Grpc(Owner),
    /// The user's session of now.
    Xmpp(watch::Receiver<Session>),
}

/// What workers share.
#[derive(Clone)]
pub(crate) struct Bench {
    pub(crate) ledger: Arc<Ledger>,
    /// Moves with every new life of the daemon: what it was asked before will not be answered any more.
    pub(crate) lives: watch::Receiver<u64>,
}

impl Publishers {
    pub(crate) fn new() -> Self {
        Self { workers: JoinSet::new(), stop: CancellationToken::new() }
    }

    /// Adds a publisher that has so many publishes under way at a time.
    pub(crate) fn add(&mut self, name: &str, way: &Way, node: &str, window: usize, bench: &Bench) {
        let numbers = Arc::new(AtomicU64::new(1));
        for _ in 0..window {
            let worker = Worker {
                name: name.to_owned(),
                node: node.to_owned(),
                numbers: Arc::clone(&numbers),
                way: way.clone(),
                bench: bench.clone(),
                stop: self.stop.clone(),
            };
            self.workers.spawn(worker.run());
        }
    }

    /// Lets everybody finish what is under way, and waits for it.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.workers.join_next().await {
            ended.expect("a publisher does not panic");
        }
    }
}

struct Worker {
    name: String,
    node: String,
    numbers: Arc<AtomicU64>,
    way: Way,
    bench: Bench,
    stop: CancellationToken,
}

impl Worker {
    async fn run(mut self) {
        while !self.stop.is_cancelled() {
            let number = self.numbers.fetch_add(1, Ordering::Relaxed);
            let item_id = format!("{}-{number}", self.name);
            self.bench.ledger.begin(&item_id, &self.node);
            let life = *self.bench.lives.borrow_and_update();
            let fate = tokio::select! {
                fate = self.way.publish(&self.node, &item_id) => fate,
                _ = self.bench.lives.wait_for(|now| *now > life) => Fate::Unknown,
            };
            let is_acknowledged = matches!(fate, Fate::Acknowledged(_));
            self.bench.ledger.end(&item_id, fate);
            if !is_acknowledged {
                tokio::select! {
                    _ = self.bench.lives.changed() => {}
                    () = tokio::time::sleep(RETRY_PAUSE) => {}
                }
            }
        }
    }
}

impl Way {
    async fn publish(&self, node: &str, item_id: &str) -> Fate {
        let payload =
            format!("<reading xmlns='urn:example:trial' of='{item_id}'>{}</reading>", "x".repeat(100));
        match self {
            Self::Grpc(owner) => match owner.publish(node, item_id, &payload).await {
                Ok(seq) => Fate::Acknowledged(Some(seq)),
                // Without details it is not the bus that speaks. It may have been published all the same.
                Err(status) if status.details().is_empty() => Fate::Unknown,
                Err(status) => Fate::Refused(status.to_string()),
            },
            Self::Xmpp(session) => {
                let session = session.borrow().clone();
                let publish = format!(
                    "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{node}'>\
                     <item id='{item_id}'>{payload}</item></publish></pubsub>"
                );
                let addresses = format!("type='set' to='{DOMAIN}'");
                // What a server hands to a stream that is being cut is answered by nobody.
                match timeout(ANSWER_PATIENCE, session.ask(&addresses, &publish)).await {
                    Ok(Ok(answer)) if attribute(&answer, "type") == Some("result") => {
                        Fate::Acknowledged(None)
                    }
                    Ok(Ok(answer)) => Fate::Refused(answer),
                    Ok(Err(super::Gone)) | Err(_) => Fate::Unknown,
                }
            }
        }
    }
}
