//! XEP-0413: the order of a list.

use bus_domain::BusError;
use bus_domain::retrieve::ItemOrder;
use bus_xml::Element;

use crate::errors::Refusal;
use crate::namespaces::ORDER_BY;

/// The order that is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Order {
    /// By what.
    pub(crate) by: ItemOrder,
    /// Whether the newest comes first.
    pub(crate) is_descending: bool,
}

/// Reads what stands beside `<items/>` or in a query of an archive; `None` if no order is asked for. No two
/// entries are equal in any order, so further ones are checked and decide nothing.
pub(crate) fn parse(parent: &Element) -> Result<Option<Order>, Refusal> {
    let mut first = None;
    for order in parent.children().filter(|child| child.is("order", ORDER_BY)) {
        let by = match order.attr("by") {
            Some("modification") => ItemOrder::Modification,
            Some("creation") => ItemOrder::Creation,
            Some(_) => return Err(Refusal::NotImplemented("this order")),
            None => return Err(BusError::bad_request("<order/> does not say by what").into()),
        };
        let is_descending = match order.attr("desc").unwrap_or("false") {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => return Err(BusError::bad_request("desc must be 0, 1, false or true").into()),
        };
        first.get_or_insert(Order { by, is_descending });
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use bus_xml::{XmlLimits, parse_document};

    use super::*;

    #[test]
    fn orders_are_read() {
        use ItemOrder::{Creation, Modification};
        for (inside, expected) in [
            ("", Some(None)),
            ("<order by='modification'/>", Some(Some((Modification, false)))),
            ("<order by='modification' desc='true'/>", Some(Some((Modification, true)))),
            ("<order by='creation' desc='1'/>", Some(Some((Creation, true)))),
            ("<order by='creation' desc='0'/>", Some(Some((Creation, false)))),
            ("<order by='creation' desc='1'/><order by='modification'/>", Some(Some((Creation, true)))),
            ("<order by='title'/>", None),
            ("<order by='modification'/><order by='{urn:x}size'/>", None),
            ("<order by='modification' desc='down'/>", None),
            ("<order/>", None),
        ] {
            let inside = inside.replace("<order", &format!("<order xmlns='{ORDER_BY}'"));
            let parent = format!("<x xmlns='urn:x'>{inside}<order xmlns='urn:y' by='x'/></x>");
            let parent = parse_document(&parent, XmlLimits { depth_max: 9, bytes_max: 9_999 }).unwrap();
            let found = parse(&parent).ok().map(|order| order.map(|it| (it.by, it.is_descending)));
            assert_eq!(found, expected, "{inside}");
        }
    }
}
