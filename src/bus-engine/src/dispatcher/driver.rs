use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bus_domain::{Durability, Event, NodeId, NodeName, Seq};
use bus_store::{Leg, Position, StoreError, Undelivered, UndeliveredPage};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::followed::Followed;
use super::state::{Dispatcher, DispatcherBounds, Lag, Need};
use super::{DeliveryInput, LaggingBounds, Mail, NodeSignal, NotificationSink};
use crate::advisories::AdvisoryAbout;
use crate::engine::EngineShared;
use crate::statistics::microseconds;

mod below;
mod bounced;
mod lagging;
mod rosters;

use rosters::RosterChanges;

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
        let is_behind = driver.resume().await | driver.send().await;
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
            mail = shared.mailbox.take() => driver.take_mail(mail).await,
            () = driver.roster_changes.next(&shared) => driver.dispatcher.rosters_changed(),
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
    /// Whether rows are being read beside those that are known.
    adopts_lagging: bool,
    parked_counted_at: Option<Instant>,
    /// Deleted nodes may have rows left.
    has_to_reap: bool,
    /// As told to the committer.
    undelivered_full: HashMap<NodeId, NodeName>,
    followed: Followed,
    roster_changes: RosterChanges,
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
        let dispatcher = Dispatcher::new(bounds, shared.settings.admins.clone())
            .with_presence(Arc::clone(&shared.presence));
        Self {
            shared,
            dispatcher,
            sink,
            started: Instant::now(),
            store_rests_until: None,
            lagging_is_loaded: false,
            adopts_lagging: false,
            parked_counted_at: None,
            has_to_reap: true,
            undelivered_full: HashMap::new(),
            followed: Followed::default(),
            roster_changes: RosterChanges::default(),
        }
    }

    /// Finds the next nodes whose log goes on behind their cursor, while there is room for them. True if it stopped
    /// before, to let others have their turn.
    async fn resume(&mut self) -> bool {
        if !self.lagging_is_loaded && !self.load_lagging().await {
            return false;
        }
        let mut reads = 0;
        while !self.store_rests()
            && let Some(after) = self.dispatcher.next_to_resume()
        {
            match self.shared.store.undelivered(Leg::Xmpp, Some(after), RESUME_NODES_MAX).await {
                Ok(page) => self.resume_page(page).await,
                Err(error) => self.rest("delivery cannot start yet", &error),
            }
            reads += 1;
            if reads == READS_MAX {
                break;
            }
        }
        reads == READS_MAX
    }

    /// Of nodes in memory the store has nothing but their end. Those that ended in this process go on as they are: word of
    /// that has come, or is in the mailbox now.
    async fn resume_page(&mut self, page: UndeliveredPage) {
        let Self { shared, dispatcher, .. } = self;
        let is_transient = |node: &Undelivered| node.config.durability == Durability::Memory;
        let (ended, nodes): (Vec<_>, Vec<_>) = page.nodes.into_iter().partition(is_transient);
        dispatcher.resume(nodes, page.next_after);
        let mut ended: Vec<_> =
            ended.into_iter().filter(|node| !shared.recent.has_transient(node.node)).collect();
        for node in &mut ended {
            node.head.epoch = shared.process_epoch.of_transient(node.head.epoch);
        }
        let mail = shared.mailbox.take_now();
        self.take_mail(mail).await;
        self.dispatcher.resume_also(ended);
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
        self.count();
        reads == READS_MAX
    }

    fn count(&mut self) {
        let statistics = &self.shared.statistics;
        statistics.notifications_sent.set(self.dispatcher.notifications());
        statistics.repeats.set(self.dispatcher.repeats());
        if let Some(elapsed) = self.followed.proven(&self.dispatcher) {
            statistics.delivery_us.note(microseconds(elapsed));
        }
    }

    fn take_inputs(&mut self, first: DeliveryInput, inputs: &mut mpsc::Receiver<DeliveryInput>) {
        self.take_input(first);
        for _ in 0..INPUTS_MAX {
            if self.dispatcher.has_too_many_bounces() {
                return;
            }
            // The next look finds it closed again, if it is.
            let Ok(input) = inputs.try_recv() else { return };
            self.take_input(input);
        }
    }

    fn take_input(&mut self, input: DeliveryInput) {
        if matches!(input, DeliveryInput::LinkUp { .. }) {
            self.adopt_lagging();
        }
        self.dispatcher.input(input);
    }

    async fn take_mail(&mut self, mail: Mail) {
        let Mail { look_again, mut signals } = mail;
        if look_again {
            self.dispatcher.look_again();
            self.recipients_of_transient().await;
        }
        if self.shared.store.is_shared()
            && let Err(error) = self.begin_at_cursors(&mut signals).await
        {
            self.rest("delivery of some nodes waits for the store", &error);
            // What is left out here is found by that look; nodes in memory are nowhere but here.
            signals.retain(|signal| signal.node.is_transient() || self.dispatcher.knows(signal.node.id));
            self.dispatcher.look_again();
        }
        for signal in signals {
            let (node, seq) = (signal.node.id, signal.head_seq);
            self.dispatcher.signal(signal);
            self.followed.start(&self.dispatcher, node, seq);
        }
    }

    /// Other instances may have changed the recipients of nodes in memory, whose events do not say which they need.
    async fn recipients_of_transient(&mut self) {
        for nodes in self.dispatcher.transient_nodes().chunks(RESUME_NODES_MAX as usize) {
            match self.shared.store.heads(nodes).await {
                Ok(heads) => self.dispatcher.recipients_changed(&heads),
                Err(error) => return self.rest("changes of recipients are not seen yet", &error),
            }
        }
    }

    /// Other instances may have moved a node that is not in memory: its delivery begins at its cursor, and not where
    /// the signal begins.
    async fn begin_at_cursors(&mut self, signals: &mut [NodeSignal]) -> Result<(), StoreError> {
        let is_unknown =
            |signal: &&mut NodeSignal| !signal.node.is_transient() && !self.dispatcher.knows(signal.node.id);
        let mut unknown: Vec<_> = signals.iter_mut().filter(is_unknown).collect();
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
        let shared = Arc::clone(&self.shared);
        let events_max = shared.settings.engine.log_page_events_max;
        match need {
            Need::Events { node, after_seq } => {
                let events = read_events(&shared, node, after_seq, events_max).await?;
                self.dispatcher.take_events(node, events);
            }
            Need::Recent { node, after_seq } => {
                let events = shared.recent.transient_after(node, after_seq, events_max as usize);
                self.dispatcher.take_events(node, events);
            }
            Need::Recipients { node, after } => {
                let mut page = shared.store.recipients(node, after, RECIPIENTS_MAX).await?;
                if shared.recent.has_transient(node) {
                    // The page may show a subscription whose batch is not over: then its beginning is not known yet.
                    shared.batches.all_over().await;
                    shared.recent.give_since_seq(node, &mut page.recipients);
                }
                self.dispatcher.take_recipients(node, page, RECIPIENTS_MAX as usize);
            }
            Need::Rosters { node } => {
                let rosters = self.rosters_of(node).await?;
                self.dispatcher.take_rosters(node, rosters);
            }
            Need::Below { node } => {
                let wanted = self.dispatcher.sources(node);
                let below = self.below(node, &wanted).await?;
                self.dispatcher.take_below(node, below);
            }
            Need::Lagging { key, after_seq, events_max: window_events } => {
                let events_max = events_max.min(window_events);
                let events = read_events(&shared, key.node, after_seq, events_max).await?;
                let target = shared.store.delivery_targets(&[key]).await?.pop();
                let Some(rosters) = self.rosters_for(target.as_ref()).await? else {
                    self.dispatcher.failed(need, false);
                    return Ok(());
                };
                let below = match &target {
                    Some(target) => self.below_events(target, &events).await?,
                    None => super::Below::default(),
                };
                self.dispatcher.feed(key, target, &rosters, &below, &events, &mut *self.sink);
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
            self.shared.advise(AdvisoryAbout::NodeUnreadable { cause: AdvisoryAbout::cause(error) });
            self.shared.statistics.nodes_unreadable.add(1);
        }
        self.dispatcher.failed(need, !error.is_transient());
    }

    fn rest(&mut self, what: &str, error: &StoreError) {
        self.shared.store_failed(error, what);
        self.store_rests_until = Some(Instant::now() + STORE_PAUSE);
    }

    fn store_rests(&self) -> bool {
        self.store_rests_until.is_some_and(|until| Instant::now() < until)
    }

    /// Stores cursors and removes some rows of deleted nodes.
    async fn keep_house(&mut self) {
        // No wait ends before it is known what came back meanwhile.
        self.settle_bounces().await;
        self.dispatcher.tick(self.elapsed_ms());
        if self.store_rests() {
            return;
        }
        self.store_positions().await;
        self.dispatcher.bound_nodes();
        self.note_undelivered();
        self.has_to_reap |= self.dispatcher.take_ended();
        if self.has_to_reap {
            match self.shared.store.reap_deleted(REAP_ROWS_MAX).await {
                Ok(rows) => {
                    self.has_to_reap = rows > 0;
                    self.shared.statistics.syncs.add(u64::from(rows > 0));
                }
                Err(error) => self.rest("rows of deleted nodes stay for now", &error),
            }
        }
        let Lag { nodes, events, events_max } = self.dispatcher.lag();
        self.shared.statistics.nodes_undelivered.set(nodes);
        self.shared.statistics.lag_events.set(events);
        self.shared.statistics.lag_events_max.set(events_max);
        self.shared.statistics.lagging_subscriptions.set(self.dispatcher.lagging_count() as u64);
        self.count_parked().await;
    }

    /// What came back before a proof must be on disk before the cursor that the proof moves; and a row goes only when
    /// the cursor is on disk that takes its subscription over.
    async fn store_positions(&mut self) {
        self.settle_bounces().await;
        // What came back is not judged while the rows are being read.
        if !self.lagging_is_loaded {
            return;
        }
        if !self.store_rests() {
            self.store_begun_digests().await;
        }
        if !self.store_rests() {
            self.store_cursors().await;
        }
        if !self.store_rests() {
            self.store_lagging().await;
            self.reload_stale_lagging();
        }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Publishers may have to wait for delivery, and go on when it has caught up.
    fn note_undelivered(&mut self) {
        let events_max = self.shared.settings.limits.node_undelivered_events_max;
        let full = self.dispatcher.nodes_behind_by(events_max);
        let are_known = full.iter().all(|node| self.undelivered_full.contains_key(node));
        if !are_known || full.len() != self.undelivered_full.len() {
            self.advise_of_full(&full);
            self.shared.statistics.nodes_undelivered_full.set(full.len() as u64);
            self.shared.queue.undelivered_full(full);
        }
    }

    fn advise_of_full(&mut self, full: &HashSet<NodeId>) {
        let (has_room, stays): (HashMap<_, _>, HashMap<_, _>) = std::mem::take(&mut self.undelivered_full)
            .into_iter()
            .partition(|(node, _)| !full.contains(node));
        self.undelivered_full = stays;
        for name in has_room.into_values() {
            self.shared.advise(AdvisoryAbout::NodeHasRoom(name));
        }
        for node in full {
            if let Some(name) = self.dispatcher.name_of(*node)
                && self.undelivered_full.insert(*node, name.clone()).is_none()
            {
                self.shared.advise(AdvisoryAbout::NodeFull(name));
            }
        }
    }

    /// Nothing is lost when it fails: the moves stay, and what lies behind an old cursor is only sent again.
    async fn store_cursors(&mut self) {
        let moves = self.dispatcher.cursor_moves();
        if moves.is_empty() {
            return;
        }
        match self.shared.store.move_cursors(Leg::Xmpp, &moves).await {
            Ok(()) => {
                self.shared.store_worked();
                self.shared.statistics.cursor_moves.add(moves.len() as u64);
                self.shared.statistics.syncs.add(1);
                self.dispatcher.stored(&moves);
            }
            Err(error) => self.rest("delivery cursors were not stored", &error),
        }
    }
}

/// Events from memory, or from the log where memory does not reach back that far.
pub(crate) async fn read_events(
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
