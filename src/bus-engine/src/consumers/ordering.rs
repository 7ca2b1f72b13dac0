use std::hash::Hasher as _;

use bus_cloudevents::published;
use bus_domain::Event;
use bus_domain::consumer::OrderKey;
use siphasher::sip::SipHasher13;

/// The extension of CloudEvents that names what an event must not overtake (CloudEvents partitioning extension).
const PARTITION_KEY: &str = "partitionkey";

/// The order in which an event stands: that of its partition key, or of its item. `None` if it is about all items.
///
/// It is kept on disk, so it is the same in each process.
pub(super) fn order_key(event: &Event) -> Option<OrderKey> {
    let partition_key = event.kind.payload().and_then(published).and_then(|event| event.text(PARTITION_KEY));
    let mut hasher = SipHasher13::new();
    match (&partition_key, event.kind.item_id()) {
        (Some(key), _) => {
            hasher.write_u8(1);
            hasher.write(key.as_bytes());
        }
        (None, Some(item_id)) => {
            hasher.write_u8(2);
            hasher.write(item_id.as_str().as_bytes());
        }
        (None, None) => return None,
    }
    Some(OrderKey(hasher.finish()))
}

#[cfg(test)]
mod tests {
    use bus_domain::{EventKind, ItemId, Jid, Payload};

    use super::*;

    fn of(kind: EventKind) -> Option<OrderKey> {
        order_key(&Event {
            seq: 1,
            kind,
            publisher: Jid::new("a@example.org").unwrap(),
            published_at_ms: 0,
            recipients_version: 1,
            due_after_seq: None,
        })
    }

    fn published_with(item_id: &str, partition_key: Option<&str>) -> Option<OrderKey> {
        let extension = partition_key.map_or_else(String::new, |key| {
            format!("<partitionkey xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:type='ce:string'>{key}</partitionkey>")
        });
        let xml = format!(
            "<event xmlns='http://cloudevents.io/xmlformat/V1' specversion='1.0'><id>1</id><source>/s</source>\
             <type>t</type>{extension}</event>"
        );
        let payload = Some(Payload::from_serialised(xml));
        of(EventKind::Published { item_id: ItemId::new(item_id).unwrap(), payload })
    }

    #[test]
    fn the_partition_key_counts_and_else_the_item() {
        assert_eq!(published_with("a", Some("k")), published_with("b", Some("k")));
        assert_ne!(published_with("a", Some("k")), published_with("a", Some("l")));
        assert_eq!(published_with("a", None), published_with("a", None));
        assert_ne!(published_with("a", None), published_with("b", None));
        assert_ne!(published_with("a", Some("b")), published_with("b", None), "a key is no item");
        let retracted = of(EventKind::Retracted { item_id: ItemId::new("a").unwrap() });
        assert_eq!(retracted, published_with("a", None));
        assert_eq!(of(EventKind::Purged), None);
        // Changed, it would let events overtake those that an earlier version has written down.
        assert_eq!(retracted, Some(OrderKey(17_771_051_201_775_477_517)));
    }
}
