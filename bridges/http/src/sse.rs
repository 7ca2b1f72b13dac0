//! How Server-Sent Events are written (WHATWG HTML, "Server-sent events").

use bytes::Bytes;

/// What keeps a stream alive on which nothing happens: a comment.
pub(crate) const HEARTBEAT: Bytes = Bytes::from_static(b": the stream goes on\n\n");

/// One event of a stream.
#[derive(Debug, Default)]
pub(crate) struct Frame<'a> {
    /// From where the client goes on when it comes back; none leaves that as it is.
    pub(crate) id: Option<String>,
    /// Which listeners of the client's hear of it; none are those for messages.
    pub(crate) name: Option<&'a str>,
    /// In how many milliseconds the client is to come back if the stream breaks.
    pub(crate) retry_ms: Option<u32>,
    /// What it says.
    pub(crate) data: &'a str,
}

impl Frame<'_> {
    /// The frame's bytes.
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = String::with_capacity(self.data.len() + 64);
        let mut field = |name: &str, value: &str| {
            out.push_str(name);
            out.push_str(": ");
            out.push_str(value);
            out.push('\n');
        };
        if let Some(retry_ms) = self.retry_ms {
            field("retry", &retry_ms.to_string());
        }
        if let Some(id) = &self.id {
            field("id", id);
        }
        if let Some(name) = self.name {
            field("event", name);
        }
        // Each of the three ends a line; what stood between lines of JSON was white space.
        for line in self.data.replace("\r\n", "\n").split(['\r', '\n']) {
            field("data", line);
        }
        out.push('\n');
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_end_with_an_empty_line_whatever_they_hold() {
        let frame =
            Frame { id: Some("e-1".into()), name: Some("gap"), retry_ms: Some(7), data: "a\r\nb\rc\n" };
        let expected = "retry: 7\nid: e-1\nevent: gap\ndata: a\ndata: b\ndata: c\ndata: \n\n";
        assert_eq!(frame.encode(), expected);
        assert_eq!(Frame { data: "{}", ..Frame::default() }.encode(), "data: {}\n\n");
        assert!(HEARTBEAT.starts_with(b":") && HEARTBEAT.ends_with(b"\n\n"));
    }
}
