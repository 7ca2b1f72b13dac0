use minidom::Element;
use rxml::error::EndOrError;
use rxml::parser::Options;
use rxml::{Parse as _, Parser, parser::WithOptions as _};
use thiserror::Error;

use crate::{Progress, RejectReason, TreeBuilder, XmlLimits};

/// Why a text is not one acceptable XML element.
#[derive(Debug, Error)]
pub enum DocumentError {
    /// Not well-formed, an unbound prefix, a forbidden character, a DTD, a processing instruction, …
    #[error("not well-formed XML: {0}")]
    NotWellFormed(rxml::Error),
    /// The text ends inside the element.
    #[error("the XML ends before its root element is closed")]
    Incomplete,
    /// More levels than [`XmlLimits::depth_max`].
    #[error("more than {0} levels of nesting")]
    TooDeep(usize),
    /// More bytes than [`XmlLimits::bytes_max`].
    #[error("longer than {0} bytes")]
    TooLong(usize),
}

/// Reads exactly one element, with nothing but white space around it.
pub fn parse_document(text: &str, limits: XmlLimits) -> Result<Element, DocumentError> {
    let mut input = text.trim_matches([' ', '\t', '\r', '\n']).as_bytes();
    let mut parser = Parser::with_options(options(input, limits));
    let mut builder = TreeBuilder::new(limits);
    let mut root = None;
    while let Some(event) = parser.parse(&mut input, true)? {
        // A broken cap ends the reading at once: the parser's cost grows with the square of the depth.
        let broken = match builder.feed(event) {
            Progress::Pending => builder.rejected(),
            Progress::Rejected { reason, .. } => Some(reason),
            Progress::Complete(element) => {
                root = Some(element);
                None
            }
        };
        match broken {
            // Names are the parser's to judge, above.
            None | Some(RejectReason::Misnamed) => {}
            Some(RejectReason::TooDeep) => return Err(DocumentError::TooDeep(limits.depth_max)),
            Some(RejectReason::TooLong) => return Err(DocumentError::TooLong(limits.bytes_max)),
        }
    }
    root.ok_or(DocumentError::Incomplete)
}

/// The parser sets aside memory for the longest token that it may meet, and none is longer than the text.
fn options(input: &[u8], limits: XmlLimits) -> Options {
    Options { max_token_length: limits.token_bytes_max().min(input.len()), ..Options::default() }
}

impl From<EndOrError> for DocumentError {
    fn from(error: EndOrError) -> Self {
        match error {
            EndOrError::NeedMoreData => Self::Incomplete,
            EndOrError::Error(error) => Self::NotWellFormed(error),
        }
    }
}

#[cfg(test)]
mod tests;
