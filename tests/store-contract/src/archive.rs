//! The log as an archive.

use bus_domain::archive::Extent;
use bus_domain::{Event, NodeId, Payload, Seq};
use bus_store::{ArchiveHead, ArchiveStretch, NodeRules, Store};

use crate::fixture::{EPOCH, FIRST_SECOND_MS, Fixture};

async fn reach(store: &dyn Store, node: NodeId) -> (Seq, Seq) {
    let head = store.archive_head(node).await.expect("a read").expect("a head");
    let ArchiveHead { epoch, extent: Extent { gone_through_seq, head_seq } } = head;
    assert_eq!(epoch, EPOCH);
    (gone_through_seq, head_seq)
}

/// The positions and the lengths of the payloads.
async fn archived(
    store: &dyn Store,
    node: NodeId,
    (first_seq, last_seq): (Seq, Seq),
    is_from_end: bool,
    bytes_max: usize,
) -> Vec<(Seq, usize)> {
    let stretch = ArchiveStretch { first_seq, last_seq, is_from_end };
    let events = store.archived(node, stretch, bytes_max).await.expect("a read");
    let payload_bytes = |event: &Event| event.kind.payload().map_or(0, Payload::len_bytes);
    events.iter().map(|event| (event.seq, payload_bytes(event))).collect()
}

/// `<a xmlns=''>` and 100 bytes inside.
const PAYLOAD_BYTES: usize = 116;

pub async fn an_archive_reaches_as_far_back_as_the_log_and_the_newest_purge(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    fixture.publish(fixture.node("other").await.id, &["a"], 10).await;
    assert_eq!(reach(store, node).await, (0, 0));
    assert_eq!(archived(store, node, (1, 9), false, 9_000).await, []);
    fixture.publish(node, &["a", "b", "c"], 0).await;
    assert_eq!(reach(store, node).await, (0, 3));
    store.trim_log(NodeRules { node, rules_version: 1 }, 1, 9).await.expect("trim");
    assert_eq!(reach(store, node).await, (1, 3));
    // The first one is still there for its item, and no entry any more.
    assert_eq!(archived(store, node, (1, 9), false, 9_000).await, [(2, 0), (3, 0)]);
    assert_eq!(fixture.purge(node).await, 4);
    assert_eq!(reach(store, node).await, (3, 4));
    assert_eq!(store.archive_head(NodeId(i64::MAX)).await.expect("a read"), None);
}

pub async fn stretches_are_bounded_in_bytes_from_the_end_that_is_asked_for(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    fixture.publish(node, &["1", "2", "3", "4", "5"], 100).await;
    for (stretch, is_from_end, bytes_max, expected) in [
        ((1, 5), false, 9_000, &[1, 2, 3, 4, 5][..]),
        ((2, 4), false, 9_000, &[2, 3, 4]),
        ((2, 4), true, 9_000, &[2, 3, 4]),
        ((1, 5), false, 200, &[1, 2]),
        ((1, 5), true, 200, &[4, 5]),
        ((2, 4), true, 1, &[4]),
        ((2, 4), false, 1, &[2]),
        ((5, 9), false, 9_000, &[5]),
        ((6, 9), true, 9_000, &[]),
    ] {
        let found = archived(store, node, stretch, is_from_end, bytes_max).await;
        let expected: Vec<_> = expected.iter().map(|seq| (*seq, PAYLOAD_BYTES)).collect();
        assert_eq!(found, expected, "{stretch:?} {is_from_end} {bytes_max}");
    }
}

pub async fn what_was_taken_back_is_empty_before_it_is_blanked(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    fixture.publish(node, &["a", "b"], 100).await;
    fixture.retract(node, "a").await;
    fixture.publish(node, &["a"], 100).await;
    let expected = [(1, 0), (2, PAYLOAD_BYTES), (3, 0), (4, PAYLOAD_BYTES)];
    for is_from_end in [false, true] {
        assert_eq!(archived(store, node, (1, 4), is_from_end, 9_000).await, expected);
    }
    store.blank_retracted(node, 4, 9).await.expect("blank");
    assert_eq!(archived(store, node, (1, 4), false, 9_000).await, expected);
}

pub async fn times_of_commits_are_those_of_the_log(store: &dyn Store) {
    let fixture = Fixture::new(store);
    let node = fixture.node("n").await.id;
    fixture.publish(node, &["a", "b", "c", "d"], 0).await;
    store.trim_log(NodeRules { node, rules_version: 1 }, 1, 9).await.expect("trim");
    let mut times = store.commit_times(node, &[4, 1, 2, 99]).await.expect("times");
    times.sort_unstable();
    assert_eq!(times, [2, 4].map(|seq: Seq| (seq, FIRST_SECOND_MS + seq.cast_signed() * 1_000)));
    assert_eq!(store.commit_times(node, &[]).await.expect("times"), []);
}
