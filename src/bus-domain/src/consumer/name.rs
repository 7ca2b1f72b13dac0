use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// The name of a consumer: compared exactly, unique over the whole bus.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsumerName(Arc<str>);

/// Why a text is no consumer's name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("must be 1 to {} bytes of printable ASCII without spaces", ConsumerName::BYTES_MAX)]
pub struct ConsumerNameError;

impl ConsumerName {
    /// The longest name, in bytes.
    pub const BYTES_MAX: usize = 255;

    /// Checks length and characters: what can stand in a URL, a metric and a shell as it is.
    pub fn new(text: &str) -> Result<Self, ConsumerNameError> {
        let is_name =
            (1..=Self::BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_name { Ok(Self(text.into())) } else { Err(ConsumerNameError) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConsumerName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for ConsumerName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, out)
    }
}
