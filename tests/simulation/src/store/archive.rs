use async_trait::async_trait;
use bus_domain::archive::Extent;
use bus_domain::{Event, EventKind, NodeId, Seq};
use bus_store::{ArchiveHead, ArchiveStore, ArchiveStretch, StoreError};

use super::reads::bounded;
use super::{NodeRows, SimulatedStore};

#[async_trait]
impl ArchiveStore for SimulatedStore {
    async fn archive_head(&self, node: NodeId) -> Result<Option<ArchiveHead>, StoreError> {
        Ok(self.up()?.nodes.get(&node).map(|rows| ArchiveHead {
            epoch: rows.head.epoch,
            extent: Extent::of_log(rows.head.seq, rows.head.trimmed_through_seq, rows.purged_through_seq),
        }))
    }

    async fn archived(
        &self,
        node: NodeId,
        stretch: ArchiveStretch,
        bytes_max: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let disk = self.up()?;
        let Some(rows) = disk.nodes.get(&node) else { return Ok(Vec::new()) };
        let ArchiveStretch { first_seq, last_seq, is_from_end } = stretch;
        let mut events: Vec<Event> = rows
            .log()
            .filter(|event| (first_seq..=last_seq).contains(&event.seq))
            .map(|event| shown(rows, event))
            .collect();
        if is_from_end {
            events.reverse();
        }
        let (mut events, _) = bounded(events.into_iter(), bytes_max);
        if is_from_end {
            events.reverse();
        }
        Ok(events)
    }

    async fn commit_times(&self, node: NodeId, seqs: &[Seq]) -> Result<Vec<(Seq, i64)>, StoreError> {
        let disk = self.up()?;
        let log = disk.nodes.get(&node).into_iter().flat_map(NodeRows::log);
        let asked = log.filter(|event| seqs.contains(&event.seq));
        Ok(asked.map(|event| (event.seq, event.published_at_ms)).collect())
    }
}

fn shown(rows: &NodeRows, event: &Event) -> Event {
    let mut event = event.clone();
    if let EventKind::Published { payload, .. } = &mut event.kind
        && rows.retracted.iter().any(|(_, seq)| *seq == event.seq)
    {
        *payload = None;
    }
    event
}
