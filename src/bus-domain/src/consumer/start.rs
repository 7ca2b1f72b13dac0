//! Where a new consumer begins, and where one is moved to.

use super::ConsumerError;
use crate::Seq;

/// A place in the logs of the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The oldest event that there is.
    Earliest,
    /// What comes from now on.
    Latest,
    /// Behind this position; for one node.
    After(Seq),
    /// The newest event of each item that there is, and then what comes from now on.
    LastPerItem,
    /// The first event that was not committed before this moment, in milliseconds since 1970.
    Time(i64),
}

/// Where a log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEnds {
    /// The newest event that is gone; 0 if none.
    pub gone_through_seq: Seq,
    /// The newest event.
    pub head_seq: Seq,
    /// The first event that was not committed before the moment of [`Start::Time`], or behind the head.
    pub first_since: Option<Seq>,
}

/// The position behind which a consumer begins.
///
/// # Errors
/// [`ConsumerError::Trimmed`] when what was asked for by its position is gone, [`ConsumerError::Invalid`] when the log has
/// not come there.
pub fn position(start: Start, log: LogEnds) -> Result<Seq, ConsumerError> {
    match start {
        Start::Earliest => Ok(log.gone_through_seq),
        // Items outlive the history.
        Start::LastPerItem => Ok(0),
        Start::Latest => Ok(log.head_seq),
        Start::Time(_) => {
            let first = log.first_since.unwrap_or(log.head_seq + 1);
            Ok(first.saturating_sub(1).clamp(log.gone_through_seq, log.head_seq))
        }
        Start::After(seq) if seq > log.head_seq => {
            let reason = format!("the log has come to {}, and not to {seq}", log.head_seq);
            Err(ConsumerError::Invalid { reason })
        }
        Start::After(seq) if seq < log.gone_through_seq => {
            Err(ConsumerError::Trimmed { first_seq: log.gone_through_seq + 1 })
        }
        Start::After(seq) => Ok(seq),
    }
}
