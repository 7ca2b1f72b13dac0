//! Requests that are carried out once, however often they come: a repeat is answered as the first one was.

use std::fmt;
use std::sync::Arc;

use jid::BareJid;

use crate::text::{TextError, check_text};
use crate::{BusError, Durability, Epoch, ItemId, NodeId, Seq};

/// The sender's own name for a request, which it gives again when it repeats the request. Compared exactly.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdempotencyKey(Arc<str>);

/// What makes a request happen once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// The sender's name for the request.
    pub key: IdempotencyKey,
    /// Of all that it asks for: two requests of one name and with different hashes are different requests.
    pub content_hash: ContentHash,
}

/// A SHA-256.
pub type ContentHash = [u8; 32];

/// The name under which a request is kept. What others call theirs, and requests on other nodes, are strangers to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestName {
    /// On which node.
    pub node: NodeId,
    /// Whose.
    pub principal: BareJid,
    /// What it calls it.
    pub key: IdempotencyKey,
}

/// What is kept of a request that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRequest {
    /// Its name.
    pub name: RequestName,
    /// What it asked for.
    pub content_hash: ContentHash,
    /// What came of it.
    pub answer: KeptAnswer,
    /// Until when it is kept, in milliseconds since 1970.
    pub expires_at_ms: i64,
}

/// What the sender was told, or would have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The life of the log in which the positions count.
    pub epoch: Epoch,
    /// The position of the first item; the others follow one by one.
    pub first_seq: Seq,
    /// The items' ids, in the order of the request.
    pub item_ids: Vec<ItemId>,
    /// What held by then.
    pub durability: Durability,
}

impl IdempotencyKey {
    /// The longest key, in bytes of UTF-8. With the longest address in front it fits into an index of every store.
    pub const BYTES_MAX: usize = 255;

    /// Checks length and characters.
    pub fn new(text: &str) -> Result<Self, TextError> {
        check_text(text, Self::BYTES_MAX)?;
        Ok(Self(text.into()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, out)
    }
}

impl Once {
    /// Decides on a request whose name is taken: it is the same one, or another that must not have this name.
    pub fn settle(&self, taken_by: &ContentHash) -> Result<(), BusError> {
        if self.content_hash == *taken_by { Ok(()) } else { Err(BusError::RequestIdReused) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bounded() {
        assert!(IdempotencyKey::new(&"k".repeat(255)).is_ok());
        let key = IdempotencyKey::new("order-1").unwrap();
        assert_eq!((key.as_str(), format!("{key:?}").as_str()), ("order-1", "\"order-1\""));
        assert_eq!(IdempotencyKey::new(&"k".repeat(256)), Err(TextError::TooLong { bytes_max: 255 }));
        assert_eq!(IdempotencyKey::new(""), Err(TextError::Empty));
        assert!(IdempotencyKey::new("a\0").is_err(), "no store could keep it");
    }

    #[test]
    fn a_name_is_for_one_request() {
        let once = Once { key: IdempotencyKey::new("k").unwrap(), content_hash: [1; 32] };
        assert_eq!(once.settle(&[1; 32]), Ok(()));
        assert_eq!(once.settle(&[2; 32]), Err(BusError::RequestIdReused));
    }
}
