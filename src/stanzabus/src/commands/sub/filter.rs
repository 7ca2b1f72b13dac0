//! Filters of `stanzabus sub create`, as people write them.

use bus_domain::consumer::Filter;

/// Reads an expression: `ATTRIBUTE=VALUE` with one of four signs, or JSON.
pub(crate) fn parse(text: &str) -> Result<Filter, String> {
    let filter = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| format!("is no expression: {error}"))?
    } else {
        short(text).ok_or("must be ATTRIBUTE=VALUE, with =, ^=, $= or !=, or an expression in JSON")?
    };
    filter.check().map_err(|error| error.to_string())?;
    Ok(filter)
}

fn short(text: &str) -> Option<Filter> {
    let (attribute, value) = text.split_once('=')?;
    let of = |name: &str| [(name.to_owned(), value.to_owned())].into();
    Some(match attribute.as_bytes().last()? {
        b'^' => Filter::Prefix(of(&attribute[..attribute.len() - 1])),
        b'$' => Filter::Suffix(of(&attribute[..attribute.len() - 1])),
        b'!' => Filter::Not(Box::new(Filter::Exact(of(&attribute[..attribute.len() - 1])))),
        _ => Filter::Exact(of(attribute)),
    })
}

/// All of them; `None` if there are none.
pub(super) fn all(filters: Vec<Filter>) -> Option<Filter> {
    let mut filters = filters;
    if filters.len() > 1 { Some(Filter::All(filters)) } else { filters.pop() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_stand_for_expressions() {
        for (short, json) in [
            ("type=a=b", r#"{"exact":{"type":"a=b"}}"#),
            ("type^=com.example.", r#"{"prefix":{"type":"com.example."}}"#),
            ("bus.node$=.eu", r#"{"suffix":{"bus.node":".eu"}}"#),
            ("subject!=x", r#"{"not":{"exact":{"subject":"x"}}}"#),
            (r#" {"any":[{"exact":{"a":"b"}}]}"#, r#"{"any":[{"exact":{"a":"b"}}]}"#),
        ] {
            assert_eq!(serde_json::to_string(&parse(short).unwrap()).unwrap(), json, "{short}");
        }
        for (wrong, why) in [
            ("type", "ATTRIBUTE=VALUE"),
            ("=x", "ATTRIBUTE=VALUE"),
            ("Type=x", "filter.exact must be named"),
            ("type=", "filter.exact[type] must not be empty"),
            ("{", "is no expression"),
            (r#"{"sql":"x"}"#, "unknown variant"),
        ] {
            let refused = parse(wrong).unwrap_err();
            assert!(refused.contains(why), "{wrong}: {refused}");
        }
    }

    #[test]
    fn several_must_all_hold() {
        let one = || parse("type=a").unwrap();
        assert_eq!((all(vec![]), all(vec![one()])), (None, Some(one())));
        assert_eq!(all(vec![one(), one()]), Some(Filter::All(vec![one(), one()])));
    }
}
