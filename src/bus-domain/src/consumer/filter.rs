//! Which events a consumer hands out: an expression over their attributes, in the filter dialects of the CloudEvents
//! Subscriptions API 1.0 (§3.2.4), without its SQL.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::text::{TextError, check_text};

/// An expression. Stored, and written by people, in the JSON of the specification: `{"exact":{"type":"com.example.made"}}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// Each of the attributes is there, and is this.
    Exact(BTreeMap<String, String>),
    /// Each of the attributes is there, and begins with this.
    Prefix(BTreeMap<String, String>),
    /// Each of the attributes is there, and ends with this.
    Suffix(BTreeMap<String, String>),
    /// All of them hold.
    All(Vec<Filter>),
    /// At least one of them holds.
    Any(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
}

/// What an event has for a filter.
pub trait Attributes {
    /// The canonical text of an attribute of the event as a `CloudEvent`, or of one of [`BUS_ATTRIBUTES`]; `None` if it is
    /// not there.
    fn text(&self, name: &str) -> Option<String>;
}

/// What the bus knows of each event beside its attributes as a `CloudEvent`, whose names have no dots: the name of the node,
/// the id of the item, and the bare address of whoever has published it.
pub const BUS_ATTRIBUTES: [&str; 3] = ["bus.node", "bus.item_id", "bus.publisher"];

/// Levels of one filter.
pub const DEPTH_MAX: usize = 8;
/// Expressions and attributes of one filter, counted together.
pub const TERMS_MAX: usize = 128;
/// Bytes of one value.
pub const VALUE_BYTES_MAX: usize = 1_024;
/// Bytes of all names and values of one filter.
pub const BYTES_MAX: usize = 16 * 1_024;
/// Bytes of one attribute's name.
const NAME_BYTES_MAX: usize = 64;

/// What is wrong with a filter, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("filter{path} {problem}")]
pub struct FilterError {
    /// The part of it, as a path of fields: `.all[0].exact[type]`. Empty for all of it.
    pub path: String,
    /// What is wrong there.
    pub problem: FilterProblem,
}

/// What is wrong with a part of a filter.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FilterProblem {
    /// It has no dialect, attributes or expressions.
    #[error("must say something: exactly one dialect, with at least one attribute or expression")]
    Empty,
    /// Expressions within expressions.
    #[error("has more than {DEPTH_MAX} levels")]
    TooDeep,
    /// It is too long.
    #[error("has more than {TERMS_MAX} expressions and attributes")]
    TooManyTerms,
    /// It is too long.
    #[error("has more than {BYTES_MAX} bytes of names and values")]
    TooLong,
    /// An attribute that no event can have.
    #[error(
        "must be named by 1 to 64 characters of a-z and 0-9, as attributes of CloudEvents are, or be bus.node, bus.item_id \
         or bus.publisher"
    )]
    Name,
    /// A value that no attribute can have.
    #[error("{0}")]
    Value(TextError),
}

impl Filter {
    /// Whether an event passes.
    pub fn matches(&self, event: &impl Attributes) -> bool {
        let each = |values: &BTreeMap<String, String>, holds: fn(&str, &str) -> bool| {
            values.iter().all(|(name, value)| event.text(name).is_some_and(|text| holds(&text, value)))
        };
        match self {
            Self::Exact(values) => each(values, |text, value| text == value),
            Self::Prefix(values) => each(values, |text, value| text.starts_with(value)),
            Self::Suffix(values) => each(values, |text, value| text.ends_with(value)),
            Self::All(filters) => filters.iter().all(|filter| filter.matches(event)),
            Self::Any(filters) => filters.iter().any(|filter| filter.matches(event)),
            Self::Not(filter) => !filter.matches(event),
        }
    }

    /// Checks that it is bounded, and that each part of it can hold for some event.
    ///
    /// # Errors
    /// [`FilterError`], for the first part that is wrong.
    pub fn check(&self) -> Result<(), FilterError> {
        self.check_at("", 1, &mut Seen::default())
    }

    fn check_at(&self, path: &str, depth: usize, seen: &mut Seen) -> Result<(), FilterError> {
        let wrong = |problem| Err(FilterError { path: path.to_owned(), problem });
        if depth > DEPTH_MAX {
            return wrong(FilterProblem::TooDeep);
        }
        seen.count(0)?;
        match self {
            Self::Exact(values) | Self::Prefix(values) | Self::Suffix(values) if values.is_empty() => {
                wrong(FilterProblem::Empty)
            }
            Self::All(filters) | Self::Any(filters) if filters.is_empty() => wrong(FilterProblem::Empty),
            Self::Exact(values) => check_values(&format!("{path}.exact"), values, seen),
            Self::Prefix(values) => check_values(&format!("{path}.prefix"), values, seen),
            Self::Suffix(values) => check_values(&format!("{path}.suffix"), values, seen),
            Self::All(filters) => check_each(&format!("{path}.all"), filters, depth, seen),
            Self::Any(filters) => check_each(&format!("{path}.any"), filters, depth, seen),
            Self::Not(filter) => filter.check_at(&format!("{path}.not"), depth + 1, seen),
        }
    }
}

/// How much of a filter was looked at.
#[derive(Default)]
struct Seen {
    terms: usize,
    bytes: usize,
}

impl Seen {
    fn count(&mut self, bytes: usize) -> Result<(), FilterError> {
        self.terms += 1;
        self.bytes += bytes;
        let problem = match (self.terms > TERMS_MAX, self.bytes > BYTES_MAX) {
            (true, _) => FilterProblem::TooManyTerms,
            (_, true) => FilterProblem::TooLong,
            _ => return Ok(()),
        };
        // No part of it alone is at fault.
        Err(FilterError { path: String::new(), problem })
    }
}

fn check_each(path: &str, filters: &[Filter], depth: usize, seen: &mut Seen) -> Result<(), FilterError> {
    let mut parts = filters.iter().enumerate();
    parts.try_for_each(|(index, filter)| filter.check_at(&format!("{path}[{index}]"), depth + 1, seen))
}

fn check_values(path: &str, values: &BTreeMap<String, String>, seen: &mut Seen) -> Result<(), FilterError> {
    for (name, value) in values {
        if !is_attribute(name) {
            return Err(FilterError { path: path.to_owned(), problem: FilterProblem::Name });
        }
        let path = format!("{path}[{name}]");
        check_text(value, VALUE_BYTES_MAX)
            .map_err(|problem| FilterError { path: path.clone(), problem: FilterProblem::Value(problem) })?;
        seen.count(name.len() + value.len())?;
    }
    Ok(())
}

fn is_attribute(name: &str) -> bool {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    BUS_ATTRIBUTES.contains(&name) || is_plain && (1..=NAME_BYTES_MAX).contains(&name.len())
}

#[cfg(test)]
mod tests;
