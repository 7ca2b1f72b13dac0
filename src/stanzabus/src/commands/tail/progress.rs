use std::collections::{HashSet, VecDeque};

use crate::client::output::EventLine;
use crate::client::pubsub::ItemsPage;

/// Ids of fetched events that are remembered, to recognise their notifications.
const FETCHED_MAX: usize = 10_000;

/// What has been shown already: first by pages, then by notifications; the two overlap, and either may repeat.
#[derive(Debug)]
pub(super) struct Progress {
    /// Where the next page starts; `None` when all pages are fetched.
    page_start: Option<String>,
    fetched: HashSet<String>,
    fetched_order: VecDeque<String>,
    /// Everything up to here has been shown.
    through: Option<(String, u64)>,
}

impl Progress {
    /// Behind an event, or with what comes from now on.
    pub(super) fn starting_after(event_id: Option<&str>) -> Self {
        let mut progress = Self {
            page_start: event_id.map(str::to_owned),
            fetched: HashSet::new(),
            fetched_order: VecDeque::new(),
            through: None,
        };
        progress.remember(event_id);
        progress
    }

    /// Whether there may be another page.
    pub(super) fn is_behind(&self) -> bool {
        self.page_start.is_some()
    }

    /// The event behind which the next page starts.
    pub(super) fn page_start(&self) -> Option<&str> {
        self.page_start.as_deref()
    }

    /// Takes note of a page.
    pub(super) fn fetched(&mut self, page: &ItemsPage) {
        for item in &page.items {
            self.remember(item.event_id.as_deref());
        }
        self.page_start = page.last.clone().filter(|_| !page.items.is_empty());
    }

    /// Whether a notification brings something that has not been shown. Positions are compared within an epoch.
    pub(super) fn is_new(&mut self, event: &EventLine) -> bool {
        let position = event.epoch.clone().zip(event.seq);
        let repeated = match (&self.through, &position) {
            (Some((epoch, through)), Some((of, seq))) => epoch == of && seq <= through,
            _ => false,
        };
        let was_fetched = event.event_id.as_ref().is_some_and(|id| self.fetched.contains(id));
        if !repeated && position.is_some() {
            self.through = position;
        }
        !repeated && !was_fetched
    }

    fn remember(&mut self, event_id: Option<&str>) {
        let Some(id) = event_id else { return };
        if self.fetched.insert(id.to_owned()) {
            self.fetched_order.push_back(id.to_owned());
        }
        if self.fetched_order.len() > FETCHED_MAX
            && let Some(oldest) = self.fetched_order.pop_front()
        {
            self.fetched.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, epoch: &str, seq: u64) -> EventLine {
        let (event_id, epoch) = (Some(id.to_owned()), Some(epoch.to_owned()));
        EventLine { event_id, epoch, seq: Some(seq), kind: "published", ..EventLine::default() }
    }

    fn page(ids: &[&str]) -> ItemsPage {
        let items = ids.iter().map(|id| event(id, "e", 0)).collect();
        ItemsPage { items, last: ids.last().map(|id| (*id).to_owned()) }
    }

    #[test]
    fn pages_go_on_behind_their_last_event_until_one_is_empty() {
        let mut progress = Progress::starting_after(Some("a"));
        assert_eq!(progress.page_start(), Some("a"));
        progress.fetched(&page(&["b", "c"]));
        assert_eq!(progress.page_start(), Some("c"));
        progress.fetched(&page(&[]));
        assert!(!progress.is_behind());
        assert!(!Progress::starting_after(None).is_behind(), "nothing to catch up with");
    }

    #[test]
    fn what_a_page_has_shown_is_not_shown_again() {
        let mut progress = Progress::starting_after(Some("a"));
        progress.fetched(&page(&["b", "c"]));
        let shown: Vec<_> = [("a", 1), ("b", 2), ("c", 3), ("d", 4)]
            .into_iter()
            .filter(|(id, seq)| progress.is_new(&event(id, "e", *seq)))
            .collect();
        assert_eq!(shown, [("d", 4)]);
    }

    #[test]
    fn repeats_are_told_by_position_within_an_epoch() {
        let mut progress = Progress::starting_after(None);
        for (epoch, seq, expected) in
            [("e", 1, true), ("e", 2, true), ("e", 1, false), ("e", 2, false), ("f", 1, true), ("f", 2, true)]
        {
            assert_eq!(
                progress.is_new(&event(&format!("{epoch}{seq}"), epoch, seq)),
                expected,
                "{epoch} {seq}"
            );
        }
    }

    #[test]
    fn an_event_without_a_position_is_always_new() {
        let mut progress = Progress::starting_after(None);
        let event = EventLine { kind: "published", ..EventLine::default() };
        assert!(progress.is_new(&event) && progress.is_new(&event));
    }

    #[test]
    fn memory_for_fetched_ids_is_bounded() {
        let mut progress = Progress::starting_after(None);
        (0..FETCHED_MAX + 5).for_each(|number| progress.remember(Some(&number.to_string())));
        assert_eq!((progress.fetched.len(), progress.fetched_order.len()), (FETCHED_MAX, FETCHED_MAX));
    }
}
