//! What the client commands print: JSON lines on standard output, what happens meanwhile on standard error.

use std::io::Write as _;

use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::failure::Failure;

/// An event as one line. What is not known on the way that it came is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct EventLine {
    /// The node.
    pub(crate) node: String,
    /// The life of its log, 16 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) epoch: Option<String>,
    /// The position in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seq: Option<u64>,
    /// The position of the event before it that was due to this subscriber.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<u64>,
    /// `published`, `retracted`, `purged` or `deleted`.
    pub(crate) kind: &'static str,
    /// The item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) item_id: Option<String>,
    /// The event's own id, for `--after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event_id: Option<String>,
    /// Who published it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) publisher: Option<String>,
    /// When it was committed (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) published_at: Option<String>,
    /// The payload as XML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) payload: Option<String>,
    /// The event as a CloudEvent, in the JSON format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cloud_event: Option<JsonText>,
}

/// Text that is JSON already, and is written as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonText(pub(crate) String);

impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json: &RawValue = serde_json::from_str(&self.0).map_err(S::Error::custom)?;
        json.serialize(serializer)
    }
}

/// How epochs are written everywhere.
pub(crate) fn epoch_text(epoch: u64) -> String {
    format!("{epoch:016x}")
}

/// Prints one JSON object.
pub(crate) fn print_json(line: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(line).map_err(|error| Failure::Output(error.into()))?;
    print_line(&text)
}

/// Prints a line at once, so that a reader behind a pipe sees it.
pub(crate) fn print_line(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Failure::Output)
}

/// Says what happens; nobody needs it to go on.
pub(crate) fn status(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
