use bus_domain::idempotency::{IdempotencyKey, Once};
use bus_domain::{Payload, publish};
use sha2::{Digest as _, Sha256};

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
