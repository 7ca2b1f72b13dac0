//! Which nodes a consumer reads: names with dots as levels, where `*` stands for one level and a `>` at the end for one
//! or more.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{NodeName, TextError};

/// The name of a node, or a pattern of names: `orders.*.created`, `orders.>`. A level that is more than the sign itself is
/// compared as it is: `a*` is a name.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodePattern(Arc<str>);

impl NodePattern {
    /// Checks length and characters, which are those of a node's name.
    pub fn new(text: &str) -> Result<Self, TextError> {
        NodeName::new(text)?;
        Ok(Self(text.into()))
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The one name that it stands for, if it has no wildcards.
    pub fn exact(&self) -> Option<NodeName> {
        let has_wildcard = self.0.split('.').any(|level| level == "*") || self.tail().is_some();
        if has_wildcard { None } else { NodeName::new(&self.0).ok() }
    }

    /// What the names begin with that it stands for.
    pub fn literal_prefix(&self) -> &str {
        let mut end = 0;
        for level in self.0.split_inclusive('.') {
            if matches!(level, "*" | "*." | ">") {
                return &self.0[..end];
            }
            end += level.len();
        }
        &self.0
    }

    /// Whether it stands for this name.
    pub fn matches(&self, name: &NodeName) -> bool {
        let Some(prefix) = self.tail() else { return same_levels(&self.0, name.as_str()) };
        let levels = prefix.split('.').filter(|_| !prefix.is_empty()).count();
        let mut rest = name.as_str();
        for _ in 0..levels {
            match rest.split_once('.') {
                Some((_, behind)) => rest = behind,
                None => return false,
            }
        }
        let head = &name.as_str()[..name.as_str().len() - rest.len()];
        levels == 0 || same_levels(prefix, head.strip_suffix('.').unwrap_or(head))
    }

    /// What stands in front of a `>` at the end, without its dot.
    fn tail(&self) -> Option<&str> {
        let prefix = self.0.strip_suffix('>')?;
        if prefix.is_empty() { Some(prefix) } else { prefix.strip_suffix('.') }
    }
}

fn same_levels(pattern: &str, name: &str) -> bool {
    let (mut wanted, mut found) = (pattern.split('.'), name.split('.'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some(wanted), Some(found)) if wanted == "*" || wanted == found => {}
            _ => return false,
        }
    }
}

impl TryFrom<String> for NodePattern {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<NodePattern> for String {
    fn from(pattern: NodePattern) -> Self {
        pattern.0.as_ref().to_owned()
    }
}

impl fmt::Display for NodePattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for NodePattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, out)
    }
}
