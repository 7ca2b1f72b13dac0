//! What stands for something else in a script: names of actors, the service, values that are only known when a case is
//! played, and short names of namespaces.

use std::collections::HashMap;

use bus_xml::{Element, XmlLimits, parse_document};

const LIMITS: XmlLimits = XmlLimits { depth_max: 256, bytes_max: 8 * 1024 * 1024 };

/// Short names of namespaces, for `xmlns='…'`.
const NAMESPACES: &[(&str, &str)] = &[
    ("pubsub", "http://jabber.org/protocol/pubsub"),
    ("pubsub#owner", "http://jabber.org/protocol/pubsub#owner"),
    ("pubsub#event", "http://jabber.org/protocol/pubsub#event"),
    ("pubsub#errors", "http://jabber.org/protocol/pubsub#errors"),
    ("stanzas", "urn:ietf:params:xml:ns:xmpp-stanzas"),
    ("disco#info", "http://jabber.org/protocol/disco#info"),
    ("disco#items", "http://jabber.org/protocol/disco#items"),
    ("rsm", "http://jabber.org/protocol/rsm"),
    ("data", "jabber:x:data"),
    ("shim", "http://jabber.org/protocol/shim"),
    ("delay", "urn:xmpp:delay"),
    ("ping", "urn:xmpp:ping"),
    ("version", "jabber:iq:version"),
    ("mam", "urn:xmpp:mam:2"),
    ("forward", "urn:xmpp:forward:0"),
    ("delay", "urn:xmpp:delay"),
    ("sid", "urn:xmpp:sid:0"),
    ("hints", "urn:xmpp:hints"),
    ("validate", "http://jabber.org/protocol/xdata-validate"),
    ("order-by", "urn:xmpp:order-by:1"),
];

/// What the words of one case stand for.
#[derive(Debug, Default)]
pub(crate) struct Words {
    values: HashMap<String, String>,
    /// Behind every node's name, so that cases on one service keep out of each other's way.
    node_suffix: String,
}

impl Words {
    pub(crate) fn new(node_suffix: String) -> Self {
        Self { values: HashMap::new(), node_suffix }
    }

    pub(crate) fn set(&mut self, word: &str, value: String) {
        self.values.insert(word.to_owned(), value);
    }

    pub(crate) fn get(&self, word: &str) -> Option<&str> {
        self.values.get(word).map(String::as_str)
    }

    /// The text of a stanza with every word in its place that has a value by now.
    pub(crate) fn fill(&self, text: &str) -> String {
        let mut filled = self.name_nodes(text);
        for (word, value) in &self.values {
            filled = filled.replace(&format!("{{{word}}}"), value);
        }
        for (short, namespace) in NAMESPACES {
            filled = filled.replace(&format!("xmlns='{short}'"), &format!("xmlns='{namespace}'"));
        }
        filled
    }

    /// Puts the suffix behind the value of every `node='…'` but an empty one and one that is a word.
    fn name_nodes(&self, text: &str) -> String {
        const NODE: &str = " node='";
        let mut pieces = text.split(NODE);
        let mut named = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            named.push_str(NODE);
            match piece.split_once('\'') {
                Some((name, rest)) if !name.is_empty() && !name.contains('{') && !name.contains("://") => {
                    named.push_str(name);
                    named.push_str(&self.node_suffix);
                    named.push('\'');
                    named.push_str(rest);
                }
                _ => named.push_str(piece),
            }
        }
        named
    }
}

/// A stanza of a client's stream.
pub(crate) fn parse_stanza(text: &str) -> Result<Element, String> {
    let wrapped = format!("<stream xmlns='jabber:client'>{text}</stream>");
    let stream = parse_document(&wrapped, LIMITS).map_err(|error| format!("{error}: {text}"))?;
    let stanza = stream.children().next().cloned();
    stanza.ok_or_else(|| format!("no stanza: {text}"))
}
