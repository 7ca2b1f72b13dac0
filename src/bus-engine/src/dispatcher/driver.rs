use std::sync::Arc;
use std::time::Duration;

use bus_domain::{Event, NodeId, Seq};
use bus_store::{Leg, StoreError};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::{Instant, MissedTickBehavior};

use super::state::{Dispatcher, DispatcherBounds, Need};
use super::{DeliveryInput, LaggingBounds, NotificationSink};
use crate::engine::EngineShared;

mod bounced;
mod lagging;

/// Nodes on one page when delivery starts.
const RESUME_NODES_MAX: u32 = 1_000;
/// Recipients on one page.
const RECIPIENTS_MAX: u32 = 5_000;
/// Rows of deleted nodes that go in one step; there is one step at each tick.
const REAP_ROWS_MAX: u32 = 2_000;
/// Inputs of the leg before everything else has its turn.
const INPUTS_MAX: usize = 1_000;
/// Reads from the store before everything else has its turn.
const READS_MAX: usize = 16;
/// How long a store that failed is left alone.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Delivers until `inputs` is closed; then stores the cursors a last time.
pub(crate) async fn run(
    shared: Arc<EngineShared>,
    sink: impl NotificationSink,
    mut inputs: mpsc::Receiver<DeliveryInput>,
) {
    let mut driver = Driver::new(Arc::clone(&shared), Box::new(sink));
    let interval = Duration::from_millis(shared.settings.engine.cursor_interval_ms);
    let mut tick = tokio::time::interval(interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        driver.resume().await;
        let is_behind = driver.send().await;
        tokio::select! {
            _ = tick.tick() => driver.keep_house().await,
            input = inputs.recv() => match input {
                Some(input) => {
                    driver.take_inputs(input, &mut inputs);
                    if driver.dispatcher.has_too_many_bounces() {
                        driver.settle_bounces().await;
                    }
                }
                None => break,
            },
            signals = shared.mailbox.take() => driver.take_signals(signals),
            () = std::future::ready(()), if is_behind => {}
        }
    }
    driver.store_positions().await;
}

struct Driver {
    shared: Arc<EngineShared>,
    dispatcher: Dispatcher,
    sink: Box<dyn NotificationSink>,
    started: Instant,
    store_rests_until: Option<Instant>,
    lagging_is_loaded: bool,
    parked_counted_at: Option<Instant>,
    /// Deleted nodes may have rows left.
    has_to_reap: bool,
    notifications: u64,
    repeats: u64,
}

impl Driver {
    fn new(shared: Arc<EngineShared>, sink: Box<dyn NotificationSink>) -> Self {
        let limits = &shared.settings.engine;
        let bounds = DispatcherBounds {
            nodes_max: limits.cached_nodes_max,
            recipients_max: limits.cached_recipients_max,
            lagging: LaggingBounds {
                subscriptions_max: limits.lagging_subscriptions_max,
                window_events_max: limits.lagging_window_events_max,
                quiet_ms: limits.lagging_quiet_ms,
                backoff_ms_min: limits.lagging_backoff_ms_min,
                backoff_ms_max: limits.lagging_backoff_ms_max,
            },
        };
        let dispatcher = Dispatcher::new(bounds, shared.settings.admins.clone());
        Self {
            shared,
            dispatcher,
            sink,
            started: Instant::now(),
            store_rests_until: None,
            lagging_is_loaded: false,
            parked_counted_at: None,
            has_to_reap: true,
            notifications: 0,
            repeats: 0,
        }
    }

    /// Finds the next nodes whose log goes on behind their cursor, while there is room for them.
    async fn resume(&mut self) {
        if !self.lagging_is_loaded && !self.load_lagging().await {
            return;
        }
        while !self.store_rests()
            && let Some(after) = self.dispatcher.next_to_resume()
        {
            match self.shared.store.undelivered(Leg::Xmpp, Some(after), RESUME_NODES_MAX).await {
                Ok(page) => self.dispatcher.resume(page.nodes, page.next_after),
                Err(error) => self.rest("delivery cannot start yet", &error),
            }
        }
    }

    /// Sends until the sink is full or nothing is left. True if it stopped before, to let others have their turn.
    async fn send(&mut self) -> bool {
        let mut reads = 0;
        while !self.store_rests()
            && let Some(need) = self.dispatcher.pump(&mut *self.sink)
        {
            if let Err(error) = self.satisfy(need).await {
                self.fail(need, &error);
            }
            reads += 1;
            if reads == READS_MAX {
                break;
            }
        }
        let notifications = self.dispatcher.notifications();
        self.shared.statistics.notifications_sent.add(notifications - self.notifications);
        self.notifications = notifications;
        let repeats = self.dispatcher.repeats();
        self.shared.statistics.repeats.add(repeats - self.repeats);
        self.repeats = repeats;
        reads == READS_MAX
    }

    fn take_inputs(&mut self, first: DeliveryInput, inputs: &mut mpsc::Receiver<DeliveryInput>) {
        self.dispatcher.input(first);
        for _ in 0..INPUTS_MAX {
            if self.dispatcher.has_too_many_bounces() {
                return;
            }
            match inputs.try_recv() {
                Ok(input) => self.dispatcher.input(input),
                // The next look finds it closed again.
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    fn take_signals(&mut self, signals: Vec<super::NodeSignal>) {
        for signal in signals {
            self.dispatcher.signal(signal);
        }
    }

    async fn satisfy(&mut self, need: Need) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let events_max = shared.settings.engine.log_page_events_max;
        match need {
            Need::Events { node, after_seq } => {
                let events = read_events(&shared, node, after_seq, events_max).await?;
                self.dispatcher.take_events(node, events);
            }
            Need::Recipients { node, after } => {
                let page = shared.store.recipients(node, after, RECIPIENTS_MAX).await?;
                self.dispatcher.take_recipients(node, page, RECIPIENTS_MAX as usize);
            }
            Need::Lagging { key, after_seq, events_max: window_events } => {
                let events_max = events_max.min(window_events);
                let events = read_events(&shared, key.node, after_seq, events_max).await?;
                let target = shared.store.delivery_targets(&[key]).await?.pop();
                self.dispatcher.feed(key, target, &events, &mut *self.sink);
            }
        }
        Ok(())
    }

    /// A store that is away rests; a node that cannot be read holds up no other.
    fn fail(&mut self, need: Need, error: &StoreError) {
        if error.is_transient() {
            self.rest("delivery waits for the store", error);
        } else {
            tracing::error!(%error, ?need, "a node's delivery stops, because it cannot be read");
            self.shared.statistics.nodes_unreadable.add(1);
        }
        self.dispatcher.failed(need, !error.is_transient());
    }

    fn rest(&mut self, what: &str, error: &StoreError) {
        tracing::warn!(%error, "{what}");
        self.store_rests_until = Some(Instant::now() + STORE_PAUSE);
    }

    fn store_rests(&self) -> bool {
        self.store_rests_until.is_some_and(|until| Instant::now() < until)
    }

    /// Stores cursors and removes some rows of deleted nodes.
    async fn keep_house(&mut self) {
        self.dispatcher.tick(self.elapsed_ms());
        if self.store_rests() {
            return;
        }
        self.store_positions().await;
        self.has_to_reap |= self.dispatcher.take_ended();
        if self.has_to_reap {
            match self.shared.store.reap_deleted(REAP_ROWS_MAX).await {
                Ok(rows) => self.has_to_reap = rows > 0,
                Err(error) => self.rest("rows of deleted nodes stay for now", &error),
            }
        }
        self.shared.statistics.nodes_undelivered.set(self.dispatcher.undelivered_nodes() as u64);
        self.shared.statistics.lagging_subscriptions.set(self.dispatcher.lagging_count() as u64);
        self.count_parked().await;
    }

    /// What came back before a proof must be on disk before the cursor that the proof moves; and a row goes only when
    /// the cursor is on disk that takes its subscription over.
    async fn store_positions(&mut self) {
        self.settle_bounces().await;
        if !self.store_rests() {
            self.store_cursors().await;
        }
        if !self.store_rests() {
            self.store_lagging().await;
        }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Nothing is lost when it fails: the moves stay, and what lies behind an old cursor is only sent again.
    async fn store_cursors(&mut self) {
        let moves = self.dispatcher.cursor_moves();
        if moves.is_empty() {
            return;
        }
        match self.shared.store.move_cursors(Leg::Xmpp, &moves).await {
            Ok(()) => {
                self.shared.statistics.cursor_moves.add(moves.len() as u64);
                self.dispatcher.stored(&moves);
            }
            Err(error) => self.rest("delivery cursors were not stored", &error),
        }
    }
}

/// Events from memory, or from the log where memory does not reach back that far.
async fn read_events(
    shared: &EngineShared,
    node: NodeId,
    after_seq: Seq,
    events_max: u32,
) -> Result<Vec<Arc<Event>>, StoreError> {
    if let Some(events) = shared.recent.after(node, after_seq, events_max as usize)
        && !events.is_empty()
    {
        return Ok(events);
    }
    shared.statistics.log_pages_read.add(1);
    shared.statistics.spills.add(1);
    let bytes_max = shared.settings.engine.log_page_bytes_max;
    let page = shared.store.events_after(node, after_seq, events_max, bytes_max).await?;
    Ok(page.into_iter().map(Arc::new).collect())
}
