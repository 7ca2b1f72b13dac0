use std::ops::Range;

use bus_engine::EntityPage;

use crate::rsm::{self, ForwardPage, PageSummary};
use crate::xml::Xml;

/// The entries of a listing, written one behind the other, so that an answer can hold as many as fit.
#[derive(Debug)]
pub(crate) struct Entries {
    markup: String,
    /// Where each entry ends.
    ends: Vec<usize>,
}

/// Which entries stay when not all fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Those from the start on.
    First,
    /// Those next to the end.
    Last,
}

/// Room for what stands behind the entries: closing tags and `<set/>`, whose UIDs may be node ids of 1,023
/// characters that grow sixfold when escaped.
const TAIL_BYTES: usize = 16 * 1024;

impl Entries {
    /// Writes each entry with `write`.
    pub(crate) fn new<'a, T: 'a>(
        entries: impl IntoIterator<Item = &'a T>,
        write: impl Fn(&T, &mut Xml),
    ) -> Self {
        let mut xml = Xml::default();
        let mut ends = Vec::new();
        for entry in entries {
            write(entry, &mut xml);
            ends.push(xml.len());
        }
        Self { markup: xml.finish(), ends }
    }

    /// Appends what fits, but at least one entry, so that a reader gets on; says which entries these are.
    pub(crate) fn append(&self, keep: Keep, answer_bytes_max: usize, out: &mut Xml) -> Range<usize> {
        let room = answer_bytes_max.saturating_sub(out.len() + TAIL_BYTES);
        let range = self.fitting(keep, room);
        out.raw(&self.markup[self.start(range.start)..self.start(range.end)]);
        range
    }

    fn fitting(&self, keep: Keep, room: usize) -> Range<usize> {
        let count = self.ends.len();
        let bytes = |range: &Range<usize>| self.start(range.end) - self.start(range.start);
        let mut range = 0..count;
        while range.len() > 1 && bytes(&range) > room {
            match keep {
                Keep::First => range.end -= 1,
                Keep::Last => range.start += 1,
            }
        }
        range
    }

    /// Where the entry of this number starts.
    fn start(&self, number: usize) -> usize {
        number.checked_sub(1).map_or(0, |before| self.ends[before])
    }
}

/// Writes the entries of a page that fit, ends the list that they stand in, and says by `<set/>` behind it which they
/// are, if a page was asked for or there is more.
pub(crate) fn encode_forward<Entry>(
    page: &ForwardPage,
    found: &EntityPage<Entry>,
    write: impl Fn(&Entry, &mut Xml),
    uid: impl Fn(&Entry) -> String,
    answer_bytes_max: usize,
    out: &mut Xml,
) {
    let written = Entries::new(&found.rows, write).append(Keep::First, answer_bytes_max, out);
    out.end();
    if page.is_paged || found.has_more || written.len() < found.rows.len() {
        let entries = &found.rows[written];
        let ends = entries.first().zip(entries.last()).map(|(first, last)| (uid(first), uid(last)));
        let first_index = page.after.is_none().then_some(0);
        rsm::encode(&PageSummary { ends, first_index, count: None }, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(keep: Keep, room: usize) -> (String, Range<usize>) {
        let entries = Entries::new(&["a", "bb", "ccc"], |name, out| {
            out.start("i").text(name).end();
        });
        let mut out = Xml::default();
        let range = entries.append(keep, room + TAIL_BYTES, &mut out);
        (out.finish(), range)
    }

    #[test]
    fn as_many_entries_as_fit_and_at_least_one() {
        let all = "<i>a</i><i>bb</i><i>ccc</i>";
        assert_eq!(check(Keep::First, all.len()), (all.to_owned(), 0..3));
        assert_eq!(check(Keep::First, all.len() - 1), ("<i>a</i><i>bb</i>".to_owned(), 0..2));
        assert_eq!(check(Keep::Last, all.len() - 1), ("<i>bb</i><i>ccc</i>".to_owned(), 1..3));
        assert_eq!(check(Keep::First, 0), ("<i>a</i>".to_owned(), 0..1));
        assert_eq!(check(Keep::Last, 0), ("<i>ccc</i>".to_owned(), 2..3));
    }
}
