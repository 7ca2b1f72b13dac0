use std::time::Duration;

use bus_store::{LaggingRow, Leg};
use tokio::time::Instant;

use super::Driver;
use crate::dispatcher::LagPosition;

/// Lagging rows on one page when delivery starts.
const ROWS_MAX: u32 = 1_000;
/// How often the parked subscriptions are counted.
const PARKED_COUNT_INTERVAL: Duration = Duration::from_mins(1);

/// The rows of lagging subscriptions. The store keeps the time of day, because it outlives the process; here, a wait is
/// never longer than the longest that there is, whatever the clock says.
impl Driver {
    /// Reads all rows: true when the nodes can be resumed.
    pub(super) async fn load_lagging(&mut self) -> bool {
        let mut after = None;
        while !self.store_rests() {
            match self.shared.store.lagging(Leg::Xmpp, after, ROWS_MAX).await {
                Ok(rows) => {
                    after = rows.last().map(|row| row.key);
                    let is_last = rows.len() < ROWS_MAX as usize;
                    for row in rows {
                        self.resume_lagging(row);
                    }
                    if is_last {
                        (self.lagging_is_loaded, self.adopts_lagging) = (true, false);
                        return true;
                    }
                }
                Err(error) => self.rest("delivery cannot start yet", &error),
            }
        }
        false
    }

    /// Reads all rows again if some of them are of a life that has ended, once what is known of the others is stored.
    pub(super) fn reload_stale_lagging(&mut self) {
        if self.dispatcher.take_stale_rows() {
            (self.lagging_is_loaded, self.adopts_lagging) = (false, false);
        }
    }

    /// Reads them again when this process takes the link over: another one that had it may have left some, digests above all.
    pub(super) fn adopt_lagging(&mut self) {
        if self.lagging_is_loaded && self.shared.store.is_shared() {
            (self.lagging_is_loaded, self.adopts_lagging) = (false, true);
        }
    }

    /// The cursor has passed the events over with which these digests begin, so the rows go before it.
    pub(super) async fn store_begun_digests(&mut self) {
        let begun = self.dispatcher.begun_digests();
        if begun.is_empty() {
            return;
        }
        let rows: Vec<LaggingRow> = begun.iter().map(|position| self.row(position)).collect();
        match self.shared.store.begin_lagging(Leg::Xmpp, &rows).await {
            Ok(()) => self.dispatcher.stored_begun(&begun),
            Err(error) => self.rest("digests that have begun were not stored", &error),
        }
    }

    /// Nothing is lost when it fails: the changes stay, and what lies behind an old row is only sent again.
    pub(super) async fn store_lagging(&mut self) {
        let (moves, ended) = self.dispatcher.lagging_changes();
        if moves.is_empty() && ended.is_empty() {
            return;
        }
        let rows: Vec<LaggingRow> = moves.iter().map(|position| self.row(position)).collect();
        match self.shared.store.move_lagging(Leg::Xmpp, &rows, &ended).await {
            Ok(()) => self.dispatcher.stored_lagging(&moves, &ended),
            Err(error) => self.rest("positions of lagging subscriptions were not stored", &error),
        }
    }

    pub(super) async fn count_parked(&mut self) {
        if self.parked_counted_at.is_none_or(|at| at.elapsed() >= PARKED_COUNT_INTERVAL) {
            match self.shared.store.count_parked().await {
                Ok(parked) => {
                    self.shared.statistics.parked_subscriptions.set(parked);
                    self.parked_counted_at = Some(Instant::now());
                }
                Err(error) => self.rest("the parked subscriptions are not counted", &error),
            }
        }
    }

    fn resume_lagging(&mut self, row: LaggingRow) {
        let LaggingRow { key, epoch, through_seq, attempts, due_at_ms } = row;
        let wait_ms = u64::try_from(due_at_ms.saturating_sub(self.shared.clock.now_ms())).unwrap_or_default();
        let backoff_ms = self.shared.settings.engine.lagging_backoff_ms_max;
        // A row of which nothing has come back may be that of a digest.
        let digest_ms = self.shared.settings.limits.subscription_digest_ms_max;
        let longest_ms = if attempts == 0 { backoff_ms.max(digest_ms) } else { backoff_ms };
        let due_ms = self.elapsed_ms() + wait_ms.min(longest_ms);
        let position = LagPosition { key, epoch, through_seq, attempts, due_ms };
        if self.adopts_lagging {
            self.dispatcher.adopt_lagging(position);
        } else {
            self.dispatcher.resume_lagging(position);
        }
    }

    fn row(&self, position: &LagPosition) -> LaggingRow {
        let LagPosition { key, epoch, through_seq, attempts, due_ms } = *position;
        let wait_ms = i64::try_from(due_ms.saturating_sub(self.elapsed_ms())).unwrap_or(i64::MAX);
        let due_at_ms = self.shared.clock.now_ms().saturating_add(wait_ms);
        LaggingRow { key, epoch, through_seq, attempts, due_at_ms }
    }
}
