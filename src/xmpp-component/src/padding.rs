/// White space behind the last stanza of a burst, so that the server parses it now.
///
/// expat since 2.6 (and Debian's 2.5 with its security fixes) puts a tag off that a read cut in two until twice as
/// many bytes have come as it had of it (CVE-2023-52425). A tag of more than the server's read size (8 KiB at
/// Prosody) at the end of what we write would wait for the next stanza, and with it the ping behind it that must be
/// answered before there is a next stanza. As many bytes behind a tag as it has are always enough. White space
/// between stanzas means nothing (RFC 6120 §4.6.1).
#[derive(Debug, Default)]
pub(crate) struct Padding {
    /// Lengths of the stanzas that were staged in this round.
    stanzas: Vec<usize>,
    /// What is still missing behind the tags of the rounds before.
    due_bytes: usize,
}

/// Up to this length a stanza is not looked into: it counts as if it were one tag.
const UNSCANNED_BYTES_MAX: usize = 4096;

impl Padding {
    /// Takes note of a stanza that was staged.
    pub(crate) fn follow(&mut self, stanza_bytes: usize) {
        self.stanzas.push(stanza_bytes);
    }

    /// Ends a round; `staged` are its stanzas. What stands behind a stanza counts for it, so only the last few are
    /// looked into. A stanza's longest tag is taken to be its last, which is never too little.
    pub(crate) fn end_round(&mut self, staged: &[u8]) {
        let mut due_bytes = self.due_bytes.saturating_sub(staged.len());
        let mut behind_bytes = 0;
        for stanza_bytes in self.stanzas.drain(..).rev() {
            if stanza_bytes > behind_bytes {
                let end = staged.len() - behind_bytes;
                let tag_bytes = match stanza_bytes {
                    0..=UNSCANNED_BYTES_MAX => stanza_bytes,
                    _ => longest_tag_bytes(&staged[end - stanza_bytes..end]),
                };
                due_bytes = due_bytes.max(tag_bytes.saturating_sub(behind_bytes));
            }
            behind_bytes += stanza_bytes;
        }
        self.due_bytes = due_bytes;
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

    /// What is appended behind these rounds of stanzas.
    fn due_behind(rounds: &[&[&str]]) -> usize {
        let mut padding = Padding::default();
        for round in rounds {
            round.iter().for_each(|stanza| padding.follow(stanza.len()));
            padding.end_round(round.concat().as_bytes());
        }
        let mut out = Vec::new();
        padding.append(&mut out);
        assert!(out.iter().all(|byte| *byte == b' '));
        let once = out.len();
        padding.append(&mut out);
        assert_eq!(out.len(), once, "it is due once");
        once
    }

    fn due(stanzas: &[&str]) -> usize {
        due_behind(&[stanzas])
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
    fn what_a_round_leaves_due_is_made_up_for_by_the_next() {
        let long = format!("<m><a b='{}'/></m>", "x".repeat(9_000));
        let tag_bytes = "<a b=''/>".len() + 9_000;
        assert_eq!(due_behind(&[&[&long], &[]]), tag_bytes);
        assert_eq!(due_behind(&[&[&long], &["<iq/>"]]), tag_bytes - 5);
        assert_eq!(due_behind(&[&[&long, "<iq/>"], &["<iq/>"]]), tag_bytes - 10);
    }
}
