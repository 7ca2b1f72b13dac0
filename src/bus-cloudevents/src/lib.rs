//! CloudEvents 1.0 for every leg: one model, its formats, and how it stands to the events of the bus.
//!
//! * [`CloudEvent`] holds attributes with their types ([`AttributeValue`]) and data ([`Data`]); what it holds keeps the
//!   rules of the specification, and whatever does not is refused with the attribute's name ([`CloudEventError`]).
//! * [`json`], [`xml`] and [`protobuf`] are the event formats with their batches. XML is the form in which the bus keeps
//!   a CloudEvent, as the payload of an item; nothing of the others is lost in it.
//! * [`arrival`] makes a CloudEvent of each event of the bus, whoever published it, and in whichever form.

pub mod arrival;
mod attribute;
mod data;
mod error;
mod event;
pub mod hops;
pub mod json;
mod media_type;
pub mod protobuf;
mod timestamp;
pub mod xml;

pub use arrival::{Position, PositionError, arrived, node_uri, published};
pub use attribute::{AttributeType, AttributeValue};
pub use data::Data;
pub use error::{AttributeProblem, BatchError, CloudEventError};
pub use event::{CloudEvent, optional_type};
pub use media_type::{ContentKind, Format, FormatError, content_kind};
pub use timestamp::Timestamp;
