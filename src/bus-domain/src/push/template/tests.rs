use super::*;

struct AnOrder;

impl Fields for AnOrder {
    fn text(&self, field: &Field) -> Option<String> {
        let text = match field {
            Field::Node => "orders",
            Field::Attribute(name) if name == "subject" => "a {b}",
            Field::Data(path) if path == &["order", "id"] => "7",
            Field::Data(path) if path == &["long"] => return Some("é".repeat(600)),
            Field::Xml { path, attribute: Some(name) } if path == &["a", "b"] && name == "c" => "d",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

fn text(source: &str) -> TemplateText {
    source.parse().unwrap()
}

fn rendered(source: &str) -> Result<String, MissingField> {
    text(source).render(&AnOrder)
}

#[test]
fn placeholders_become_what_the_event_has_and_defaults_what_it_has_not() {
    for (source, expected) in [
        ("", ""),
        ("plain", "plain"),
        ("{{{node}}}", "{orders}"),
        ("{event.subject}: {data.order.id}", "a {b}: 7"),
        ("{xml.a.b.@c}{ node }", "dorders"),
        ("{data.none|?} {data.none|} {event.subject|unused}", "?  a {b}"),
    ] {
        assert_eq!(rendered(source).as_deref(), Ok(expected), "{source}");
    }
    let missing = |field: &str| Err(MissingField { field: field.to_owned() });
    for field in ["data.order", "event.id", "xml.a.b", "xml.a.b.@d", "item_id", "publisher", "seq"] {
        assert_eq!(rendered(&format!("x{{{field}}}")), missing(field), "{field}");
    }
    assert_eq!(rendered("{data.long}").unwrap().len(), TemplateText::VALUE_BYTES_MAX);
}

#[test]
fn texts_that_cannot_be_are_refused_with_what_is_wrong() {
    let refused = |source: &str| source.parse::<TemplateText>().unwrap_err().to_string();
    let brace = "a brace has no partner in \"a}\"; braces themselves are written {{ and }}";
    assert_eq!(refused("a}"), brace);
    assert!(refused("{node").starts_with("a brace has no partner"));
    let unknown =
        "the placeholder {name} must be node, item_id, publisher, seq, event.NAME, data.PATH or xml.PATH";
    assert_eq!(refused("{name}"), unknown);
    let (path, name) = (|names| format!("{{data.{}}}", vec!["a"; names].join(".")), "a".repeat(64));
    assert!(path(8).parse::<TemplateText>().is_ok());
    assert!(format!("{{data.{name}.{name}}}").parse::<TemplateText>().is_ok());
    let (deep, long) = (path(9), format!("{{data.{name}a}}"));
    for source in [
        "{}",
        "{event.Subject}",
        "{data.}",
        "{data.a..b}",
        "{xml.@a}",
        "{xml.a.@}",
        "{xml.a.@b.c}",
        &deep,
        &long,
    ] {
        assert!(matches!(source.parse::<TemplateText>(), Err(TemplateError::Placeholder { .. })), "{source}");
    }
    assert!(matches!(
        "x".repeat(1_025).parse::<TemplateText>(),
        Err(TemplateError::TooLong { bytes: 1_025 })
    ));
    for longest in ["x".repeat(1_024), "{node}".repeat(16)] {
        assert!(longest.parse::<TemplateText>().is_ok(), "{longest}");
    }
    let many = "{node}".repeat(17).parse::<TemplateText>();
    assert_eq!(many, Err(TemplateError::TooManyPlaceholders { placeholders: 17 }));
}

#[test]
fn texts_are_stored_as_they_were_written() {
    let source = "\"a {event.subject|{{ }x{data.a.0}\"";
    let stored: TemplateText = serde_json::from_str(source).unwrap();
    assert_eq!(serde_json::to_string(&stored).unwrap(), source);
    assert_eq!(stored.to_string(), "a {event.subject|{{ }x{data.a.0}", "and shown so");
    assert!(serde_json::from_str::<TemplateText>("\"{\"").is_err());
}

fn template() -> Template {
    let texts = |title: &str| Texts { title: Some(text(title)), body: None };
    Template {
        texts: texts("order {data.order.id}"),
        locales: [
            ("de".to_owned(), texts("Bestellung {data.order.id}")),
            ("pt-br".to_owned(), texts("pedido")),
        ]
        .into(),
        data: [("node".to_owned(), text("{node}"))].into(),
        fallback: None,
    }
}

#[test]
fn a_device_gets_the_texts_of_its_language() {
    let title = |locale| template().render(&AnOrder, locale).unwrap().title.unwrap();
    for (locale, expected) in [
        (None, "order 7"),
        (Some("fr"), "order 7"),
        (Some("de"), "Bestellung 7"),
        (Some("de_AT"), "Bestellung 7"),
        (Some("pt-BR"), "pedido"),
        (Some("pt"), "order 7"),
        (Some("no tag"), "order 7"),
    ] {
        assert_eq!(title(locale), expected, "{locale:?}");
    }
    assert_eq!(template().render(&AnOrder, None).unwrap().data["node"], "orders");
}

#[test]
fn without_a_field_the_fallback_is_sent_or_nothing_at_all() {
    let mut template = template();
    template.data.insert("gone".to_owned(), text("{data.gone}"));
    let missing = MissingField { field: "data.gone".to_owned() };
    assert_eq!(template.render(&AnOrder, Some("de")), Err(RenderError::Missing(missing)));
    template.fallback = Some(Texts { title: Some(text("news")), body: Some(text("on {node|a node}")) });
    let message = template.render(&AnOrder, Some("de")).unwrap();
    assert_eq!((message.title.as_deref(), message.body.as_deref()), (Some("news"), Some("on orders")));
    assert!(message.data.is_empty());
}

#[test]
fn a_message_has_each_text_of_its_template() {
    let texts = Texts { title: Some(text("order {data.order.id}")), body: Some(text("{event.subject}")) };
    let message = Template { texts, ..template() }.render(&AnOrder, None).unwrap();
    assert_eq!((message.title.as_deref(), message.body.as_deref()), (Some("order 7"), Some("a {b}")));
    assert_eq!(message.data, [("node".to_owned(), "orders".to_owned())].into());
}

#[test]
fn languages_are_named_by_tags_of_35_characters_and_parts_of_8() {
    let longest = "abcdefgh-abcdefgh-abcdefgh-abcdefgh";
    for (locale, normal) in [
        ("de", "de"),
        ("pt_BR", "pt-br"),
        ("zh-Hant-TW", "zh-hant-tw"),
        ("es-419", "es-419"),
        (longest, longest),
    ] {
        assert_eq!(normal_locale(locale).as_deref(), Some(normal));
    }
    let too_long = "abcdefgh-abcdefgh-abcdefgh-abcdefg-a";
    for locale in ["", "no tag", "de-", "d\u{e9}", "abcdefghi", too_long] {
        assert_eq!(normal_locale(locale), None, "{locale}");
    }
}

#[test]
fn templates_that_cannot_be_are_refused() {
    let check = |change: fn(&mut Template)| {
        let mut template = template();
        change(&mut template);
        template.check()
    };
    assert_eq!(check(|_| {}), Ok(()));
    let fallback = check(|it| it.fallback = Some(Texts { title: Some(text("{seq|new} {{")), body: None }));
    assert_eq!(fallback, Ok(()), "it works for every event");
    assert_eq!(check(|it| *it = Template::default()), Err(TemplateError::Empty));
    let locale = check(|it| drop(it.locales.insert("DE".to_owned(), Texts::default())));
    assert_eq!(locale, Err(TemplateError::Locale { locale: "DE".to_owned() }));
    let fallback = check(|it| it.fallback = Some(Texts { title: Some(text("{event.subject}")), body: None }));
    assert_eq!(fallback, Err(TemplateError::FallbackMayMiss));
    let key = check(|it| drop(it.data.insert("aps".to_owned(), text("x"))));
    assert_eq!(key, Err(TemplateError::Message(MessageError::DataKey { key: "aps".to_owned() })));
    let most = check(|it| it.data = (0..32).map(|key| (key.to_string(), text("x"))).collect());
    assert_eq!(most, Ok(()));
    let many = check(|it| it.data = (0..33).map(|key| (key.to_string(), text("x"))).collect());
    assert_eq!(many, Err(TemplateError::TooMuchData));
    let most = check(|it| it.locales = (0..64).map(|key| (format!("a{key}"), Texts::default())).collect());
    assert_eq!(most, Ok(()));
    let many = check(|it| it.locales = (0..65).map(|key| (format!("a{key}"), Texts::default())).collect());
    assert_eq!(many, Err(TemplateError::TooManyLocales));
}

#[test]
fn a_template_is_too_long_if_it_is_so_without_any_field() {
    let keyed = |bytes: usize| {
        let data = [("k".repeat(bytes), text("{data.anything}"))].into();
        Template { data, ..template() }.check()
    };
    let bytes_max = PushMessage::FIELD_BYTES_MAX;
    assert_eq!(keyed(bytes_max), Ok(()), "the field may be empty");
    let too_long = MessageError::TooLong { field: "data", bytes: bytes_max + 1, bytes_max };
    assert_eq!(keyed(bytes_max + 1), Err(TemplateError::Message(too_long)));
}
