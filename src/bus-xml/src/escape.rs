/// Appends `raw` as character data.
///
/// `raw` holds only characters that XML 1.0 allows: it came through the parser or through bus-domain's checks.
/// A carriage return is written as a reference, or else a reader would turn it into a line feed (XML 1.0 §2.11).
pub fn escape_text(raw: &str, out: &mut String) {
    escape(raw, out, |byte| match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'\r' => Some("&#xD;"),
        _ => None,
    });
}

/// Appends `raw` as the inside of an attribute value in either kind of quotes.
///
/// White space other than the blank is written as references, or else a reader would turn it into blanks
/// (XML 1.0 §3.3.3).
pub fn escape_attribute(raw: &str, out: &mut String) {
    escape(raw, out, |byte| match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'"' => Some("&quot;"),
        b'\'' => Some("&apos;"),
        b'\t' => Some("&#x9;"),
        b'\n' => Some("&#xA;"),
        b'\r' => Some("&#xD;"),
        _ => None,
    });
}

/// Copies runs of plain bytes at once; only ASCII bytes are ever replaced, so runs end on character boundaries.
fn escape(raw: &str, out: &mut String, replacement: impl Fn(u8) -> Option<&'static str>) {
    let mut plain_from = 0;
    for (at, byte) in raw.bytes().enumerate() {
        if let Some(text) = replacement(byte) {
            out.push_str(&raw[plain_from..at]);
            out.push_str(text);
            plain_from = at + 1;
        }
    }
    out.push_str(&raw[plain_from..]);
}
