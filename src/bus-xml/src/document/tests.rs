use super::*;

const LIMITS: XmlLimits = XmlLimits { depth_max: 4, bytes_max: 200 };

fn refused(text: &str) -> DocumentError {
    parse_document(text, LIMITS).expect_err("must be refused")
}

#[test]
fn one_element_with_white_space_around_it_passes() {
    let root = parse_document(" <a xmlns='urn:a'><b/>text</a>\n", LIMITS).unwrap();
    assert_eq!((root.name(), root.ns().as_str(), root.text().as_str()), ("a", "urn:a", "text"));
}

#[test]
fn what_could_break_out_of_its_place_is_refused() {
    for text in [
        "",
        "text",
        "<a>",
        "<a/><b/>",
        "<a/>text",
        "</item><evil/><item>",
        "<a xmlns='urn:a'/></item>",
        "<p:a/>",
        "<a p:b=''/>",
        "<a>\u{0}</a>",
        "<a>\u{b}</a>",
        "<a>\u{fffe}</a>",
        "<a>&#0;</a>",
        "<a>&#xB;</a>",
        "<a b='&#xFFFE;'/>",
        "<a b='1' b='2'/>",
        "<a xmlns:p='urn:p' xmlns:q='urn:p' p:b='' q:b=''/>",
        "<!DOCTYPE a><a/>",
        "<?php ?><a/>",
        "<a><!-- comment --></a>",
        "<a>&unknown;</a>",
        "<a b=\"<\"/>",
    ] {
        refused(text);
    }
}

#[test]
fn the_caps_hold_exactly() {
    assert!(parse_document("<a><a><a><a/></a></a></a>", LIMITS).is_ok());
    assert!(matches!(refused("<a><a><a><a><a/></a></a></a></a>"), DocumentError::TooDeep(4)));
    let fits = format!("<a>{}</a>", "x".repeat(193));
    assert!(parse_document(&fits, LIMITS).is_ok());
    let long = format!("<a>{}</a>", "x".repeat(194));
    assert!(matches!(refused(&long), DocumentError::TooLong(200)));
    let long_attribute = format!("<a b='{}'/>", "x".repeat(300));
    assert!(matches!(refused(&long_attribute), DocumentError::TooLong(200)));
}

#[test]
fn deep_nesting_costs_no_stack() {
    let text = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    let limits = XmlLimits { depth_max: 64, bytes_max: 10_000_000 };
    assert!(matches!(parse_document(&text, limits), Err(DocumentError::TooDeep(64))));
}

#[test]
fn a_short_text_costs_no_memory_for_the_longest_one() {
    let large = XmlLimits { depth_max: 4, bytes_max: 200 * 1024 };
    let text = "<a xmlns='urn:a'/>";
    assert_eq!(options(text.as_bytes(), large).max_token_length, text.len());
    assert_eq!(options(&[b'x'; 500], LIMITS).max_token_length, LIMITS.token_bytes_max());
}

#[test]
fn a_token_that_is_all_but_the_whole_text_is_read() {
    let name = "n".repeat(90);
    for text in [
        format!("<{name}/>"),
        format!("<a>{name}</a>"),
        format!("<a b='{name}'/>"),
        format!("<a>{}</a>", "&lt;".repeat(40)),
    ] {
        assert!(parse_document(&text, LIMITS).is_ok(), "{text}");
    }
}
