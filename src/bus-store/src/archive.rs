use async_trait::async_trait;
use bus_domain::archive::Extent;
use bus_domain::{Epoch, Event, NodeId, Seq};

use crate::StoreError;

/// Reading the log as an archive (XEP-0313): what was taken back is empty at once, whenever its payload goes.
#[async_trait]
pub trait ArchiveStore {
    /// From where to where a node's archive reaches.
    async fn archive_head(&self, node: NodeId) -> Result<Option<ArchiveHead>, StoreError>;

    /// The events of a stretch that retention has not trimmed, in order: no more once `bytes_max` of payload are
    /// reached, but at least one if there is one.
    async fn archived(
        &self,
        node: NodeId,
        stretch: ArchiveStretch,
        bytes_max: usize,
    ) -> Result<Vec<Event>, StoreError>;

    /// When the events of these positions were committed, in milliseconds since 1970. Those that retention has trimmed are
    /// left out.
    async fn commit_times(&self, node: NodeId, seqs: &[Seq]) -> Result<Vec<(Seq, i64)>, StoreError>;
}

/// Where a node's archive stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveHead {
    /// This life of the log.
    pub epoch: Epoch,
    /// What there is of it.
    pub extent: Extent,
}

/// Positions without a hole between them; a page of them at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveStretch {
    /// The oldest one.
    pub first_seq: Seq,
    /// The newest one.
    pub last_seq: Seq,
    /// Whether those next to the end stay when not all fit.
    pub is_from_end: bool,
}
