use std::fmt;

/// Where a placeholder takes its text from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// `node`: the name of the node.
    Node,
    /// `item_id`: the id of the item.
    ItemId,
    /// `publisher`: the address of whoever published it.
    Publisher,
    /// `seq`: the position in the node's log.
    Seq,
    /// `event.NAME`: an attribute of the `CloudEvent`, of the specification or an extension.
    Attribute(String),
    /// `data.NAME.NAME`: members of the `CloudEvent`'s JSON data; a number picks from an array, counted from 0.
    Data(Vec<String>),
    /// `xml.ROOT.NAME.NAME`: elements of the XML payload by their local names, each the first of its name.
    Xml {
        /// The names, that of the payload's own element first.
        path: Vec<String>,
        /// `@NAME` at the end: an attribute of the last element, in place of its text.
        attribute: Option<String>,
    },
}

/// Names in a path.
const DEPTH_MAX: usize = 8;
/// Bytes of one name.
const NAME_BYTES_MAX: usize = 64;

/// What an event has for placeholders.
pub trait Fields {
    /// The text of a field, if it is there and has one: numbers and booleans as JSON writes them, no objects, arrays and
    /// nulls.
    fn text(&self, field: &Field) -> Option<String>;
}

impl Field {
    /// Reads what stands in a placeholder.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        match text.split_once('.') {
            None => match text {
                "node" => Ok(Self::Node),
                "item_id" => Ok(Self::ItemId),
                "publisher" => Ok(Self::Publisher),
                "seq" => Ok(Self::Seq),
                _ => Err("must be node, item_id, publisher, seq, event.NAME, data.PATH or xml.PATH"),
            },
            Some(("event", name)) if is_attribute_name(name) => Ok(Self::Attribute(name.to_owned())),
            Some(("event", _)) => Err("names of attributes have 1 to 64 characters of a-z and 0-9"),
            Some(("data", path)) => names(path).map(Self::Data),
            Some(("xml", path)) => {
                let mut path = names(path)?;
                let attribute = path.pop_if(|last| last.starts_with('@'));
                let attribute = attribute.map(|last| last[1..].to_owned());
                if path.is_empty() || attribute.as_ref().is_some_and(String::is_empty) {
                    return Err("a path of XML begins with the name of the payload's element");
                }
                if path.iter().any(|name| name.starts_with('@')) {
                    return Err("an attribute (@NAME) ends a path of XML");
                }
                Ok(Self::Xml { path, attribute })
            }
            Some(_) => Err("must begin with event., data. or xml."),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node => out.write_str("node"),
            Self::ItemId => out.write_str("item_id"),
            Self::Publisher => out.write_str("publisher"),
            Self::Seq => out.write_str("seq"),
            Self::Attribute(name) => write!(out, "event.{name}"),
            Self::Data(path) => write!(out, "data.{}", path.join(".")),
            Self::Xml { path, attribute: None } => write!(out, "xml.{}", path.join(".")),
            Self::Xml { path, attribute: Some(name) } => write!(out, "xml.{}.@{name}", path.join(".")),
        }
    }
}

fn names(path: &str) -> Result<Vec<String>, &'static str> {
    let names: Vec<String> = path.split('.').take(DEPTH_MAX + 1).map(str::to_owned).collect();
    if names.len() > DEPTH_MAX {
        return Err("a path has 8 names at most");
    }
    if names.iter().any(|name| name.is_empty() || name.len() > NAME_BYTES_MAX) {
        return Err("names in a path have 1 to 64 bytes");
    }
    Ok(names)
}

fn is_attribute_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain)
}
