use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::outbound::{Notification, QueuedReply, STANZA_OVERHEAD_BYTES};
use crate::shared::Shared;
use crate::{LinkState, LinkStatistics};

/// A handle for writing to the link. Cheap to clone.
///
/// Stanzas are complete XML elements in the default namespace [`crate::COMPONENT_NAMESPACE`], without declaring it,
/// with `from` and `to` (XEP-0114 §3). They are written as they are given.
#[derive(Debug, Clone)]
pub struct Link {
    shared: Arc<Shared>,
}

/// Why a reply was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReplyRefused {
    /// Over `outbound_stanza_bytes_max`: the server would close the stream. Answer with a short error instead.
    #[error("a reply of {bytes} bytes is over the limit of {bytes_max}")]
    TooLarge {
        /// The reply's length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The link was shut down.
    #[error("the link is shut down")]
    Closed,
}

/// Why a notification was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotifyRefused {
    /// The lane is full: wait for [`Link::notify_ready`].
    #[error("the notification lane is full")]
    Full,
    /// That stream is gone, or there is none, or the link is being shut down.
    #[error("the stream for this notification is gone")]
    Down,
    /// Over `outbound_stanza_bytes_max`: the server would close the stream, now and on every retry.
    #[error("a notification of {bytes} bytes is over the limit of {bytes_max}")]
    TooLarge {
        /// The notification's length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
}

impl Link {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Puts a stanza into the reply lane; waits for room in it, also through an outage. Replies leave in the order
    /// of these calls, before notifications; those that a stream did not take leave on the next. Cancel-safe: a
    /// dropped call has written nothing.
    pub async fn reply(&self, stanza: Bytes) -> Result<(), ReplyRefused> {
        self.reply_with(stanza, Vec::new()).await
    }

    /// As [`Self::reply`], with stanzas that follow this one and belong to it: they leave on one stream, all of them or
    /// none.
    pub async fn reply_with(&self, stanza: Bytes, behind: Vec<Bytes>) -> Result<(), ReplyRefused> {
        let bytes_max = self.shared.outbound().stanza_bytes_max();
        let lengths = std::iter::once(&stanza).chain(&behind).map(Bytes::len);
        if let Some(bytes) = lengths.clone().find(|bytes| *bytes > bytes_max) {
            return Err(ReplyRefused::TooLarge { bytes, bytes_max });
        }
        let bytes: usize = lengths.map(|bytes| bytes.saturating_add(STANZA_OVERHEAD_BYTES)).sum();
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let share = bytes.min(self.shared.reply_room_bytes);
        let room = Arc::clone(&self.shared.reply_room).acquire_many_owned(share).await;
        let room = room.map_err(|_| ReplyRefused::Closed)?;
        self.shared.outbound().push_reply(QueuedReply { stanza, behind, _room: room })?;
        self.shared.work.notify_one();
        Ok(())
    }

    /// Puts a notification into its lane; never waits.
    ///
    /// `generation` is the stream it is meant for, from [`crate::LinkEvent::Up`]. `ticket` is the caller's number of
    /// this hand-off, greater than every one before on this stream; [`crate::LinkEvent::HandedOver`] returns it.
    pub fn try_notify(
        &self,
        generation: u64,
        ticket: u64,
        notification: Notification,
    ) -> Result<(), NotifyRefused> {
        let was_empty = self.shared.outbound().push_notification(generation, ticket, notification)?;
        if was_empty {
            self.shared.work.notify_one();
        }
        Ok(())
    }

    /// Resolves when the notification lane has room (at once if at least half of it is free), when the link goes up
    /// or down, or when it is shut down. While the link is down, that is when it comes up.
    pub async fn notify_ready(&self) {
        let version = self.shared.outbound().version();
        loop {
            let mut woken = pin!(self.shared.room.notified());
            woken.as_mut().enable();
            if self.shared.outbound().is_ready_since(version) {
                return;
            }
            woken.await;
        }
    }

    /// Whether there is a stream now.
    pub fn state(&self) -> LinkState {
        self.shared.state.borrow().clone()
    }

    /// Follows the state.
    pub fn watch(&self) -> watch::Receiver<LinkState> {
        self.shared.state.subscribe()
    }

    /// For how long the server has not answered a barrier, once that is `dead_after_ms` or more. The stream may be up
    /// and take requests all the same, but no delivery can be confirmed, and soon nothing is delivered any more.
    pub fn proof_overdue(&self) -> Option<Duration> {
        self.shared.outbound().proof_overdue(Instant::now())
    }

    /// The longest stanza that is taken now, in bytes: at most [`LinkLimits::outbound_stanza_bytes_max`], and less once
    /// the server has ended a stream on one that was too long for it.
    pub fn stanza_bytes_max(&self) -> usize {
        self.shared.outbound().stanza_bytes_max()
    }

    /// Whether somebody else is attached as our domain; see [`LinkStatistics::is_contested`].
    pub fn is_contested(&self) -> bool {
        self.shared.outbound().is_contested()
    }

    /// Counters and queue depths.
    pub fn statistics(&self) -> LinkStatistics {
        let free = self.shared.reply_room.available_permits();
        let mut statistics = self.shared.outbound().statistics();
        let inbound_free = self.shared.inbound_room.available_permits();
        statistics.inbound_bytes = self.shared.inbound_room_bytes.saturating_sub(inbound_free);
        statistics.reply_lane_bytes = (self.shared.reply_room_bytes as usize).saturating_sub(free);
        statistics
    }
}
