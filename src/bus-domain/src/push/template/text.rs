use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::field::{Field, Fields};
use super::{MissingField, TemplateError};

/// A text with placeholders: `Order {data.order.id} of {event.subject|somebody}`. What stands behind `|` is used when the
/// event has no such field; `{{` and `}}` are braces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TemplateText {
    source: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Placeholder { field: Field, default: Option<String> },
}

impl TemplateText {
    /// Bytes of a text.
    pub const BYTES_MAX: usize = 1_024;
    /// Placeholders in a text.
    pub const PLACEHOLDERS_MAX: usize = 16;
    /// Bytes that one field may put into a text; what is longer is cut.
    pub const VALUE_BYTES_MAX: usize = 1_024;

    /// The text for an event.
    ///
    /// # Errors
    /// The first field without a text and a default.
    pub fn render(&self, fields: &dyn Fields) -> Result<String, MissingField> {
        let mut rendered = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => rendered.push_str(text),
                Part::Placeholder { field, default } => match (fields.text(field), default) {
                    (Some(text), _) => {
                        rendered.push_str(&text[..text.floor_char_boundary(Self::VALUE_BYTES_MAX)]);
                    }
                    (None, Some(default)) => rendered.push_str(default),
                    (None, None) => return Err(MissingField { field: field.to_string() }),
                },
            }
        }
        Ok(rendered)
    }

    /// Whether there are events for which it has no text.
    pub fn may_miss(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Placeholder { default: None, .. }))
    }
}

impl FromStr for TemplateText {
    type Err = TemplateError;

    fn from_str(source: &str) -> Result<Self, TemplateError> {
        if source.len() > Self::BYTES_MAX {
            return Err(TemplateError::TooLong { bytes: source.len() });
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = source;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(behind) = rest.strip_prefix(brace) {
                literal.push_str(brace);
                rest = behind;
                continue;
            }
            let Some((inside, behind)) = rest.split_once('}').filter(|_| brace == "{") else {
                return Err(TemplateError::Brace { text: source.to_owned() });
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(placeholder(inside)?);
            rest = behind;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        let placeholders = parts.iter().filter(|part| matches!(part, Part::Placeholder { .. })).count();
        if placeholders > Self::PLACEHOLDERS_MAX {
            return Err(TemplateError::TooManyPlaceholders { placeholders });
        }
        Ok(Self { source: source.to_owned(), parts })
    }
}

fn placeholder(inside: &str) -> Result<Part, TemplateError> {
    let (name, default) = match inside.split_once('|') {
        Some((name, default)) => (name, Some(default.to_owned())),
        None => (inside, None),
    };
    let name = name.trim();
    let field = Field::parse(name)
        .map_err(|expected| TemplateError::Placeholder { placeholder: name.to_owned(), expected })?;
    Ok(Part::Placeholder { field, default })
}

impl TryFrom<String> for TemplateText {
    type Error = TemplateError;

    fn try_from(source: String) -> Result<Self, TemplateError> {
        source.parse()
    }
}

impl From<TemplateText> for String {
    fn from(text: TemplateText) -> Self {
        text.source
    }
}

impl fmt::Display for TemplateText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.source)
    }
}
