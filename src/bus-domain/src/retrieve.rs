//! Retrieve: may the actor read, and how much at once.

use crate::access::{Action, may, may_as};
use crate::{Actor, BusError, Feature, ItemId, Limits, NodeFacts, Seq};

/// Which items of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The newest so many, listed oldest first (`max_items` of XEP-0060 §6.5.7); `None` means all that fit.
    Newest(Option<u32>),
    /// Those of these ids that there are.
    ById(Vec<ItemId>),
    /// A page of the whole, oldest first (XEP-0059).
    Page(Page),
}

/// One page of a list that is ordered by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Where the page lies.
    pub at: PageAt,
    /// Entries wanted at most; 0 asks for the count only.
    pub items_max: u32,
}

/// What items are in the order of (XEP-0413 §3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ItemOrder {
    /// When they were published last.
    #[default]
    Modification,
    /// When they were published first, since they were last taken away.
    Creation,
}

/// Where a page lies (XEP-0059 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageAt {
    /// From the start.
    First,
    /// Right behind this position.
    After(Seq),
    /// Right in front of this position.
    Before(Seq),
    /// At the end.
    Last,
    /// From this number on, counted from 0.
    Index(u64),
    /// Up to this number, counted from 0 at the end and backwards.
    IndexFromEnd(u64),
}

impl PageAt {
    /// The same place in a list that is read from its other end.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::First => Self::Last,
            Self::Last => Self::First,
            Self::After(seq) => Self::Before(seq),
            Self::Before(seq) => Self::After(seq),
            Self::Index(index) => Self::IndexFromEnd(index),
            Self::IndexFromEnd(index) => Self::Index(index),
        }
    }

    /// Whether a page there goes backwards: what is next to its end stays when bounds cut it short.
    pub fn is_from_end(self) -> bool {
        matches!(self, Self::Last | Self::Before(_) | Self::IndexFromEnd(_))
    }
}

/// Decides a retrieval (XEP-0060 §6.5); cuts the selection down to what one answer may hold. A node that keeps no items
/// has none to show (§6.5.9.5), while its log can be read.
pub fn decide(
    facts: &NodeFacts,
    actor: &Actor,
    is_subscribed: bool,
    selection: Selection,
    limits: &Limits,
) -> Result<Selection, BusError> {
    decide_log(facts, actor, is_subscribed)?;
    if !facts.config.persist_items {
        return Err(BusError::Unsupported(Feature::PersistentItems));
    }
    Ok(match selection {
        Selection::Newest(wanted) => Selection::Newest(Some(
            wanted.unwrap_or(u32::MAX).min(facts.config.items_max(limits)).min(limits.page_items_max),
        )),
        Selection::Page(page) => {
            Selection::Page(Page { items_max: page.items_max.min(limits.page_items_max), ..page })
        }
        Selection::ById(ids) if ids.len() > limits.request_items_max => {
            return Err(BusError::TooManyItems { items_max: limits.request_items_max });
        }
        Selection::ById(ids) => Selection::ById(ids),
    })
}

/// Decides whether an actor may read the log; asked again whenever the node's rules change under a reader. That of a
/// collection holds what not everybody may read who may read the collection; the logs of its leaves have it all.
pub fn decide_log(facts: &NodeFacts, actor: &Actor, is_subscribed: bool) -> Result<(), BusError> {
    may_as(facts, actor, is_subscribed, Action::Retrieve)?;
    if facts.config.is_collection() {
        return Err(BusError::Unsupported(Feature::RetrieveItems));
    }
    Ok(())
}

/// Decides whether an actor may see the node itself.
pub fn decide_node(facts: &NodeFacts, actor: &Actor) -> Result<(), BusError> {
    may(facts, actor, Action::Discover)
}

#[cfg(test)]
mod tests {
    use jid::BareJid;

    use super::*;
    use crate::{AccessModel, Role, facts};

    fn check(selection: Selection) -> Result<Selection, BusError> {
        let limits = Limits { page_items_max: 10, request_items_max: 1, ..Limits::default() };
        let anyone = Actor::new(BareJid::new("a@example.org").unwrap(), Role::User);
        decide(&facts::sample(), &anyone, false, selection, &limits)
    }

    #[test]
    fn one_answer_is_bounded() {
        assert_eq!(check(Selection::Newest(None)), Ok(Selection::Newest(Some(10))));
        assert_eq!(check(Selection::Newest(Some(3))), Ok(Selection::Newest(Some(3))));
        let page = |items_max| Selection::Page(Page { at: PageAt::First, items_max });
        assert_eq!(check(page(500)), Ok(page(10)));
        assert_eq!(check(page(0)), Ok(page(0)), "the count only");
        let id = ItemId::new("a").unwrap();
        let too_many = check(Selection::ById(vec![id.clone(), id]));
        assert_eq!(too_many, Err(BusError::TooManyItems { items_max: 1 }));
    }

    #[test]
    fn a_list_has_two_ends() {
        use PageAt::{After, Before, First, Index, IndexFromEnd, Last};
        for (at, reversed) in [(First, Last), (After(3), Before(3)), (Index(3), IndexFromEnd(3))] {
            assert_eq!((at.reversed(), reversed.reversed()), (reversed, at));
            assert_eq!((at.is_from_end(), reversed.is_from_end()), (false, true));
        }
    }

    #[test]
    fn a_node_that_keeps_no_items_says_so_and_its_log_can_be_read() {
        let mut facts = facts::sample();
        facts.config.persist_items = false;
        let anyone = Actor::new(BareJid::new("a@example.org").unwrap(), Role::User);
        let refused = decide(&facts, &anyone, false, Selection::Newest(None), &Limits::default());
        assert_eq!(refused, Err(BusError::Unsupported(Feature::PersistentItems)));
        assert_eq!(decide_log(&facts, &anyone, false), Ok(()));
        facts.config.access_model = AccessModel::Whitelist;
        let stranger = decide(&facts, &anyone, false, Selection::Newest(None), &Limits::default());
        assert_eq!(stranger, Err(BusError::ClosedNode), "who may not read learns nothing of the node");
    }

    #[test]
    fn a_closed_node_is_closed_to_readers_of_the_log_too() {
        let mut facts = facts::sample();
        facts.config.access_model = AccessModel::Whitelist;
        let stranger = Actor::new(BareJid::new("a@example.org").unwrap(), Role::User);
        assert_eq!(decide_log(&facts, &stranger, false), Err(BusError::ClosedNode));
    }
}
