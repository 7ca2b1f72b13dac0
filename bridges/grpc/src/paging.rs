//! The pages of listings.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tonic::Status;

use crate::status::invalid_field;

/// What an unset page size stands for.
pub(crate) fn page_size(asked: u32) -> u32 {
    if asked == 0 { u32::MAX } else { asked }
}

/// Encoded so that nobody takes it for something to build.
pub(crate) fn token(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// What a page token says, if it is one.
pub(crate) fn page_token<T>(token: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let parsed = text.and_then(|text| parse(&text));
    parsed.map(Some).ok_or_else(|| invalid_field("page_token", "is not a token of this call"))
}
