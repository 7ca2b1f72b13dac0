use std::collections::BTreeSet;

use bus_domain::{BadRequest, BusError, ItemId, Limits, NodeName};
use bus_engine::IdSource;
use bus_xml::Element;

use crate::errors::Refusal;
use crate::namespaces::{PUBSUB, PUBSUB_OWNER, RSM};
use crate::order_by::{self, Order};
use crate::rsm::{self, PageRequest};

/// The pieces of a request: the IQ's child and, inside of `<pubsub/>`, the verb.
pub(crate) struct Parts<'a> {
    root: &'a Element,
    verb: &'a Element,
}

/// What parsers need beside the request.
pub(crate) struct Context<'a> {
    /// Bounds.
    pub(crate) limits: &'a Limits,
    /// For instant nodes.
    pub(crate) ids: &'a dyn IdSource,
}

impl<'a> Parts<'a> {
    /// Takes the child of an IQ apart.
    pub(crate) fn of(root: &'a Element) -> Result<Self, Refusal> {
        let namespace = root.ns();
        if namespace != PUBSUB && namespace != PUBSUB_OWNER {
            return Ok(Self { root, verb: root });
        }
        if root.name() != "pubsub" {
            return Err(BusError::bad_request("requests of this namespace stand inside <pubsub/>").into());
        }
        let verb = root.children().find(|child| child.ns() == namespace);
        let verb = verb.ok_or_else(|| BusError::bad_request("there is no request inside <pubsub/>"))?;
        Ok(Self { root, verb })
    }

    /// The verb's element.
    pub(crate) fn verb(&self) -> &'a Element {
        self.verb
    }

    /// The node that must be named.
    pub(crate) fn node(&self) -> Result<NodeName, Refusal> {
        Ok(self.node_if_given()?.ok_or(BadRequest::NodeRequired)?)
    }

    /// The node, if one is named; an empty attribute names none.
    pub(crate) fn node_if_given(&self) -> Result<Option<NodeName>, Refusal> {
        let given = given(self.verb, "node").map(NodeName::new).transpose();
        given.map_err(|error| BusError::bad_request(format!("the node id {error}")).into())
    }

    /// The element of this name that stands behind the verb.
    pub(crate) fn companion(&self, name: &str) -> Option<&'a Element> {
        self.others().find(|other| other.name() == name)
    }

    /// The page that is asked for.
    pub(crate) fn page(&self) -> Result<Option<PageRequest>, Refusal> {
        self.root.get_child("set", RSM).map(rsm::parse).transpose()
    }

    /// The order that is asked for.
    pub(crate) fn order(&self) -> Result<Option<Order>, Refusal> {
        order_by::parse(self.root)
    }

    /// What stands beside the verb and is of its namespace; other namespaces are extensions that one may ignore.
    pub(crate) fn others(&self) -> impl Iterator<Item = &'a Element> {
        let Self { root, verb } = *self;
        let namespace = root.ns();
        let siblings = (!std::ptr::eq(root, verb)).then(|| root.children()).into_iter().flatten();
        siblings.filter(move |other| !std::ptr::eq(*other, verb) && other.ns() == namespace)
    }

    /// Nothing stands beside the verb but what may, and that once.
    pub(crate) fn check_companions(&self, allowed: &[&str]) -> Result<(), Refusal> {
        let mut seen = BTreeSet::new();
        for other in self.others() {
            if !allowed.contains(&other.name()) || !seen.insert(other.name()) {
                return Err(BusError::bad_request("an element in <pubsub/> does not belong there").into());
            }
        }
        Ok(())
    }
}

/// An attribute that is there and not empty.
pub(crate) fn given<'a>(element: &'a Element, attribute: &'a str) -> Option<&'a str> {
    element.attr(attribute).filter(|value| !value.is_empty())
}

/// Whether there is text in the element that is not just white space between its children.
pub(crate) fn has_text(element: &Element) -> bool {
    element.texts().any(|text| text.contains(|character| !matches!(character, ' ' | '\t' | '\r' | '\n')))
}

/// The ids of the `<item id=…/>` inside of a request.
pub(crate) fn named_items(verb: &Element) -> Result<Vec<ItemId>, Refusal> {
    let items = verb.children().filter(|child| child.is("item", PUBSUB));
    items.map(|item| item_id(given(item, "id").ok_or(BadRequest::ItemRequired)?)).collect()
}

/// An item id as a request gives it.
pub(crate) fn item_id(text: &str) -> Result<ItemId, Refusal> {
    ItemId::new(text).map_err(|error| BusError::bad_request(format!("the item id {error}")).into())
}
