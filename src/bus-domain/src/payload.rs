use std::sync::Arc;

/// One XML element, kept as text in the bus's own serialisation.
///
/// Only the engine's payload parser makes one, after the limits were checked; so whatever holds a `Payload` may
/// write it into any XML as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload(Arc<str>);

impl Payload {
    /// Wraps text that is already in our serialisation: from the payload parser, or read back from a store.
    pub fn from_serialised(xml: impl Into<Arc<str>>) -> Self {
        Self(xml.into())
    }

    /// The element as text; its root declares its own namespace.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Bytes of the text.
    pub fn len_bytes(&self) -> usize {
        self.0.len()
    }
}
