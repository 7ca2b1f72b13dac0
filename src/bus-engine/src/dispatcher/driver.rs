use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bus_domain::NodeId;
use bus_store::{Leg, Position, StoreError};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::{Instant, MissedTickBehavior};

use super::state::{Dispatcher, DispatcherBounds, Need};
use super::{DeliveryInput, NodeSignal, NotificationSink};
use crate::engine::EngineShared;

/// Nodes on one page when delivery starts.
const RESUME_NODES_MAX: u32 = 1_000;
/// Recipients on one page.
const RECIPIENTS_MAX: u32 = 5_000;
/// Rows of deleted nodes that go in one step; there is one step at each tick.
const REAP_ROWS_MAX: u32 = 2_000;
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
                Some(input) => driver.take_inputs(input, &mut inputs),
                None => break,
            },
            (signals, look) = shared.mailbox.take() => driver.take_mail(signals, look).await,
            () = std::future::ready(()), if is_behind => {}
        }
    }
    driver.store_cursors().await;
}

struct Driver {
    shared: Arc<EngineShared>,
    dispatcher: Dispatcher,
    sink: Box<dyn NotificationSink>,
    store_rests_until: Option<Instant>,
    /// Deleted nodes may have rows left.
    has_to_reap: bool,
    notifications: u64,
}

impl Driver {
    fn new(shared: Arc<EngineShared>, sink: Box<dyn NotificationSink>) -> Self {
        let bounds = DispatcherBounds {
            nodes_max: shared.settings.engine.cached_nodes_max,
            recipients_max: shared.settings.engine.cached_recipients_max,
        };
        let dispatcher = Dispatcher::new(bounds, shared.settings.admins.clone());
        Self { shared, dispatcher, sink, store_rests_until: None, has_to_reap: true, notifications: 0 }
    }

    /// Finds the next nodes whose log goes on behind their cursor, while there is room for them.
    async fn resume(&mut self) {
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
        reads == READS_MAX
    }

    fn take_inputs(&mut self, first: DeliveryInput, inputs: &mut mpsc::Receiver<DeliveryInput>) {
        self.dispatcher.input(first);
        loop {
            match inputs.try_recv() {
                Ok(input) => self.dispatcher.input(input),
                // The next look finds it closed again.
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    async fn take_mail(&mut self, mut signals: Vec<NodeSignal>, look: bool) {
        if look {
            self.dispatcher.resume_anew();
        }
        if self.shared.store.is_shared()
            && let Err(error) = self.begin_at_cursors(&mut signals).await
        {
            self.rest("delivery of some nodes waits for the store", &error);
            // What is left out here is found by that look.
            signals.retain(|signal| self.dispatcher.knows(signal.node.id));
            self.dispatcher.resume_anew();
        }
        for signal in signals {
            self.dispatcher.signal(signal);
        }
    }

    /// Other instances may have moved a node that is not in memory: its delivery begins at its cursor, and not where
    /// the signal begins.
    async fn begin_at_cursors(&mut self, signals: &mut [NodeSignal]) -> Result<(), StoreError> {
        let mut unknown: Vec<_> =
            signals.iter_mut().filter(|signal| !self.dispatcher.knows(signal.node.id)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let nodes: Vec<NodeId> = unknown.iter().map(|signal| signal.node.id).collect();
        let cursors = self.shared.store.positions(Leg::Xmpp, &nodes).await?;
        let cursors: HashMap<NodeId, Position> = cursors.into_iter().collect();
        for signal in &mut unknown {
            signal.from = cursors.get(&signal.node.id).copied().unwrap_or(Position::START);
        }
        Ok(())
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
        if self.store_rests() {
            return;
        }
        self.store_cursors().await;
        self.has_to_reap |= self.dispatcher.take_ended();
        if self.has_to_reap {
            match self.shared.store.reap_deleted(REAP_ROWS_MAX).await {
                Ok(rows) => self.has_to_reap = rows > 0,
                Err(error) => self.rest("rows of deleted nodes stay for now", &error),
            }
        }
        self.shared.statistics.nodes_undelivered.set(self.dispatcher.undelivered_nodes() as u64);
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
