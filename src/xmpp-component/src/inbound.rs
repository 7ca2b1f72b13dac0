use std::collections::VecDeque;

use bus_xml::{Element, Progress, RejectReason, TreeBuilder, XmlLimits};
use rxml::error::EndOrError;
use rxml::parser::{EventMetrics, Options, WithOptions as _};
use rxml::{Event, Parse as _, Parser};

use crate::DownReason;
use crate::frame::{Boundary, Framer};

/// The longest stream header.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// How many times the longest stanza a rejected one may measure before the stream is given up.
const REJECTED_STANZAS_LONG: usize = 64;

/// Turns the bytes of a stream into elements, without I/O.
pub(crate) struct StreamReader {
    limits: XmlLimits,
    framer: Framer,
    parser: Parser,
    builder: TreeBuilder,
    /// The stream header as it came: a parser that starts anew behind a rejected stanza reads it again.
    header: Vec<u8>,
    place: Place,
    skipping: Option<Skipping>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    BetweenStanzas,
    InStanza,
    Closed,
}

/// A stanza that broke a limit, on the way to its end.
struct Skipping {
    head: Option<Element>,
    reason: RejectReason,
}

/// What a stream consists of.
#[derive(Debug, PartialEq)]
pub(crate) enum StreamItem {
    /// The stream header, with its `id` (empty when there is none).
    Opened { id: String },
    /// A complete child of the stream, and its bytes on the wire.
    Element(Element, usize),
    /// One that broke a limit. There is no head when the start tag alone did.
    Rejected { head: Option<Element>, reason: RejectReason },
    /// `</stream:stream>`.
    Closed,
}

impl StreamReader {
    pub(crate) fn new(limits: XmlLimits) -> Self {
        Self {
            limits,
            framer: Framer::new(limits),
            parser: new_parser(limits),
            builder: TreeBuilder::new(limits),
            header: Vec::new(),
            place: Place::Header,
            skipping: None,
        }
    }

    /// Takes the next bytes and appends what they complete. After an error the stream is of no use.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        items: &mut VecDeque<StreamItem>,
    ) -> Result<(), DownReason> {
        while !bytes.is_empty() && self.place != Place::Closed {
            let (length, boundary) = self.framer.advance(bytes);
            let (piece, rest) = bytes.split_at(length);
            self.remember_header(piece)?;
            match self.skipping {
                Some(_) => self.skip(boundary, items)?,
                None => self.read(piece, boundary, items)?,
            }
            bytes = rest;
        }
        Ok(())
    }

    fn remember_header(&mut self, piece: &[u8]) -> Result<(), DownReason> {
        if self.place == Place::Header {
            self.header.extend_from_slice(piece);
            let first = self.header.iter().find(|byte| !byte.is_ascii_whitespace());
            if self.header.len() > HEADER_BYTES_MAX || first.is_some_and(|byte| *byte != b'<') {
                return Err(DownReason::NotAStream);
            }
        }
        Ok(())
    }

    fn read(
        &mut self,
        piece: &[u8],
        boundary: Boundary,
        items: &mut VecDeque<StreamItem>,
    ) -> Result<(), DownReason> {
        let mut rest = piece;
        while self.place != Place::Closed {
            match self.parser.parse(&mut rest, false) {
                Ok(Some(event)) => self.take_event(event, boundary, items)?,
                Ok(None) | Err(EndOrError::NeedMoreData) => break,
                Err(EndOrError::Error(error)) if self.place != Place::Header && is_about_names(&error) => {
                    self.skipping =
                        Some(Skipping { head: self.abandon_tree(), reason: RejectReason::Misnamed });
                    return self.skip(boundary, items);
                }
                Err(EndOrError::Error(error)) => return Err(self.malformed(error)),
            }
        }
        if let Boundary::OverLimit(reason) = boundary {
            self.skipping = Some(Skipping { head: self.abandon_tree(), reason });
        }
        Ok(())
    }

    fn take_event(
        &mut self,
        event: Event,
        boundary: Boundary,
        items: &mut VecDeque<StreamItem>,
    ) -> Result<(), DownReason> {
        match (self.place, event) {
            (Place::Header, Event::StartElement(_, (namespace, name), attributes)) => {
                if namespace != "http://etherx.jabber.org/streams" || name != "stream" {
                    return Err(DownReason::NotAStream);
                }
                let id =
                    attributes.iter().find(|((namespace, name), _)| namespace.is_none() && *name == "id");
                items.push_back(StreamItem::Opened { id: id.map(|(_, id)| id.clone()).unwrap_or_default() });
                self.place = Place::BetweenStanzas;
            }
            // White space keeps connections alive; the builder must not count it.
            (Place::BetweenStanzas, Event::Text(..)) | (_, Event::XmlDeclaration(..)) => {}
            (Place::BetweenStanzas, Event::EndElement(_)) => {
                items.push_back(StreamItem::Closed);
                self.place = Place::Closed;
            }
            (_, event) => self.build(event, boundary, items),
        }
        Ok(())
    }

    fn build(&mut self, event: Event, boundary: Boundary, items: &mut VecDeque<StreamItem>) {
        let item = match self.builder.feed(event) {
            Progress::Pending => {
                self.place = Place::InStanza;
                return;
            }
            Progress::Complete(element) => {
                let bytes = match boundary {
                    Boundary::StanzaEnded(bytes) => bytes,
                    _ => self.framer.stanza_bytes(),
                };
                StreamItem::Element(element, bytes)
            }
            Progress::Rejected { head, reason } => StreamItem::Rejected { head: Some(head), reason },
        };
        self.place = Place::BetweenStanzas;
        items.push_back(item);
    }

    /// Lets go of the tree that is being built; keeps its root without children.
    fn abandon_tree(&mut self) -> Option<Element> {
        while !self.builder.is_idle() {
            match self.builder.feed(Event::EndElement(EventMetrics::zero())) {
                Progress::Pending => {}
                Progress::Complete(element) => return Some(without_children(&element)),
                Progress::Rejected { head, .. } => return Some(head),
            }
        }
        None
    }

    fn skip(&mut self, boundary: Boundary, items: &mut VecDeque<StreamItem>) -> Result<(), DownReason> {
        if let Boundary::StanzaEnded(_) = boundary
            && let Some(Skipping { head, reason }) = self.skipping.take()
        {
            items.push_back(StreamItem::Rejected { head, reason });
            return self.start_anew();
        }
        if self.framer.stanza_bytes() > self.limits.bytes_max.saturating_mul(REJECTED_STANZAS_LONG) {
            return Err(DownReason::EndlessStanza);
        }
        Ok(())
    }

    /// A new parser, in the place behind the stream header.
    fn start_anew(&mut self) -> Result<(), DownReason> {
        self.parser = new_parser(self.limits);
        self.builder = TreeBuilder::new(self.limits);
        self.place = Place::BetweenStanzas;
        let mut header = self.header.as_slice();
        loop {
            match self.parser.parse(&mut header, false) {
                Ok(Some(_)) => {}
                Ok(None) | Err(EndOrError::NeedMoreData) => return Ok(()),
                Err(EndOrError::Error(error)) => return Err(DownReason::NotWellFormed(error)),
            }
        }
    }

    fn malformed(&self, error: rxml::Error) -> DownReason {
        if self.place == Place::Header { DownReason::NotAStream } else { DownReason::NotWellFormed(error) }
    }
}

/// What only Namespaces in XML forbids: the tags are sound, so the framer knows where the stanza ends. ejabberd takes
/// such stanzas from its users, and makes some: it drops a declaration on the `<iq/>`, and keeps what is named with it.
fn is_about_names(error: &rxml::Error) -> bool {
    use rxml::Error;
    matches!(
        error,
        Error::UndeclaredNamespacePrefix(_)
            | Error::DuplicateAttribute
            | Error::MultiColonName(_)
            | Error::EmptyNamePart(_)
            | Error::InvalidLocalName(_)
            | Error::ReservedNamespacePrefix
            | Error::ReservedNamespaceName
            | Error::EmptyNamespaceUri
    )
}

fn new_parser(limits: XmlLimits) -> Parser {
    let token_bytes_max = limits.token_bytes_max().max(HEADER_BYTES_MAX);
    Parser::with_options(Options { max_token_length: token_bytes_max, ..Options::default() })
}

fn without_children(element: &Element) -> Element {
    let mut head = Element::bare(element.name(), element.ns());
    *head.attrs_mut() = element.attrs().clone();
    head
}

#[cfg(test)]
mod tests;
