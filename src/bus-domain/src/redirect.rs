use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::text::{TextError, check_text};
use crate::{BareJid, NodeName};

/// Where a node is to be found that was deleted: a URI or IRI of any scheme (XEP-0060 §8.4.1).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RedirectUri(Arc<str>);

/// Why a text says nothing about where a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RedirectError {
    /// It is empty, too long, or could not be written to XML.
    #[error(transparent)]
    Text(#[from] TextError),
    /// It has no scheme, nothing behind its scheme, or white space.
    #[error("is not a URI: a scheme, a colon, and what it is about, without white space")]
    NoUri,
}

impl RedirectUri {
    /// The longest URI, in bytes of UTF-8: that of a node with the longest name, and some more.
    pub const BYTES_MAX: usize = 4_096;

    /// Checks length, characters, and that there is a scheme (RFC 3986 §3.1).
    pub fn new(text: &str) -> Result<Self, RedirectError> {
        check_text(text, Self::BYTES_MAX)?;
        let (scheme, rest) = text.split_once(':').ok_or(RedirectError::NoUri)?;
        let is_plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '+' | '-' | '.');
        let is_scheme =
            scheme.starts_with(|it: char| it.is_ascii_alphabetic()) && scheme.chars().all(is_plain);
        if !is_scheme || rest.is_empty() || rest.contains(|it: char| it.is_whitespace() || it.is_control()) {
            return Err(RedirectError::NoUri);
        }
        Ok(Self(text.into()))
    }

    /// The URI as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for RedirectUri {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, out)
    }
}

/// What is kept of a node that has moved: whoever asks for its name is told where to, until a node has the name again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// The name that the node had.
    pub name: NodeName,
    /// Whose the node was first.
    pub creator: BareJid,
    /// Where it is now.
    pub to: RedirectUri,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_scheme_will_do() {
        for good in ["xmpp:hamlet@denmark.lit?;node=blog", "https://example.org/#a", "urn:a", "x+1.-:ü"] {
            assert_eq!(RedirectUri::new(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn what_names_no_place_is_refused() {
        for bad in ["blog", ":blog", "xmpp:", "1a:b", "x mpp:a", "xmpp:a b", "xmpp:a\nb", "ü:a"] {
            assert_eq!(RedirectUri::new(bad), Err(RedirectError::NoUri), "{bad:?}");
        }
        assert_eq!(RedirectUri::new(""), Err(TextError::Empty.into()));
        let long = format!("urn:{}", "a".repeat(RedirectUri::BYTES_MAX));
        assert!(matches!(RedirectUri::new(&long), Err(RedirectError::Text(TextError::TooLong { .. }))));
    }
}
