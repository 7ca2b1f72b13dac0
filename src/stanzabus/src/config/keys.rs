use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;

use super::ConfigError;

/// How alike a key must be to be suggested; 1 is the same.
const SIMILARITY_MIN: f64 = 0.6;

/// Every key of the configuration with what it takes, read off its schema.
pub(super) struct KnownKeys(BTreeMap<String, KeyKind>);

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// A table of keys.
    Section,
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A list.
    List,
}

impl KnownKeys {
    /// Reads the keys off a JSON schema.
    pub(super) fn of_schema(schema: &Json) -> Self {
        let mut keys = BTreeMap::new();
        collect(schema, schema, "", &mut keys);
        Self(keys)
    }

    /// What the key takes; `None` if there is no such key.
    pub(super) fn kind(&self, key: &str) -> Option<KeyKind> {
        self.0.get(key).copied()
    }

    /// Finds a key that does not exist.
    pub(super) fn check(&self, path: &Path, table: &toml::Table) -> Result<(), ConfigError> {
        match self.first_unknown(table, "") {
            None => Ok(()),
            Some(key) => Err(self.unknown(path.display().to_string(), key)),
        }
    }

    /// The error for a key that does not exist.
    pub(super) fn unknown(&self, place: String, key: String) -> ConfigError {
        let nearest = self.nearest(&key);
        ConfigError::UnknownKey { place, key, nearest }
    }

    fn first_unknown(&self, table: &toml::Table, prefix: &str) -> Option<String> {
        table.iter().find_map(|(name, value)| {
            let key = join(prefix, name);
            match (self.0.get(&key), value) {
                (None, _) => Some(key),
                (Some(_), toml::Value::Table(inner)) => self.first_unknown(inner, &key),
                (Some(_), toml::Value::Array(entries)) => entries
                    .iter()
                    .filter_map(toml::Value::as_table)
                    .find_map(|entry| self.first_unknown(entry, &key)),
                (Some(_), _) => None,
            }
        })
    }

    fn nearest(&self, key: &str) -> Option<String> {
        let scored = self.0.keys().map(|known| (similarity(known, key), known));
        let best = scored.max_by(|left, right| left.0.total_cmp(&right.0))?;
        (best.0 >= SIMILARITY_MIN).then(|| best.1.clone())
    }
}

/// A key in the wrong section is nearly as near as a misspelt one in the right section.
fn similarity(known: &str, key: &str) -> f64 {
    let whole = strsim::normalized_damerau_levenshtein(known, key);
    let last = strsim::normalized_damerau_levenshtein(last_part(known), last_part(key));
    whole.max(last * 0.9)
}

fn last_part(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

fn collect(root: &Json, schema: &Json, prefix: &str, keys: &mut BTreeMap<String, KeyKind>) {
    let Some(properties) = schema.get("properties").and_then(Json::as_object) else { return };
    for (name, property) in properties {
        let key = join(prefix, name);
        let property = resolve(root, property);
        keys.insert(key.clone(), kind_of(property));
        // The keys of a list of tables stand right under the list's own.
        let inner = property.get("items").map_or(property, |items| resolve(root, items));
        collect(root, inner, &key, keys);
    }
}

fn resolve<'a>(root: &'a Json, schema: &'a Json) -> &'a Json {
    // A table that may be missing is written as one of two: the table, or null.
    let schema = schema.pointer("/anyOf/0").unwrap_or(schema);
    let reference = schema.get("$ref").and_then(Json::as_str).and_then(|path| path.strip_prefix('#'));
    reference.and_then(|path| root.pointer(path)).unwrap_or(schema)
}

fn kind_of(schema: &Json) -> KeyKind {
    let types = match schema.get("type") {
        Some(Json::Array(types)) => types.iter().filter_map(Json::as_str).collect(),
        Some(Json::String(one)) => vec![one.as_str()],
        _ => Vec::new(),
    };
    match types.into_iter().find(|name| *name != "null") {
        Some("object") => KeyKind::Section,
        Some("integer") => KeyKind::Integer,
        Some("boolean") => KeyKind::Boolean,
        Some("array") => KeyKind::List,
        _ => KeyKind::Text,
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}
