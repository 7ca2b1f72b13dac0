//! XEP-0413: the order of a list. Items and the entries of an archive stand in the order in which they were published
//! last, so that is the one order that is done, in both directions.

use bus_domain::BusError;
use bus_xml::Element;

use crate::errors::Refusal;
use crate::namespaces::ORDER_BY;

/// The order that is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Order {
    /// Oldest first.
    #[default]
    Ascending,
    /// Newest first.
    Descending,
}

/// Reads what stands beside `<items/>` or in a query of an archive; `None` if no order is asked for. No two
/// entries are of the same position, so further orders are checked and decide nothing.
pub(crate) fn parse(parent: &Element) -> Result<Option<Order>, Refusal> {
    let mut first = None;
    for order in parent.children().filter(|child| child.is("order", ORDER_BY)) {
        match order.attr("by") {
            Some("modification") => {}
            Some(_) => return Err(Refusal::NotImplemented("this order")),
            None => return Err(BusError::bad_request("<order/> does not say by what").into()),
        }
        let order = match order.attr("desc").unwrap_or("false") {
            "true" | "1" => Order::Descending,
            "false" | "0" => Order::Ascending,
            _ => return Err(BusError::bad_request("desc must be 0, 1, false or true").into()),
        };
        first.get_or_insert(order);
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use bus_xml::{XmlLimits, parse_document};

    use super::*;

    #[test]
    fn orders_are_read() {
        use Order::{Ascending, Descending};
        for (inside, expected) in [
            ("", Some(None)),
            ("<order by='modification'/>", Some(Some(Ascending))),
            ("<order by='modification' desc='true'/>", Some(Some(Descending))),
            ("<order by='modification' desc='1'/>", Some(Some(Descending))),
            ("<order by='modification' desc='0'/>", Some(Some(Ascending))),
            ("<order by='modification' desc='1'/><order by='modification'/>", Some(Some(Descending))),
            ("<order by='creation'/>", None),
            ("<order by='modification'/><order by='{urn:x}size'/>", None),
            ("<order by='modification' desc='down'/>", None),
            ("<order/>", None),
        ] {
            let inside = inside.replace("<order", &format!("<order xmlns='{ORDER_BY}'"));
            let parent = format!("<x xmlns='urn:x'>{inside}<order xmlns='urn:y' by='x'/></x>");
            let parent = parse_document(&parent, XmlLimits { depth_max: 9, bytes_max: 9_999 }).unwrap();
            assert_eq!(parse(&parent).ok(), expected, "{inside}");
        }
    }
}
