//! XEP-0059: pages of a longer result.

use bus_domain::BusError;
use bus_xml::Element;

use crate::errors::Refusal;
use crate::namespaces::RSM;
use crate::xml::Xml;

/// A page as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageRequest {
    /// Where it lies.
    pub(crate) at: PageStart,
    /// Entries at most; 0 asks for the count only, `None` leaves it to us.
    pub(crate) entries_max: Option<u32>,
}

/// Where a page lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PageStart {
    /// At the start.
    First,
    /// Right behind the entry of this UID.
    After(String),
    /// Right in front of the entry of this UID.
    Before(String),
    /// At the end.
    Last,
    /// From this number on, counted from 0.
    Index(u64),
}

/// A page of a list that is read forwards only, and not counted.
#[derive(Debug)]
pub(crate) struct ForwardPage {
    /// Whether a page was asked for.
    pub(crate) is_paged: bool,
    /// The UID of the entry before it.
    pub(crate) after: Option<String>,
    /// Entries at most; at least 1.
    pub(crate) entries_max: u32,
}

impl ForwardPage {
    /// As asked for, but of no more than `entries_limit`.
    pub(crate) fn of(page: Option<PageRequest>, entries_limit: u32) -> Result<Self, Refusal> {
        let is_paged = page.is_some();
        let (at, entries_max) = page.map_or((PageStart::First, None), |page| (page.at, page.entries_max));
        let after = match at {
            PageStart::First => None,
            PageStart::After(uid) => Some(uid),
            PageStart::Before(_) | PageStart::Last => {
                return Err(Refusal::NotImplemented("paging this list backwards"));
            }
            PageStart::Index(_) => return Err(Refusal::NotImplemented("paging this list by number")),
        };
        if entries_max == Some(0) {
            return Err(Refusal::NotImplemented("counting this list"));
        }
        Ok(Self { is_paged, after, entries_max: entries_max.unwrap_or(u32::MAX).min(entries_limit) })
    }
}

/// What a page says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PageSummary {
    /// The UIDs of its first and last entry; `None` for an empty page.
    pub(crate) ends: Option<(String, String)>,
    /// How many entries are in front of the page, where that is known.
    pub(crate) first_index: Option<u64>,
    /// Entries in all, where they are counted.
    pub(crate) count: Option<u64>,
}

/// The longest UID that we make, in bytes: the name of a node. What is longer is none of ours, and is not kept.
const UID_BYTES_MAX: usize = 1_023;

/// Reads `<set/>`. A request for two places at once, or for a number that is none, is refused.
pub(crate) fn parse(set: &Element) -> Result<PageRequest, Refusal> {
    let mut at = None;
    let mut entries_max = None;
    for child in set.children().filter(|child| child.has_ns(RSM)) {
        let text = child.text();
        if text.len() > UID_BYTES_MAX {
            return Err(BusError::UnknownPosition.into());
        }
        let place = match child.name() {
            "max" if entries_max.is_none() => {
                entries_max = Some(u32::try_from(number(&text)?).unwrap_or(u32::MAX));
                continue;
            }
            "after" if text.is_empty() => PageStart::First,
            "after" => PageStart::After(text),
            "before" if text.is_empty() => PageStart::Last,
            "before" => PageStart::Before(text),
            "index" => PageStart::Index(number(&text)?),
            _ => return Err(BusError::bad_request("<set/> does not ask for one page").into()),
        };
        if at.replace(place).is_some() {
            return Err(BusError::bad_request("<set/> asks for a page at two places").into());
        }
    }
    Ok(PageRequest { at: at.unwrap_or(PageStart::First), entries_max })
}

/// Writes `<set/>`.
pub(crate) fn encode(page: &PageSummary, out: &mut Xml) {
    out.start_in("set", RSM);
    if let Some((first, last)) = &page.ends {
        out.start("first");
        if let Some(index) = page.first_index {
            out.attribute("index", &index.to_string());
        }
        out.text(first).end();
        out.start("last").text(last).end();
    }
    if let Some(count) = page.count {
        out.start("count").text(&count.to_string()).end();
    }
    out.end();
}

/// A number without a sign; one that is too high for us is as high as can be.
pub(crate) fn number(text: &str) -> Result<u64, Refusal> {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BusError::bad_request("a count must be a number from 0 on").into());
    }
    Ok(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use bus_xml::{XmlLimits, parse_document};

    use super::*;

    fn check(inside: &str) -> Option<(PageStart, Option<u32>)> {
        let set = format!("<set xmlns='{RSM}'>{inside}</set>");
        let set = parse_document(&set, XmlLimits { depth_max: 9, bytes_max: 9_999 }).unwrap();
        parse(&set).ok().map(|page| (page.at, page.entries_max))
    }

    #[test]
    fn pages_lie_at_one_place() {
        use PageStart::{After, Before, First, Index, Last};
        for (inside, expected) in [
            ("", Some((First, None))),
            ("<max>0</max>", Some((First, Some(0)))),
            ("<max> 7 </max><after>x</after>", Some((After("x".to_owned()), Some(7)))),
            ("<before/>", Some((Last, None))),
            ("<before>x</before>", Some((Before("x".to_owned()), None))),
            ("<after/>", Some((First, None))),
            ("<index>3</index>", Some((Index(3), None))),
            ("<max>99999999999999999999999</max>", Some((First, Some(u32::MAX)))),
            ("<max>-1</max>", None),
            ("<max>ten</max>", None),
            ("<max/>", None),
            ("<max>1</max><max>1</max>", None),
            ("<index>-1</index>", None),
            ("<after>x</after><before>y</before>", None),
            ("<after>x</after><before/>", None),
            ("<index>1</index><after>x</after>", None),
            ("<other/>", None),
        ] {
            assert_eq!(check(inside), expected, "{inside}");
        }
    }

    #[test]
    fn a_place_is_no_longer_than_any_that_we_name() {
        let after = |bytes| check(&format!("<after>{}</after>", "x".repeat(bytes)));
        assert_eq!(after(UID_BYTES_MAX), Some((PageStart::After("x".repeat(UID_BYTES_MAX)), None)));
        assert_eq!((after(UID_BYTES_MAX + 1), after(UID_BYTES_MAX + 2)), (None, None));
    }

    #[test]
    fn a_page_names_its_ends_and_what_it_knows() {
        let mut out = Xml::default();
        let ends = Some(("a&".to_owned(), "b".to_owned()));
        encode(&PageSummary { ends, first_index: Some(2), count: Some(9) }, &mut out);
        encode(&PageSummary { count: Some(0), ..PageSummary::default() }, &mut out);
        let full = "<first index='2'>a&amp;</first><last>b</last><count>9</count>";
        let expected = format!("<set xmlns='{RSM}'>{full}</set><set xmlns='{RSM}'><count>0</count></set>");
        assert_eq!(out.finish(), expected);
    }
}
