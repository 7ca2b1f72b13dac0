use bus_xml::Element;

const EVENT: &str = "http://jabber.org/protocol/pubsub#event";
const POSITION: &str = "urn:stanzabus:position:1";

/// A published item as its subscriber hears of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notification {
    pub(crate) node: String,
    pub(crate) item_id: String,
    /// The payload in the serialisation of the bus.
    pub(crate) payload: Option<String>,
    pub(crate) seq: u64,
    pub(crate) after: u64,
}

impl Notification {
    /// Reads a message; `None` when it is something else.
    pub(crate) fn of(stanza: &Element) -> Option<Self> {
        let items = stanza.get_child("event", EVENT)?.get_child("items", EVENT)?;
        let item = items.get_child("item", EVENT)?;
        let position = stanza.get_child("position", POSITION)?;
        let number = |name| position.attr(name)?.parse().ok();
        Some(Self {
            node: items.attr("node")?.to_owned(),
            item_id: item.attr("id")?.to_owned(),
            payload: item.children().next().map(bus_xml::serialise),
            seq: number("seq")?,
            after: number("after")?,
        })
    }
}

/// Asserts that first deliveries come in the order of the log and without a hole, from `first_seq` on; what is
/// delivered again may stand anywhere. Returns the last position.
pub(crate) fn assert_in_order(notifications: &[Notification], first_seq: u64) -> u64 {
    let mut next_seq = first_seq;
    for notification in notifications {
        let Notification { seq, after, .. } = notification;
        assert!(*seq <= next_seq, "{seq} came when {next_seq} was due: {notifications:?}");
        assert_eq!(*after, seq - 1, "every event of the node is due to this subscriber");
        next_seq = next_seq.max(seq + 1);
    }
    next_seq - 1
}
