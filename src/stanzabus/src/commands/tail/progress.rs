use crate::client::output::EventLine;
use crate::client::pubsub::ArchivePage;

/// What has been shown already: first by pages, then by notifications; the two overlap, and either may repeat.
#[derive(Debug)]
pub(super) struct Progress {
    /// The event behind which the first page starts.
    start: Option<String>,
    /// The event behind which the next page starts; `None` when all pages are fetched.
    page_start: Option<String>,
    /// Everything up to here has been shown.
    through: Option<(String, u64)>,
}

impl Progress {
    /// Behind an event, or with what comes from now on.
    pub(super) fn starting_after(event_id: Option<&str>) -> Self {
        let start = event_id.map(str::to_owned);
        Self { page_start: start.clone(), start, through: None }
    }

    /// The event behind which the next page starts, if there may be another page.
    pub(super) fn page_start(&self) -> Option<&str> {
        self.page_start.as_deref()
    }

    /// Takes note of a page.
    pub(super) fn fetched(&mut self, page: &ArchivePage) {
        if let Some(position) = page.events.iter().rev().find_map(position) {
            self.through = Some(position);
        }
        self.page_start = page.last.clone().filter(|_| !page.is_complete);
    }

    /// Whether a notification brings something that has not been shown. Positions are compared within an epoch.
    pub(super) fn is_new(&mut self, event: &EventLine) -> bool {
        let position = position(event);
        let repeated = match (&self.through, &position) {
            (Some((epoch, through)), Some((of, seq))) => epoch == of && seq <= through,
            _ => false,
        };
        if !repeated && position.is_some() {
            self.through = position;
        }
        !repeated && (event.event_id.is_none() || event.event_id != self.start)
    }
}

fn position(event: &EventLine) -> Option<(String, u64)> {
    event.epoch.clone().zip(event.seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, epoch: &str, seq: u64) -> EventLine {
        let (event_id, epoch) = (Some(id.to_owned()), Some(epoch.to_owned()));
        EventLine { event_id, epoch, seq: Some(seq), kind: "published", ..EventLine::default() }
    }

    fn page(events: &[(&str, u64)], is_complete: bool) -> ArchivePage {
        let last = events.last().map(|(id, _)| (*id).to_owned());
        let events = events.iter().map(|(id, seq)| event(id, "e", *seq)).collect();
        ArchivePage { events, last, is_complete }
    }

    #[test]
    fn pages_go_on_behind_their_last_event_until_one_is_complete() {
        let mut progress = Progress::starting_after(Some("a"));
        assert_eq!(progress.page_start(), Some("a"));
        progress.fetched(&page(&[("b", 2), ("c", 3)], false));
        assert_eq!(progress.page_start(), Some("c"));
        progress.fetched(&page(&[("d", 4)], true));
        assert_eq!(progress.page_start(), None);
        assert_eq!(Progress::starting_after(None).page_start(), None, "nothing to catch up with");
    }

    #[test]
    fn what_a_page_has_shown_is_not_shown_again() {
        for pages in
            [&[page(&[("b", 2), ("c", 3)], true)][..], &[page(&[("b", 2), ("c", 3)], false), page(&[], true)]]
        {
            let mut progress = Progress::starting_after(Some("a"));
            for page in pages {
                progress.fetched(page);
            }
            let shown: Vec<_> = [("a", 1), ("b", 2), ("c", 3), ("d", 4)]
                .into_iter()
                .filter(|(id, seq)| progress.is_new(&event(id, "e", *seq)))
                .collect();
            assert_eq!(shown, [("d", 4)]);
        }
    }

    #[test]
    fn the_event_that_it_starts_behind_is_not_shown_although_nothing_was_missed() {
        let mut progress = Progress::starting_after(Some("a"));
        progress.fetched(&page(&[], true));
        assert!(!progress.is_new(&event("a", "e", 1)));
        assert!(progress.is_new(&event("b", "e", 2)));
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
}
