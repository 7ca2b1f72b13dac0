//! How often an event has left a bus: what goes round in a loop of services is noticed by that.

use crate::protobuf::v1::cloud_event::CloudEventAttributeValue;
use crate::protobuf::v1::cloud_event::cloud_event_attribute_value::Attr;
use crate::{AttributeValue, CloudEvent, protobuf};

/// The extension attribute that counts, an integer.
pub const HOPS: &str = "stanzabushops";

/// An event that has left so often is in a loop, and not taken in again.
pub const HOPS_MAX: i32 = 16;

/// Counts that an event leaves.
pub fn count_hop(event: &mut CloudEvent) {
    let hops = match event.attribute(HOPS) {
        Some(AttributeValue::Integer(hops)) => *hops,
        // JSON and headers may have made text of it.
        Some(AttributeValue::String(text)) => text.parse().unwrap_or_default(),
        _ => 0,
    };
    event.replace(HOPS, AttributeValue::Integer(hops.saturating_add(1)));
}

/// The same, of a message.
pub fn count_hop_of_message(message: &mut protobuf::v1::CloudEvent) {
    let hops = hops_of_message(message).saturating_add(1);
    let value = CloudEventAttributeValue { attr: Some(Attr::CeInteger(hops)) };
    message.attributes.insert(HOPS.to_owned(), value);
}

/// How often an event has left a bus; 0 if it does not say.
pub fn hops_of_message(message: &protobuf::v1::CloudEvent) -> i32 {
    match message.attributes.get(HOPS).and_then(|value| value.attr.as_ref()) {
        Some(Attr::CeInteger(hops)) => *hops,
        Some(Attr::CeString(text)) => text.parse().unwrap_or_default(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_out_counts_one() {
        let mut event = CloudEvent::new("1", "/s", "t").unwrap();
        count_hop(&mut event);
        count_hop(&mut event);
        assert_eq!(event.attribute(HOPS), Some(&AttributeValue::Integer(2)));
        let mut message = protobuf::to_message(&event);
        count_hop_of_message(&mut message);
        assert_eq!(hops_of_message(&message), 3);
        let mut as_text = CloudEvent::new("1", "/s", "t").unwrap();
        as_text.set(HOPS, AttributeValue::String("15".to_owned())).unwrap();
        assert_eq!(hops_of_message(&protobuf::to_message(&as_text)), 15);
        count_hop(&mut as_text);
        assert_eq!(as_text.attribute(HOPS), Some(&AttributeValue::Integer(HOPS_MAX)));
    }
}
