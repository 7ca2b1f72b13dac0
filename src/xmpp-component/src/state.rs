use std::sync::Arc;

use tokio::time::Instant;

use crate::DownReason;

/// Whether there is a stream.
#[derive(Debug, Clone)]
pub enum LinkState {
    /// No stream. The link keeps trying until it is shut down.
    Down {
        /// Why the last stream ended or the last attempt failed; `None` before the first attempt.
        last_error: Option<Arc<DownReason>>,
    },
    /// A stream that the server accepted.
    Up {
        /// The stream's number: 1 for the first, then growing.
        generation: u64,
        /// When the server accepted it.
        since: Instant,
    },
}

/// Counters since the start of the link, and the depth of its lanes now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkStatistics {
    /// Stanzas read, barrier answers and rejected ones included.
    pub stanzas_in: u64,
    /// Bytes read on accepted streams.
    pub bytes_in: u64,
    /// Replies and notifications put into the write buffer.
    pub stanzas_out: u64,
    /// Bytes that the operating system took.
    pub bytes_out: u64,
    /// Write system calls.
    pub writes: u64,
    /// Barriers written, pings included.
    pub barriers: u64,
    /// Barriers answered.
    pub barriers_answered: u64,
    /// Barriers of this stream without an answer yet. See [`crate::Link::proof_overdue`].
    pub barriers_unanswered: usize,
    /// Answers to barriers that this link never sent: somebody else's, attached as our domain.
    pub foreign_answers: u64,
    /// Barriers whose answers never came although later ones did: they went to somebody else.
    pub skipped_answers: u64,
    /// Somebody else is attached as our domain, as far as can be told. What users send is dealt out between the two, so
    /// requests get lost to us and one sender's order is broken; deliveries are proven late, and none is lost.
    pub is_contested: bool,
    /// Accepted streams after the first.
    pub reconnects: u64,
    /// Inbound stanzas over a limit.
    pub rejected: u64,
    /// Bytes, as on the wire, of stanzas that wait for the reader of [`crate::LinkEvents`].
    pub inbound_bytes: usize,
    /// Replies not yet written.
    pub reply_lane_stanzas: usize,
    /// Their bytes.
    pub reply_lane_bytes: usize,
    /// Notifications not yet put into the write buffer.
    pub notification_lane_stanzas: usize,
    /// Their bytes; an encoding that several notifications share counts for each.
    pub notification_lane_bytes: usize,
}
