use bus_xml::{RejectReason, XmlLimits};

/// Follows the markup of a stream just closely enough to know where a stanza ends, how long and how deep it is.
///
/// It sees the bytes before the XML parser does. So a stanza over a limit never reaches the parser whole, whose
/// memory and time grow with the length of a token and with the square of the depth, and the stream can go on behind
/// the stanza. What is not XML is the parser's to find.
#[derive(Debug)]
pub(crate) struct Framer {
    limits: XmlLimits,
    place: Place,
    /// Open elements; the stream itself is 1, the root of a stanza 2.
    depth: usize,
    is_open: bool,
    stanza_bytes: usize,
    is_over_limit: bool,
}

/// Why [`Framer::advance`] stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Boundary {
    /// The bytes are used up.
    MoreNeeded,
    /// The stream header is complete.
    StreamOpened,
    /// A stanza of that many bytes is complete.
    StanzaEnded(usize),
    /// The stanza just broke a limit and goes on; reported once, then [`Boundary::StanzaEnded`] follows. When its
    /// very last byte is the one too many, that is the tree builder's to find.
    OverLimit(RejectReason),
}

/// Where in the markup the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    AfterLess,
    StartTag {
        after_slash: bool,
    },
    Quoted(u8),
    EndTag,
    ProcessingInstruction {
        after_question: bool,
    },
    /// Behind `<!` and so many bytes of `--` or `[CDATA[`.
    Declaration {
        matched: usize,
    },
    Comment {
        dashes: usize,
    },
    CharacterData {
        brackets: usize,
    },
}

const CDATA_OPENING: &[u8] = b"[CDATA[";

impl Framer {
    pub(crate) fn new(limits: XmlLimits) -> Self {
        Self { limits, place: Place::Text, depth: 0, is_open: false, stanza_bytes: 0, is_over_limit: false }
    }

    /// Reads up to the next boundary; returns the bytes up to it.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> (usize, Boundary) {
        for (at, byte) in bytes.iter().enumerate() {
            if let Some(boundary) = self.step(*byte) {
                return (at + 1, boundary);
            }
        }
        (bytes.len(), Boundary::MoreNeeded)
    }

    /// Bytes of the stanza so far.
    pub(crate) fn stanza_bytes(&self) -> usize {
        self.stanza_bytes
    }

    fn step(&mut self, byte: u8) -> Option<Boundary> {
        let in_stanza = self.depth > 1 || (self.depth == 1 && self.place != Place::Text);
        self.stanza_bytes = if in_stanza || byte == b'<' { self.stanza_bytes.saturating_add(1) } else { 0 };
        let depth_before = self.depth;
        self.place = self.next_place(byte);
        let is_tag_end = byte == b'>' && self.place == Place::Text;
        if is_tag_end && self.depth == 1 && !self.is_open {
            self.is_open = true;
            self.stanza_bytes = 0;
            return Some(Boundary::StreamOpened);
        }
        if is_tag_end && self.depth == 1 && depth_before == 2 {
            self.is_over_limit = false;
            return Some(Boundary::StanzaEnded(std::mem::take(&mut self.stanza_bytes)));
        }
        self.broken_limit().map(Boundary::OverLimit)
    }

    fn broken_limit(&mut self) -> Option<RejectReason> {
        if self.is_over_limit || !self.is_open {
            return None;
        }
        let reason = if self.depth > self.limits.depth_max.saturating_add(1) {
            RejectReason::TooDeep
        } else if self.stanza_bytes > self.limits.bytes_max {
            RejectReason::TooLong
        } else {
            return None;
        };
        self.is_over_limit = true;
        Some(reason)
    }

    fn next_place(&mut self, byte: u8) -> Place {
        match (self.place, byte) {
            (Place::Text, b'<') => Place::AfterLess,
            (Place::Text, _)
            | (
                Place::ProcessingInstruction { after_question: true }
                | Place::Comment { dashes: 2 }
                | Place::CharacterData { brackets: 2 },
                b'>',
            ) => Place::Text,
            (Place::AfterLess, _) => self.tag_opens(byte),
            (Place::StartTag { after_slash }, b'>') => {
                self.depth -= usize::from(after_slash);
                Place::Text
            }
            (Place::StartTag { .. }, b'\'' | b'"') => Place::Quoted(byte),
            (Place::StartTag { .. }, _) => Place::StartTag { after_slash: byte == b'/' },
            (Place::Quoted(quote), _) if byte == quote => Place::StartTag { after_slash: false },
            (Place::Quoted(quote), _) => Place::Quoted(quote),
            (Place::EndTag, b'>') => {
                self.depth = self.depth.saturating_sub(1);
                Place::Text
            }
            (Place::EndTag, _) => Place::EndTag,
            (Place::ProcessingInstruction { .. }, _) => {
                Place::ProcessingInstruction { after_question: byte == b'?' }
            }
            (Place::Declaration { matched }, _) => declaration(matched, byte),
            (Place::Comment { dashes }, b'-') => Place::Comment { dashes: (dashes + 1).min(2) },
            (Place::Comment { .. }, _) => Place::Comment { dashes: 0 },
            (Place::CharacterData { brackets }, b']') => {
                Place::CharacterData { brackets: (brackets + 1).min(2) }
            }
            (Place::CharacterData { .. }, _) => Place::CharacterData { brackets: 0 },
        }
    }

    fn tag_opens(&mut self, byte: u8) -> Place {
        match byte {
            b'/' => Place::EndTag,
            b'?' => Place::ProcessingInstruction { after_question: false },
            b'!' => Place::Declaration { matched: 0 },
            _ => {
                self.depth = self.depth.saturating_add(1);
                Place::StartTag { after_slash: false }
            }
        }
    }
}

/// Behind `<!`: a comment, character data, or something that the parser refuses.
fn declaration(matched: usize, byte: u8) -> Place {
    match (matched, byte) {
        (_, b'>') => Place::Text,
        (0, b'-') => Place::Declaration { matched: usize::MAX },
        (usize::MAX, b'-') => Place::Comment { dashes: 0 },
        _ if CDATA_OPENING.get(matched) == Some(&byte) => match matched + 1 {
            length if length == CDATA_OPENING.len() => Place::CharacterData { brackets: 0 },
            length => Place::Declaration { matched: length },
        },
        // Nothing matches any more; `>` ends it.
        _ => Place::Declaration { matched: CDATA_OPENING.len() },
    }
}

#[cfg(test)]
mod tests;
