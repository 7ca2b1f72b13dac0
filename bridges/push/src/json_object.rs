use serde_json::{Map, Value};

use crate::Unfit;

/// A JSON object in a field of a message.
pub(crate) fn parse(field: &'static str, text: &str) -> Result<Map<String, Value>, Unfit> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Unfit::NotAnObject { field, problem: None }),
        Err(error) => Err(Unfit::NotAnObject { field, problem: Some(error.to_string()) }),
    }
}

/// Puts the members of `above` over those of `below`; objects are merged, all else is replaced. `serde_json` bounds their
/// depth.
pub(crate) fn merge(below: &mut Map<String, Value>, above: Map<String, Value>) {
    for (name, value) in above {
        match (below.get_mut(&name), value) {
            (Some(Value::Object(below)), Value::Object(above)) => merge(below, above),
            (_, value) => {
                below.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_merged_and_all_else_is_replaced() {
        let mut below = parse("a", r#"{"android":{"ttl":"5s","priority":"HIGH"},"data":{"a":"1"}}"#).unwrap();
        merge(&mut below, parse("b", r#"{"android":{"ttl":"6s"},"data":[],"new":1}"#).unwrap());
        let expected = r#"{"android":{"priority":"HIGH","ttl":"6s"},"data":[],"new":1}"#;
        assert_eq!(Value::Object(below), serde_json::from_str::<Value>(expected).unwrap());
    }

    #[test]
    fn what_is_no_object_is_named() {
        assert_eq!(parse("f", "[]").unwrap_err().to_string(), "f must be a JSON object");
        assert!(parse("f", "{").unwrap_err().to_string().starts_with("f must be a JSON object: EOF"));
    }
}
