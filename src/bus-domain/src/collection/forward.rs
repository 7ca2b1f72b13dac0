use jid::Jid;

use super::FeedPosition;
use crate::{AccessModel, Epoch, Event, EventKind, NodeId, NodeName, Seq, Source};

/// The child of a collection, as far as a feed needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// The node.
    pub id: NodeId,
    /// Its name.
    pub name: NodeName,
    /// The life of its log.
    pub epoch: Epoch,
    /// Who may read it without being on a list.
    pub access_model: AccessModel,
    /// Who associated it, or dissociated it since.
    pub changed_by: Jid,
}

/// An event for a collection's log. All are due: what is not due on the leaf is not forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded {
    /// What has happened.
    pub kind: EventKind,
    /// Who made it happen.
    pub publisher: Jid,
}

/// What a collection takes of a child behind a position, and where the feed is then (`None`: at its end).
///
/// `events` is the next page of the child's log, read after its end was seen at `head_seq`; there is none if retention has
/// taken everything up to there. The options of the leaf rule (XEP-0248 §5.3.1): what it tells nobody, the collection
/// tells nobody either.
pub fn forward(
    child: &Child,
    from: FeedPosition,
    events: &[Event],
    head_seq: Seq,
    now_ms: i64,
) -> (Vec<Forwarded>, Option<FeedPosition>) {
    let of_child = |seq: Seq, published_at_ms: i64| {
        Box::new(Source {
            node: child.id,
            name: child.name.clone(),
            distance: 1,
            epoch: child.epoch,
            seq,
            published_at_ms,
            access_model: child.access_model,
        })
    };
    let mut forwarded = Vec::with_capacity(events.len() + 2);
    if from.is_new {
        let kind = EventKind::Associated { child: of_child(from.through_seq, now_ms) };
        forwarded.push(Forwarded { kind, publisher: child.changed_by.clone() });
    }
    let is_within = |event: &&Event| from.ends_at_seq.is_none_or(|end| event.seq <= end);
    let mut through_seq = if events.is_empty() { from.through_seq.max(head_seq) } else { from.through_seq };
    let mut deletion_is_told = None;
    for event in events.iter().filter(is_within) {
        through_seq = event.seq;
        if event.kind.is_deletion() {
            deletion_is_told = Some(event.due_after_seq.is_some());
        }
        if event.due_after_seq.is_some() {
            let source = match event.kind.source() {
                Some(source) => Box::new(Source { distance: source.distance + 1, ..source.clone() }),
                None => of_child(event.seq, event.published_at_ms),
            };
            let kind = EventKind::Forwarded { source, kind: Box::new(event.kind.told().clone()) };
            forwarded.push(Forwarded { kind, publisher: event.publisher.clone() });
        }
    }
    // Retention may have taken the event at the end.
    let is_past_end = from.ends_at_seq.is_some_and(|end| through_seq >= end)
        || !events.iter().all(|event| is_within(&event));
    if deletion_is_told.is_none() && !is_past_end {
        return (forwarded, Some(FeedPosition { through_seq, is_new: false, ends_at_seq: from.ends_at_seq }));
    }
    if deletion_is_told != Some(true) {
        let kind = EventKind::Dissociated { child: of_child(through_seq, now_ms) };
        forwarded.push(Forwarded { kind, publisher: child.changed_by.clone() });
    }
    (forwarded, None)
}
