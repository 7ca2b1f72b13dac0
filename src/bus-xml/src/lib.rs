//! Bounded XML for every leg: the same parser limits for a stanza from the XMPP server and for a payload from
//! gRPC, and one serialisation of our own, so that no leg can inject markup into another.
//!
//! * [`TreeBuilder`] turns parser events into a [`minidom::Element`] with an explicit stack, a depth cap and a byte
//!   cap. What breaks a cap is skipped to its end, so that a stream can go on behind it.
//! * [`parse_document`] reads one complete element from text.
//! * [`serialise`] writes an element so that only namespaces and characters that XML 1.0 allows come out.
//!
//! DTDs, processing instructions, custom entities and comments never pass: `rxml` refuses them.

mod builder;
mod document;
mod escape;
mod limits;
mod serialise;

pub use builder::{Progress, RejectReason, TreeBuilder};
pub use document::{DocumentError, parse_document};
pub use escape::{escape_attribute, escape_text};
pub use limits::XmlLimits;
pub use minidom::Element;
pub use serialise::{serialise, serialise_into};
