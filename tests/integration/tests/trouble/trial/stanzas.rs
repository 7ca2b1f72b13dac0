//! Cutting a stream into stanzas and reading what the trial needs of them.
//!
//! Tens of thousands of notifications a second pass here in an unoptimised build, so this looks for substrings. It
//! knows only what the bus, the servers and the trial write: no `>` in attributes, no message within a message.

/// Takes the whole stanzas off the front of the text.
pub(crate) fn take_stanzas(text: &mut String) -> Vec<String> {
    let mut taken = Vec::new();
    let mut from = 0;
    while let Some(end) = stanza_end(&text[from..]) {
        taken.push(text[from..from + end].trim_start().to_owned());
        from += end;
    }
    text.drain(..from);
    taken
}

/// The value of an attribute, wherever it stands first.
pub(crate) fn attribute<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text;
    loop {
        let at = rest.find(name)?;
        let (before, from) = rest.split_at(at);
        let value = &from[name.len()..];
        if before.ends_with([' ', '\n']) && (value.starts_with("='") || value.starts_with("=\"")) {
            let quote = char::from(value.as_bytes()[1]);
            return value[2..].split(quote).next();
        }
        rest = &from[name.len()..];
    }
}

/// A notification of a published item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notification<'a> {
    pub(crate) to: &'a str,
    pub(crate) node: &'a str,
    pub(crate) item_id: &'a str,
    pub(crate) epoch: &'a str,
    pub(crate) seq: u64,
    pub(crate) after: u64,
}

impl<'a> Notification<'a> {
    /// Reads a message; `None` when it is something else.
    pub(crate) fn of(stanza: &'a str) -> Option<Self> {
        let (head, content) = stanza.strip_prefix("<message")?.split_once('>')?;
        let items = &content[content.find("<items")?..];
        let item = &items[items.find("<item ")?..];
        let position = &content[content.find("<position")?..];
        Some(Self {
            to: attribute(head, "to")?,
            node: attribute(items, "node")?,
            item_id: attribute(item, "id")?,
            epoch: attribute(position, "epoch")?,
            seq: attribute(position, "seq")?.parse().ok()?,
            after: attribute(position, "after")?.parse().ok()?,
        })
    }
}

/// How long the first stanza is, with the white space in front of it.
fn stanza_end(text: &str) -> Option<usize> {
    let start = text.find('<')?;
    let name_end = start + text[start..].find([' ', '>', '/', '\n'])?;
    let tag_end = start + text[start..].find('>')? + 1;
    if text[start..].starts_with("</") || text[..tag_end].ends_with("/>") {
        return Some(tag_end);
    }
    let closing = format!("</{}>", &text[start + 1..name_end.max(start + 1)]);
    Some(tag_end + text[tag_end..].find(&closing)? + closing.len())
}

#[test]
fn a_stream_is_cut_between_its_stanzas() {
    let mut text = String::from(
        " <message to='a'><x/></message><iq type='result' id='1'/><iq id=\"2\" type='error'><e/></iq>\n<message to='b",
    );
    let stanzas = take_stanzas(&mut text);
    assert_eq!(stanzas.len(), 3, "{stanzas:?}");
    assert_eq!(attribute(&stanzas[2], "id"), Some("2"));
    assert_eq!(text, "\n<message to='b");
}

#[test]
fn a_notification_says_what_arrived() {
    let stanza = "<message to='a@b' id='x'><event xmlns='e'><items node='n'><item id='i'><p xmlns=''/></item></items>\
                  </event><position xmlns='urn:stanzabus:position:1' epoch='0f' seq='7' after='6'/></message>";
    let expected = Notification { to: "a@b", node: "n", item_id: "i", epoch: "0f", seq: 7, after: 6 };
    assert_eq!(Notification::of(stanza), Some(expected));
    assert_eq!(Notification::of("<message to='a@b'><body>hello</body></message>"), None);
}
