/// White space behind the last stanza of a burst, so that the server parses it now.
///
/// expat since 2.6 (and Debian's 2.5 with its security fixes) puts a tag off that a read cut in two until twice as
/// many bytes have come as it had of it (CVE-2023-52425). A tag of more than the server's read size (8 KiB at
/// Prosody) at the end of what we write would wait for the next stanza, and with it the ping behind it that must be
/// answered before there is a next stanza. As many bytes behind a tag as it has are always enough. White space
/// between stanzas means nothing (RFC 6120 §4.6.1).
#[derive(Debug, Default)]
pub(crate) struct Padding {
    /// What is still missing behind the tags so far.
    due_bytes: usize,
}

/// Up to this length a stanza is not looked into: it counts as if it were one tag.
const UNSCANNED_BYTES_MAX: usize = 4096;

impl Padding {
    /// Takes note of a stanza that was written; it counts for what is due behind those before. Its longest tag is taken
    /// to be its last, which is never too little.
    pub(crate) fn follow(&mut self, stanza: &[u8]) {
        let tag_bytes =
            if stanza.len() <= UNSCANNED_BYTES_MAX { stanza.len() } else { longest_tag_bytes(stanza) };
        self.due_bytes = self.due_bytes.saturating_sub(stanza.len()).max(tag_bytes);
    }

    /// Appends what is due; to be called when nothing follows for now.
    pub(crate) fn append(&mut self, out: &mut Vec<u8>) {
        out.resize(out.len() + self.due_bytes, b' ');
        self.due_bytes = 0;
    }
}

/// Length of the longest tag. Both `<` and `>` stand in what we write for the start and end of a tag only: elsewhere
/// they are escaped.
fn longest_tag_bytes(stanza: &[u8]) -> usize {
    let pieces = stanza.split_inclusive(|byte| *byte == b'>');
    let tags = pieces.filter_map(|piece| Some(piece.len() - piece.iter().position(|byte| *byte == b'<')?));
    tags.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(stanzas: &[&str]) -> usize {
        let mut padding = Padding::default();
        for stanza in stanzas {
            padding.follow(stanza.as_bytes());
        }
        let mut out = Vec::new();
        padding.append(&mut out);
        assert!(out.iter().all(|byte| *byte == b' '));
        out.len()
    }

    #[test]
    fn a_burst_ends_with_as_much_as_its_last_tags_need() {
        assert_eq!(due(&[]), 0);
        assert_eq!(due(&["<message/>"]), 10);
        assert_eq!(due(&["<message><a/></message>", "<iq/>"]), 18, "of the first, less what is behind it");
        assert_eq!(due(&["<iq/>", "<message><a/></message>"]), 23);
    }

    #[test]
    fn a_long_tag_is_doubled_and_a_long_text_is_not() {
        let long = "x".repeat(9_000);
        assert_eq!(due(&[&format!("<m><a b='{long}'/><c/></m>")]), "<a b=''/>".len() + 9_000);
        assert_eq!(due(&[&format!("<m><abc>{long}</abc></m>")]), "</abc>".len());
    }

    #[test]
    fn it_is_due_once() {
        let mut padding = Padding::default();
        padding.follow(b"<iq/>");
        padding.append(&mut Vec::new());
        let mut again = Vec::new();
        padding.append(&mut again);
        assert_eq!(again, b"");
    }
}
