use jid::BareJid;

use super::*;
use crate::{AccessModel, Affiliation, Role, facts};

fn page(at: PageAt, items_max: u32) -> Page {
    Page { at, items_max }
}

fn slice(matches: &Matches, at: PageAt, items_max: u32) -> (u64, u64) {
    let Slice { from, to, .. } = matches.slice(page(at, items_max));
    (from, to)
}

#[test]
fn an_archive_begins_behind_what_is_trimmed_and_with_the_newest_purge() {
    for (head, trimmed, purged, gone) in
        [(9, 0, 0, 0), (9, 4, 0, 4), (9, 4, 3, 4), (9, 4, 7, 6), (9, 9, 9, 9)]
    {
        let extent = Extent::of_log(head, trimmed, purged);
        assert_eq!(extent, Extent { gone_through_seq: gone, head_seq: head }, "{trimmed} {purged}");
        assert_eq!(extent.all().count(), head - gone);
        assert_eq!(
            [gone, gone + 1, head, head + 1].map(|seq| extent.holds(seq)),
            [false, gone < head, gone < head, false]
        );
    }
}

#[test]
fn filters_narrow_what_matches() {
    let all = Extent { gone_through_seq: 10, head_seq: 20 }.all();
    assert_eq!(all.clone().between(12, 15), Matches::Between(12, 15));
    assert_eq!(all.clone().between(3, 99), all);
    assert_eq!(all.clone().between(15, 12).count(), 0, "behind the end");
    let listed = all.clone().among(vec![20, 11, 13, 13]);
    assert_eq!(listed, Matches::Listed(vec![11, 13, 20]));
    assert_eq!(listed.clone().between(11, 21), Matches::Listed(vec![13, 20]));
    assert_eq!(listed.among(vec![13, 14]), Matches::Listed(vec![13]));
    assert_eq!(Matches::NONE.count(), 0);
}

#[test]
fn pages_of_a_range_lie_where_they_are_asked_for() {
    let matches = Matches::Between(10, 16);
    for (at, items_max, expected) in [
        (PageAt::First, 2, (0, 2)),
        (PageAt::First, 9, (0, 5)),
        (PageAt::First, 0, (0, 0)),
        (PageAt::After(12), 2, (2, 4)),
        (PageAt::After(15), 2, (5, 5)),
        (PageAt::After(3), 2, (0, 2)),
        (PageAt::Index(4), 2, (4, 5)),
        (PageAt::Index(u64::MAX), 2, (5, 5)),
        (PageAt::Last, 2, (3, 5)),
        (PageAt::Before(13), 9, (0, 2)),
        (PageAt::Before(11), 9, (0, 0)),
        (PageAt::Before(99), 1, (4, 5)),
        (PageAt::IndexFromEnd(1), 2, (2, 4)),
        (PageAt::IndexFromEnd(9), 2, (0, 0)),
    ] {
        assert_eq!(slice(&matches, at, items_max), expected, "{at:?} {items_max}");
        assert_eq!(
            slice(&Matches::Listed((11..16).collect()), at, items_max),
            expected,
            "{at:?} {items_max}"
        );
    }
}

#[test]
fn pages_are_read_in_stretches() {
    let stretches = |matches: &Matches, at, items_max| matches.stretches(matches.slice(page(at, items_max)));
    assert_eq!(stretches(&Matches::Between(10, 16), PageAt::After(12), 2), [(13, 14)]);
    assert_eq!(stretches(&Matches::Between(10, 16), PageAt::Last, 9), [(11, 15)]);
    assert_eq!(stretches(&Matches::Between(10, 16), PageAt::First, 0), []);
    let listed = Matches::Listed(vec![3, 4, 5, 9, 11, 12]);
    assert_eq!(stretches(&listed, PageAt::First, 9), [(3, 5), (9, 9), (11, 12)]);
    assert_eq!(stretches(&listed, PageAt::Last, 2), [(11, 12)]);
    assert_eq!(stretches(&listed, PageAt::Index(1), 3), [(4, 5), (9, 9)]);
}

/// Runs a search over entries whose times are given, those of the first positions; says how often it asked.
fn search(times_ms: &[i64], gone_through_seq: Seq, moment_ms: i64) -> (Seq, usize) {
    let mut search = TimeSearch::new(gone_through_seq, times_ms.len() as u64 + 1, moment_ms);
    for rounds in 0.. {
        let probes = search.probes();
        if probes.is_empty() {
            return (search.found(), rounds);
        }
        assert!(probes.is_sorted() && probes.len() <= 16, "{probes:?}");
        let time = |seq: &Seq| Some((*seq, *times_ms.get(usize::try_from(*seq).ok()? - 1)?));
        search.narrow(&probes, &probes.iter().filter_map(time).collect::<Vec<_>>());
    }
    unreachable!("a search ends")
}

#[test]
fn a_moment_is_found_wherever_it_lies() {
    for count in [0_u64, 1, 2, 17, 18, 300] {
        // Every other entry is of the same moment as the one before.
        let times: Vec<i64> = (0..count.cast_signed()).map(|number| number / 2 * 10).collect();
        for moment_ms in [-1, 0, 1, 10, 11, 700, 1_490, 1_491] {
            let expected = times.partition_point(|time| *time < moment_ms) as u64 + 1;
            assert_eq!(search(&times, 0, moment_ms).0, expected, "{count} {moment_ms}");
            assert_eq!(
                search(&times, count / 2, moment_ms).0,
                expected.max(count / 2 + 1),
                "{count} {moment_ms}"
            );
        }
    }
}

#[test]
fn a_search_asks_a_few_times_only() {
    let times: Vec<i64> = (0..1_000_000).collect();
    let (found, rounds) = search(&times, 0, 777_777);
    assert_eq!(found, 777_778);
    assert!(rounds <= 5, "{rounds}");
}

#[test]
fn entries_that_are_gone_are_from_before() {
    let mut search = TimeSearch::new(0, 11, 5);
    let probes = search.probes();
    search.narrow(&probes, &[(9, 3), (10, 8)]);
    assert_eq!((search.probes(), search.found()), (vec![], 10));
}

#[test]
fn a_clock_that_went_back_does_not_keep_a_search_from_its_end() {
    let times: Vec<i64> = (0..500).map(|number| if number % 7 == 0 { 0 } else { number }).collect();
    let (found, _) = search(&times, 0, 250);
    assert!(found > 1 && times[usize::try_from(found).unwrap() - 1] >= 250, "{found}");
}

#[test]
fn whoever_may_not_read_is_told_the_same_whatever_the_reason() {
    let mut facts = facts::sample();
    let stranger = Actor::new(BareJid::new("a@example.org").unwrap(), Role::User);
    for (access_model, expected) in [
        (AccessModel::Open, Ok(())),
        (AccessModel::Whitelist, Err(BusError::Forbidden)),
        (AccessModel::Authorize, Err(BusError::Forbidden)),
    ] {
        facts.config.access_model = access_model;
        assert_eq!(decide(&facts, &stranger, false), expected, "{access_model:?}");
    }
    assert_eq!(decide(&facts, &stranger, true), Ok(()), "a subscriber");
    facts.config.access_model = AccessModel::Open;
    facts.affiliations_mut().set(stranger.bare().clone(), Affiliation::Outcast);
    assert_eq!(decide(&facts, &stranger, true), Err(BusError::Forbidden));
}
