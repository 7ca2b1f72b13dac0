use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

use crate::outbound::Outbound;
use crate::{ComponentConfig, DownReason, LinkState};

/// What the handles and the link's task share.
#[derive(Debug)]
pub(crate) struct Shared {
    outbound: Mutex<Outbound>,
    /// Wakes the task: a lane has something to write.
    pub(crate) work: Notify,
    /// Wakes those who wait in `notify_ready`.
    pub(crate) room: Notify,
    /// Bytes of the reply lane; first come, first served. Closed when the link ends.
    pub(crate) reply_room: Arc<Semaphore>,
    pub(crate) reply_room_bytes: u32,
    pub(crate) outbound_stanza_bytes_max: usize,
    /// Bytes that inbound stanzas may still take, and those that they might take in all.
    pub(crate) inbound_room: Arc<Semaphore>,
    pub(crate) inbound_room_bytes: usize,
    pub(crate) state: watch::Sender<LinkState>,
}

impl Shared {
    pub(crate) fn new(config: &ComponentConfig, inbound_room: Arc<Semaphore>, link_nonce: u64) -> Self {
        let limits = &config.limits;
        let reply_room_bytes = u32::try_from(limits.reply_lane_bytes_max.max(1)).unwrap_or(u32::MAX / 8);
        Self {
            outbound: Mutex::new(Outbound::new(limits, link_nonce)),
            inbound_room_bytes: inbound_room.available_permits(),
            inbound_room,
            work: Notify::new(),
            room: Notify::new(),
            reply_room: Arc::new(Semaphore::new(reply_room_bytes as usize)),
            reply_room_bytes,
            outbound_stanza_bytes_max: limits.outbound_stanza_bytes_max,
            state: watch::Sender::new(LinkState::Down { last_error: None }),
        }
    }

    /// The lanes. Held for copying at most, never across an await.
    pub(crate) fn outbound(&self) -> MutexGuard<'_, Outbound> {
        self.outbound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn announce_up(&self, generation: u64, since: Instant) {
        self.state.send_replace(LinkState::Up { generation, since });
        self.room.notify_waiters();
    }

    pub(crate) fn announce_down(&self, reason: Arc<DownReason>) {
        self.state.send_replace(LinkState::Down { last_error: Some(reason) });
        self.room.notify_waiters();
    }

    /// Ends every wait of the handles.
    pub(crate) fn close(&self) {
        self.outbound().close();
        self.reply_room.close();
        self.room.notify_waiters();
    }
}
