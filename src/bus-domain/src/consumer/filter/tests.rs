use super::*;

/// An event with these attributes.
struct Sample<'a>(&'a [(&'a str, &'a str)]);

impl Attributes for Sample<'_> {
    fn text(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned())
    }
}

fn filter(json: &str) -> Filter {
    serde_json::from_str(json).unwrap()
}

fn refused(filter: &Filter) -> (String, FilterProblem) {
    let FilterError { path, problem } = filter.check().expect_err("it is refused");
    (path, problem)
}

#[test]
fn each_dialect_means_what_the_specification_says() {
    let event = Sample(&[("type", "com.example.made"), ("source", "/shop"), ("bus.node", "orders.eu")]);
    for (json, expected) in [
        (r#"{"exact":{"type":"com.example.made"}}"#, true),
        (r#"{"exact":{"type":"com.example"}}"#, false),
        (r#"{"exact":{"type":"com.example.made","source":"/shop"}}"#, true),
        (r#"{"exact":{"type":"com.example.made","source":"/"}}"#, false),
        (r#"{"exact":{"subject":"x"}}"#, false),
        (r#"{"prefix":{"type":"com.example."}}"#, true),
        (r#"{"prefix":{"type":"example."}}"#, false),
        (r#"{"suffix":{"type":".made"}}"#, true),
        (r#"{"suffix":{"type":"com."}}"#, false),
        (r#"{"suffix":{"bus.node":".eu"}}"#, true),
        (r#"{"all":[{"exact":{"source":"/shop"}},{"suffix":{"type":".made"}}]}"#, true),
        (r#"{"all":[{"exact":{"source":"/shop"}},{"suffix":{"type":".gone"}}]}"#, false),
        (r#"{"any":[{"exact":{"source":"/"}},{"suffix":{"type":".made"}}]}"#, true),
        (r#"{"any":[{"exact":{"source":"/"}},{"suffix":{"type":".gone"}}]}"#, false),
        (r#"{"not":{"exact":{"source":"/"}}}"#, true),
        (r#"{"not":{"exact":{"subject":"what is not there is not this"}}}"#, true),
        (r#"{"not":{"exact":{"source":"/shop"}}}"#, false),
    ] {
        let filter = filter(json);
        assert_eq!(filter.check(), Ok(()), "{json}");
        assert_eq!(filter.matches(&event), expected, "{json}");
        let stored = serde_json::to_string(&filter).unwrap();
        assert_eq!(serde_json::from_str::<Filter>(&stored).unwrap(), filter, "{stored}");
    }
}

#[test]
fn what_can_hold_for_no_event_is_refused_where_it_stands() {
    for (json, path, problem) in [
        (r#"{"exact":{}}"#, "", FilterProblem::Empty),
        (r#"{"all":[]}"#, "", FilterProblem::Empty),
        (r#"{"not":{"any":[]}}"#, ".not", FilterProblem::Empty),
        (r#"{"exact":{"Type":"x"}}"#, ".exact", FilterProblem::Name),
        (r#"{"exact":{"":"x"}}"#, ".exact", FilterProblem::Name),
        (r#"{"exact":{"bus.seq":"x"}}"#, ".exact", FilterProblem::Name),
        (
            r#"{"all":[{"exact":{"a":"b"}},{"prefix":{"type":""}}]}"#,
            ".all[1].prefix[type]",
            FilterProblem::Value(TextError::Empty),
        ),
        (
            r#"{"suffix":{"type":"\u0000"}}"#,
            ".suffix[type]",
            FilterProblem::Value(TextError::ForbiddenCharacter { code_point: 0 }),
        ),
    ] {
        assert_eq!(refused(&filter(json)), (path.to_owned(), problem), "{json}");
    }
    for not_one in
        [r#"{"sql":"x"}"#, r#"{"exact":{"a":"b"},"prefix":{"a":"b"}}"#, "{}", r#"{"exact":{"a":1}}"#]
    {
        assert!(serde_json::from_str::<Filter>(not_one).is_err(), "{not_one}");
    }
}

#[test]
fn a_filter_is_bounded_in_depth_terms_and_bytes() {
    let values = |range: std::ops::Range<usize>, bytes| {
        Filter::Exact(range.map(|number| (format!("a{number}"), "v".repeat(bytes))).collect())
    };
    let around: [(_, fn(_) -> _); 3] = [
        (".not", |inner| Filter::Not(Box::new(inner))),
        (".all[0]", |inner| Filter::All(vec![inner])),
        (".any[0]", |inner| Filter::Any(vec![inner])),
    ];
    for (step, around) in around {
        let nested = |levels: usize| (1..levels).fold(values(0..1, 1), |inner, _| around(inner));
        assert_eq!(nested(DEPTH_MAX).check(), Ok(()), "{step}");
        assert_eq!(refused(&nested(DEPTH_MAX + 1)), (step.repeat(DEPTH_MAX), FilterProblem::TooDeep));
    }
    assert_eq!(values(0..TERMS_MAX - 1, 1).check(), Ok(()));
    assert_eq!(refused(&values(0..TERMS_MAX, 1)), (String::new(), FilterProblem::TooManyTerms));
    let beside = |bytes| Filter::All(vec![values(10..25, VALUE_BYTES_MAX), values(25..26, bytes)]);
    let rest = BYTES_MAX - 15 * ("a10".len() + VALUE_BYTES_MAX) - "a25".len();
    assert_eq!(beside(rest).check(), Ok(()));
    assert_eq!(refused(&beside(rest + 1)), (String::new(), FilterProblem::TooLong));
    let too_long = FilterProblem::Value(TextError::TooLong { bytes_max: VALUE_BYTES_MAX });
    assert_eq!(refused(&values(0..1, VALUE_BYTES_MAX + 1)), (".exact[a0]".to_owned(), too_long));
}
