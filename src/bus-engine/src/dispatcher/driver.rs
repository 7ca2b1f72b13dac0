use std::sync::Arc;
use std::time::Duration;

use bus_store::{Leg, StoreError};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::state::{Dispatcher, DispatcherBounds, Need};
use super::{DeliveryInput, NotificationSink};
use crate::engine::EngineShared;

/// Nodes on one page when delivery starts.
const RESUME_NODES_MAX: u32 = 1_000;
/// Recipients on one page.
const RECIPIENTS_MAX: u32 = 5_000;
/// Rows of deleted nodes that go in one step.
const REAP_ROWS_MAX: u32 = 2_000;
/// How long a store that failed is left alone.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Delivers until `inputs` is closed; then stores the cursors a last time.
pub(crate) async fn run(
    shared: Arc<EngineShared>,
    sink: impl NotificationSink,
    mut inputs: mpsc::Receiver<DeliveryInput>,
) {
    let mut driver = Driver::new(shared, Box::new(sink));
    driver.resume().await;
    let mut tick =
        tokio::time::interval(Duration::from_millis(driver.shared.settings.engine.cursor_interval_ms));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let shared = Arc::clone(&driver.shared);
    loop {
        driver.send(&mut inputs).await;
        tokio::select! {
            input = inputs.recv() => match input {
                Some(input) => driver.dispatcher.input(input),
                None => break,
            },
            signals = shared.mailbox.take() => {
                for signal in signals {
                    driver.dispatcher.signal(signal);
                }
            }
            _ = tick.tick() => driver.store_cursors().await,
        }
    }
    driver.store_cursors().await;
}

struct Driver {
    shared: Arc<EngineShared>,
    dispatcher: Dispatcher,
    sink: Box<dyn NotificationSink>,
    store_rests_until: Option<tokio::time::Instant>,
    notifications: u64,
}

impl Driver {
    fn new(shared: Arc<EngineShared>, sink: Box<dyn NotificationSink>) -> Self {
        let bounds = DispatcherBounds {
            nodes_max: shared.settings.engine.cached_nodes_max,
            recipients_max: shared.settings.engine.cached_recipients_max,
        };
        let dispatcher = Dispatcher::new(bounds);
        Self { shared, dispatcher, sink, store_rests_until: None, notifications: 0 }
    }

    /// Finds every node whose log goes on behind its cursor. Nothing can be delivered before that is known.
    async fn resume(&mut self) {
        let mut after = None;
        loop {
            match self.shared.store.undelivered(Leg::Xmpp, after, RESUME_NODES_MAX).await {
                Ok(page) => {
                    let full = page.len() == RESUME_NODES_MAX as usize;
                    after = page.last().map(|node| node.node);
                    for node in page {
                        self.dispatcher.resume(node);
                    }
                    if !full {
                        break;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "delivery cannot start yet");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
            }
        }
        self.reap().await;
    }

    /// Sends until the sink is full, nothing is left, or the store fails.
    async fn send(&mut self, inputs: &mut mpsc::Receiver<DeliveryInput>) {
        if self.store_rests_until.is_some_and(|until| tokio::time::Instant::now() < until) {
            return;
        }
        while let Some(need) = self.dispatcher.pump(&mut *self.sink) {
            if let Err(error) = self.satisfy(need).await {
                tracing::warn!(%error, "delivery waits for the store");
                self.store_rests_until = Some(tokio::time::Instant::now() + STORE_PAUSE);
                break;
            }
            while let Ok(input) = inputs.try_recv() {
                self.dispatcher.input(input);
            }
        }
        let notifications = self.dispatcher.notifications();
        self.shared.statistics.notifications_sent.add(notifications - self.notifications);
        self.notifications = notifications;
    }

    async fn satisfy(&mut self, need: Need) -> Result<(), StoreError> {
        let limits = &self.shared.settings.engine;
        match need {
            Need::Events { node, after_seq } => {
                let events_max = limits.log_page_events_max;
                if let Some(events) = self.shared.recent.after(node, after_seq, events_max as usize)
                    && !events.is_empty()
                {
                    self.dispatcher.take_events(node, events);
                    return Ok(());
                }
                self.shared.statistics.log_pages_read.add(1);
                let store = &self.shared.store;
                let page = store.events_after(node, after_seq, events_max, limits.log_page_bytes_max).await?;
                self.dispatcher.take_events(node, page.into_iter().map(Arc::new).collect());
            }
            Need::Recipients { node, after } => {
                let page = self.shared.store.recipients(node, after, RECIPIENTS_MAX).await?;
                self.dispatcher.take_recipients(node, page, RECIPIENTS_MAX as usize);
            }
        }
        Ok(())
    }

    async fn store_cursors(&mut self) {
        let moves = self.dispatcher.cursor_moves();
        if !moves.is_empty() {
            match self.shared.store.move_cursors(Leg::Xmpp, &moves).await {
                Ok(()) => {
                    self.shared.statistics.cursor_moves.add(moves.len() as u64);
                    self.dispatcher.stored(&moves);
                }
                // Nothing is lost: the moves stay, and what lies behind an old cursor is only sent again.
                Err(error) => tracing::warn!(%error, "delivery cursors were not stored"),
            }
        }
        if self.dispatcher.take_ended() {
            self.reap().await;
        }
        self.shared.statistics.nodes_undelivered.set(self.dispatcher.undelivered_nodes() as u64);
    }

    /// Removes the rows of deleted nodes, step by step.
    async fn reap(&mut self) {
        loop {
            match self.shared.store.reap_deleted(REAP_ROWS_MAX).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "rows of deleted nodes stay for now");
                    return;
                }
            }
        }
    }
}
