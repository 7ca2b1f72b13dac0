use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bus_cloudevents::published;
use bus_domain::idempotency::{ContentHash, IdempotencyKey, Once};
use bus_domain::{Payload, publish};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// What makes a publish under this key happen once. Every leg makes it here, so that a repeat counts as one whichever way
/// it comes: the items as they will be stored, and what is expected of the log. To be called once the request is complete.
///
/// It is worked out before the request gets into the queue, where others would wait for it.
pub fn once(key: IdempotencyKey, request: &publish::Request) -> Once {
    let mut hash = Sha256::new();
    for item in &request.items {
        write(&mut hash, item.id.as_ref().map(|id| id.as_str().as_bytes()));
        write(&mut hash, item.payload.as_ref().map(Payload::as_str).map(str::as_bytes));
    }
    let expected = request.expected_head;
    write(&mut hash, expected.map(|head| head.seq.to_be_bytes()).as_ref().map(<[u8; 8]>::as_slice));
    let epoch = expected.and_then(|head| head.epoch);
    write(&mut hash, epoch.map(|epoch| epoch.0.to_be_bytes()).as_ref().map(<[u8; 8]>::as_slice));
    Once { key, content_hash: hash.finalize().into() }
}

/// What makes the publish of a CloudEvent happen once: its source and its id, which tell events apart (CloudEvents 1.0 §3.1). A
/// repeat may differ in everything else, as what is sent again does that was traced or stamped on its way.
///
/// # Errors
/// [`NotOneCloudEvent`].
pub fn once_per_cloud_event(request: &publish::Request) -> Result<Once, NotOneCloudEvent> {
    let [item] = &*request.items else { return Err(NotOneCloudEvent) };
    let event = item.payload.as_ref().and_then(published).ok_or(NotOneCloudEvent)?;
    let mut hash = Sha256::new();
    write(&mut hash, Some(event.source().as_bytes()));
    write(&mut hash, Some(event.id().as_bytes()));
    let content_hash: ContentHash = hash.finalize().into();
    Ok(Once { key: cloud_event_key(content_hash), content_hash })
}

fn cloud_event_key(hash: ContentHash) -> IdempotencyKey {
    let key = format!("{CLOUD_EVENT_KEY}{}", STANDARD.encode(hash));
    IdempotencyKey::new(&key).expect("some 60 characters of ASCII")
}

/// What stands in front of the hash in the key of a CloudEvent.
const CLOUD_EVENT_KEY: &str = "cloudevent:";

/// A request that cannot be carried out once for its CloudEvent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is for requests with exactly one event, which is a CloudEvent")]
pub struct NotOneCloudEvent;

/// Each part with its length, so that no two requests read alike; what is not there differs from what is empty.
fn write(hash: &mut Sha256, part: Option<&[u8]>) {
    match part {
        None => hash.update([0]),
        Some(bytes) => {
            hash.update([1]);
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use bus_domain::{Epoch, ItemId};

    use super::*;

    fn hash(items: &[(Option<&str>, Option<&str>)], expected: Option<(u64, Option<u64>)>) -> [u8; 32] {
        let items = items.iter().map(|(id, payload)| publish::NewItem {
            id: id.map(|id| ItemId::new(id).unwrap()),
            payload: payload.map(Payload::from_serialised),
        });
        let request = publish::Request {
            items: items.collect(),
            expected_head: expected
                .map(|(seq, epoch)| publish::ExpectedHead { seq, epoch: epoch.map(Epoch) }),
            ..publish::Request::default()
        };
        once(IdempotencyKey::new("k").unwrap(), &request).content_hash
    }

    fn once_of(payloads: &[&str]) -> Result<Once, NotOneCloudEvent> {
        let item =
            |payload: &&str| publish::NewItem { id: None, payload: Some(Payload::from_serialised(*payload)) };
        let items = payloads.iter().map(item).collect();
        once_per_cloud_event(&publish::Request { items, ..publish::Request::default() })
    }

    fn cloud_event(id: &str, source: &str, event_type: &str) -> String {
        format!(
            "<event xmlns='http://cloudevents.io/xmlformat/V1' specversion='1.0'><id>{id}</id><source>{source}</source>\
             <type>{event_type}</type></event>"
        )
    }

    #[test]
    fn a_cloud_event_is_named_by_its_source_and_its_id() {
        let first = once_of(&[&cloud_event("1", "/a", "t")]).unwrap();
        assert_eq!(once_of(&[&cloud_event("1", "/a", "u")]), Ok(first.clone()), "whatever else it says");
        for (id, source) in [("2", "/a"), ("1", "/b"), ("1/a", "/"), ("", "/a1")] {
            assert_ne!(once_of(&[&cloud_event(id, source, "t")]).ok(), Some(first.clone()), "{id} {source}");
        }
        let json =
            r#"<json xmlns='urn:xmpp:json:0'>{"specversion":"1.0","id":"1","source":"/a","type":"t"}</json>"#;
        assert_eq!(once_of(&[json]), Ok(first), "in whichever form");
        let event = cloud_event("1", "/a", "t");
        for others in [&[][..], &[&*event, &*event], &["<a xmlns='urn:a'/>"]] {
            assert_eq!(once_of(others), Err(NotOneCloudEvent), "{others:?}");
        }
    }

    #[test]
    fn no_two_requests_have_one_hash() {
        let requests = [
            hash(&[(Some("a"), Some("<b/>"))], None),
            hash(&[(Some("a<"), Some("b/>"))], None),
            hash(&[(None, Some("<b/>"))], None),
            hash(&[(Some("a"), None)], None),
            hash(&[(Some("a"), Some("<b/>")), (Some("a"), Some("<b/>"))], None),
            hash(&[(Some("a"), Some("<b/>"))], Some((0, None))),
            hash(&[(Some("a"), Some("<b/>"))], Some((0, Some(0)))),
            hash(&[(Some("a"), Some("<b/>"))], Some((1, Some(0)))),
        ];
        assert_eq!(HashSet::from(requests).len(), requests.len());
        assert_eq!(requests[0], hash(&[(Some("a"), Some("<b/>"))], None), "and the same one has the same");
    }
}
