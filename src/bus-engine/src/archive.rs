//! Queries of a node's archive (XEP-0313): its log, of a durable node from the store, of one in memory as far as memory
//! still reaches.

use std::sync::Arc;

use bus_domain::access::Action;
use bus_domain::archive::{self, Extent, Matches, Slice, TimeSearch};
use bus_domain::retrieve::Page;
use bus_domain::{Actor, BusError, Event, NodeFacts, NodeName, Payload, Seq};
use bus_store::{ArchiveHead, ArchiveStretch};

use crate::recent::TransientHead;
use crate::{Engine, EventRef};

/// Which entries of an archive; what is not said excludes nothing.
#[derive(Debug, Clone)]
pub struct ArchiveQuery {
    /// Every event that the query names, whatever for: each has to be in the archive.
    pub named: Vec<EventRef>,
    /// Not from before this moment, in milliseconds since 1970.
    pub start_ms: Option<i64>,
    /// Not from after this moment, in milliseconds since 1970.
    pub end_ms: Option<i64>,
    /// Behind this position.
    pub after_seq: Option<Seq>,
    /// In front of this position.
    pub before_seq: Option<Seq>,
    /// At one of these positions.
    pub listed: Option<Vec<Seq>>,
    /// Whether something that only the leg knows excludes all.
    pub matches_none: bool,
    /// Which page of what matches.
    pub page: Page,
}

/// A page of an archive, as an actor may see it.
#[derive(Debug, Clone)]
pub struct ArchiveListing {
    /// The node, with the life of the log that the entries are of.
    pub node: Arc<NodeFacts>,
    /// Oldest first. Where a clock has gone back, some between the ends may be missing, whose times do not match.
    pub entries: Vec<Arc<Event>>,
    /// Where the page begins and ends; `None` if it is empty.
    pub ends: Option<[ArchivePlace; 2]>,
    /// Entries that match in all.
    pub count: u64,
    /// Whether nothing is left in the direction of the page.
    pub is_complete: bool,
}

/// An entry among those that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchivePlace {
    /// Its position in the log.
    pub seq: Seq,
    /// How many entries that match are in front of it.
    pub index: u64,
}

/// The first and the last entry of an archive, with the times of their commits in milliseconds since 1970.
#[derive(Debug, Clone)]
pub struct ArchiveEnds {
    /// The node, with the life of the log that the entries are of.
    pub node: Arc<NodeFacts>,
    /// `None` for an archive that is empty.
    pub ends: Option<[(Seq, i64); 2]>,
}

/// How often retention may take away what is about to be read.
const ATTEMPTS_MAX: usize = 4;

impl Engine {
    /// A page of a node's archive. At most a page of entries and of bytes.
    pub async fn archive(
        &self,
        actor: &Actor,
        node: &NodeName,
        query: &ArchiveQuery,
    ) -> Result<ArchiveListing, BusError> {
        let listed = query.listed.as_ref().map_or(0, Vec::len);
        archive::check_listed(listed, &self.settings().limits)?;
        let facts = self.facts(node).await?;
        self.check_archive_reader(&facts, actor).await?;
        for _ in 0..ATTEMPTS_MAX {
            if let Some(listing) = self.try_archive(&facts, query).await? {
                return Ok(listing);
            }
        }
        Err(BusError::Contended)
    }

    /// Where a node's archive begins and ends (XEP-0313 §5).
    pub async fn archive_ends(&self, actor: &Actor, node: &NodeName) -> Result<ArchiveEnds, BusError> {
        let facts = self.facts(node).await?;
        self.check_archive_reader(&facts, actor).await?;
        for _ in 0..ATTEMPTS_MAX {
            let (node, extent) = self.archive_extent(&facts).await?;
            if extent.all().count() == 0 {
                return Ok(ArchiveEnds { node, ends: None });
            }
            let (first_seq, last_seq) = (extent.gone_through_seq + 1, extent.head_seq);
            let times = self.commit_times(&facts, &[first_seq, last_seq]).await?;
            let time = |seq: Seq| times.iter().find(|(of, _)| *of == seq).copied();
            if let (Some(first), Some(last)) = (time(first_seq), time(last_seq)) {
                return Ok(ArchiveEnds { node, ends: Some([first, last]) });
            }
        }
        Err(BusError::Contended)
    }

    /// Decides whether somebody may query a node's archive at all.
    pub async fn check_archive(&self, actor: &Actor, node: &NodeName) -> Result<(), BusError> {
        let facts = self.facts(node).await?;
        self.check_archive_reader(&facts, actor).await
    }

    async fn check_archive_reader(&self, facts: &NodeFacts, actor: &Actor) -> Result<(), BusError> {
        let actor = &*self.acquainted(facts, actor, Action::Retrieve).await;
        let is_subscribed = self.is_subscribed(facts, actor).await?;
        archive::decide(facts, actor, is_subscribed)
    }

    /// `None` if retention was faster.
    async fn try_archive(
        &self,
        facts: &Arc<NodeFacts>,
        query: &ArchiveQuery,
    ) -> Result<Option<ArchiveListing>, BusError> {
        let (node, extent) = self.archive_extent(facts).await?;
        let is_known =
            |event: &EventRef| event.node == node.id && event.epoch == node.epoch && extent.holds(event.seq);
        if !query.named.iter().all(is_known) {
            return Err(BusError::UnknownPosition);
        }
        let matches = self.matching(&node, extent, query).await?;
        let items_max = query.page.items_max.min(self.settings().limits.page_items_max);
        let slice = matches.slice(Page { items_max, ..query.page });
        let Some(mut entries) = self.read_slice(&node, &matches, slice).await? else { return Ok(None) };
        let place =
            |event: &Arc<Event>| ArchivePlace { seq: event.seq, index: matches.count_before(event.seq) };
        let ends = entries.first().zip(entries.last()).map(|(first, last)| [place(first), place(last)]);
        let count = matches.count();
        let is_complete = match ends {
            None if slice.is_from_end => slice.from == 0,
            None => slice.to == count,
            Some([first, _]) if slice.is_from_end => first.index == 0,
            Some([_, last]) => last.index + 1 == count,
        };
        let is_in_time = |time_ms: i64| {
            query.start_ms.is_none_or(|start_ms| time_ms >= start_ms)
                && query.end_ms.is_none_or(|end_ms| time_ms <= end_ms)
        };
        entries.retain(|event| is_in_time(event.published_at_ms));
        Ok(Some(ArchiveListing { node, entries, ends, count, is_complete }))
    }

    /// What there is of a log, in the store or in memory, and the node in the life that this is of.
    async fn archive_extent(&self, facts: &Arc<NodeFacts>) -> Result<(Arc<NodeFacts>, Extent), BusError> {
        if facts.is_transient() {
            let TransientHead { seq: head_seq, gone_through_seq } = self.recent().transient_head(facts.id);
            return Ok((Arc::clone(facts), Extent { gone_through_seq, head_seq }));
        }
        let head = self.store().archive_head(facts.id).await.map_err(|error| self.unavailable(&error))?;
        let ArchiveHead { epoch, extent } = head.ok_or(BusError::NodeNotFound)?;
        let of_now = NodeFacts { epoch, ..NodeFacts::clone(facts) };
        Ok((if epoch == facts.epoch { Arc::clone(facts) } else { Arc::new(of_now) }, extent))
    }

    async fn matching(
        &self,
        node: &NodeFacts,
        extent: Extent,
        query: &ArchiveQuery,
    ) -> Result<Matches, BusError> {
        if query.matches_none {
            return Ok(Matches::NONE);
        }
        let mut matches =
            extent.all().between(query.after_seq.unwrap_or(0), query.before_seq.unwrap_or(Seq::MAX));
        if let Some(start_ms) = query.start_ms {
            let first_seq = self.first_from(node, extent, start_ms).await?;
            matches = matches.between(first_seq - 1, Seq::MAX);
        }
        if let Some(end_ms) = query.end_ms {
            let behind_seq = self.first_from(node, extent, end_ms.saturating_add(1)).await?;
            matches = matches.between(0, behind_seq);
        }
        Ok(match &query.listed {
            Some(listed) => matches.among(listed.clone()),
            None => matches,
        })
    }

    /// The first entry that is not from before a moment; the position behind the head if there is none.
    async fn first_from(&self, node: &NodeFacts, extent: Extent, moment_ms: i64) -> Result<Seq, BusError> {
        self.first_since(node, (extent.gone_through_seq, extent.head_seq), moment_ms).await
    }

    /// The same between the ends of a log: the newest event that is gone, and the newest one.
    pub(crate) async fn first_since(
        &self,
        node: &NodeFacts,
        (gone_through_seq, head_seq): (Seq, Seq),
        moment_ms: i64,
    ) -> Result<Seq, BusError> {
        let mut search = TimeSearch::new(gone_through_seq, head_seq + 1, moment_ms);
        loop {
            let probes = search.probes();
            if probes.is_empty() {
                return Ok(search.found());
            }
            search.narrow(&probes, &self.commit_times(node, &probes).await?);
        }
    }

    async fn commit_times(&self, node: &NodeFacts, seqs: &[Seq]) -> Result<Vec<(Seq, i64)>, BusError> {
        if !node.is_transient() {
            let times = self.store().commit_times(node.id, seqs).await;
            return times.map_err(|error| self.unavailable(&error));
        }
        let found = seqs.iter().filter_map(|seq| self.recent().after(node.id, seq - 1, 1)?.pop());
        Ok(found.map(|event| (event.seq, event.published_at_ms)).collect())
    }

    /// The entries of a slice, or those next to the end that it lies at if not all fit; `None` if one of them is gone
    /// by now.
    async fn read_slice(
        &self,
        node: &NodeFacts,
        matches: &Matches,
        slice: Slice,
    ) -> Result<Option<Vec<Arc<Event>>>, BusError> {
        let is_from_end = slice.is_from_end;
        let mut stretches = matches.stretches(slice);
        if is_from_end {
            stretches.reverse();
        }
        let bytes_max = self.settings().limits.page_bytes_max;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for (first_seq, last_seq) in stretches {
            if bytes >= bytes_max && !entries.is_empty() {
                break;
            }
            let stretch = ArchiveStretch { first_seq, last_seq, is_from_end };
            let read = self.read_stretch(node, stretch, bytes_max - bytes.min(bytes_max)).await?;
            let (nearest, wanted) =
                if is_from_end { (read.last(), last_seq) } else { (read.first(), first_seq) };
            if nearest.is_none_or(|nearest| nearest.seq != wanted) {
                return Ok(None);
            }
            bytes += read.iter().map(|event| payload_bytes(event)).sum::<usize>();
            let is_whole = read.len() as u64 > last_seq - first_seq;
            entries.extend(read);
            if !is_whole {
                break;
            }
        }
        entries.sort_unstable_by_key(|event: &Arc<Event>| event.seq);
        Ok(Some(entries))
    }

    async fn read_stretch(
        &self,
        node: &NodeFacts,
        stretch: ArchiveStretch,
        bytes_max: usize,
    ) -> Result<Vec<Arc<Event>>, BusError> {
        if node.is_transient() {
            return Ok(self.read_memory(node, stretch, bytes_max));
        }
        self.statistics().log_pages_read.add(1);
        let events = self.store().archived(node.id, stretch, bytes_max).await;
        Ok(events.map_err(|error| self.unavailable(&error))?.into_iter().map(Arc::new).collect())
    }

    fn read_memory(&self, node: &NodeFacts, stretch: ArchiveStretch, bytes_max: usize) -> Vec<Arc<Event>> {
        let ArchiveStretch { first_seq, last_seq, is_from_end } = stretch;
        let events_max = usize::try_from(last_seq - first_seq + 1).unwrap_or(usize::MAX);
        let mut events = self.recent().after(node.id, first_seq - 1, events_max).unwrap_or_default();
        if is_from_end {
            events.reverse();
        }
        let mut bytes = 0;
        let fitting = events.iter().take_while(|event| {
            let is_room = bytes < bytes_max || bytes == 0;
            bytes += payload_bytes(event);
            is_room
        });
        let fitting = fitting.count();
        events.truncate(fitting);
        if is_from_end {
            events.reverse();
        }
        events
    }
}

fn payload_bytes(event: &Event) -> usize {
    event.kind.payload().map_or(0, Payload::len_bytes)
}
