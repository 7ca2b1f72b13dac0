use super::*;

const LIMITS: XmlLimits = XmlLimits { depth_max: 3, bytes_max: 40 };

/// The boundaries in `text`, each with the text up to it.
fn frames(text: &str) -> Vec<(&str, Boundary)> {
    let mut framer = Framer::new(LIMITS);
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (length, boundary) = framer.advance(rest.as_bytes());
        found.push((&rest[..length], boundary));
        rest = &rest[length..];
    }
    found
}

fn check(stanza: &str, expected: Boundary) {
    let text = format!("<?xml version='1.0'?><s a='>'>{stanza}");
    let expected = vec![("<?xml version='1.0'?><s a='>'>", Boundary::StreamOpened), (stanza, expected)];
    assert_eq!(frames(&text), expected);
}

#[test]
fn a_stanza_ends_where_its_root_ends() {
    for stanza in [
        "<a/>",
        "<a></a>",
        "<a b='/>' c=\"</a>'\"/>",
        "<a><b/><c></c></a>",
        "<a>x > y</a>",
        "<a><![CDATA[</a>]]]></a>",
        "<a><!--</a>--></a>",
        "<a><?p </a>?></a>",
        "<a ></a >",
        "<a><!doctype></a>",
    ] {
        check(stanza, Boundary::StanzaEnded(stanza.len()));
    }
}

#[test]
fn an_open_stanza_needs_more() {
    for stanza in ["<", "<a", "<a>", "<a><b></b>", "<a>]]", "<a><![CDATA[</a>", "<a b='>", "<a/", " \n"] {
        check(stanza, Boundary::MoreNeeded);
    }
}

#[test]
fn white_space_between_stanzas_is_not_counted() {
    let text = "<s>    <a/>    <b/>";
    let lengths: Vec<_> = frames(text).into_iter().map(|(_, boundary)| boundary).collect();
    let expected = [Boundary::StreamOpened, Boundary::StanzaEnded(4), Boundary::StanzaEnded(4)];
    assert_eq!(lengths, expected);
}

#[test]
fn a_stanza_over_the_byte_limit_is_reported_once_and_still_has_an_end() {
    let exact = format!("<a>{}</a>", "x".repeat(33));
    check(&exact, Boundary::StanzaEnded(40));
    let over = format!("<s><a>{}</a><b/>", "x".repeat(40));
    let expected = [
        Boundary::StreamOpened,
        Boundary::OverLimit(RejectReason::TooLong),
        Boundary::StanzaEnded(47),
        Boundary::StanzaEnded(4),
    ];
    let boundaries: Vec<_> = frames(&over).into_iter().map(|(_, boundary)| boundary).collect();
    assert_eq!(boundaries, expected);
}

#[test]
fn the_depth_limit_holds_exactly() {
    check("<a><b><c/></b></a>", Boundary::StanzaEnded(18));
    let boundaries: Vec<_> = frames("<s><a><b><c><d/></c></b></a>");
    assert_eq!(boundaries[1], ("<a><b><c><d", Boundary::OverLimit(RejectReason::TooDeep)));
    assert_eq!(boundaries[2], ("/></c></b></a>", Boundary::StanzaEnded(25)));
}

#[test]
fn pieces_make_no_difference() {
    let text = "<?xml version='1.0'?><s><a b='>'><![CDATA[</a>]]></a> <b/></s>";
    let mut framer = Framer::new(LIMITS);
    let one_by_one: Vec<_> = text
        .bytes()
        .map(|byte| framer.advance(&[byte]).1)
        .filter(|found| *found != Boundary::MoreNeeded)
        .collect();
    let at_once: Vec<_> = frames(text)
        .into_iter()
        .map(|(_, found)| found)
        .filter(|found| *found != Boundary::MoreNeeded)
        .collect();
    assert_eq!(one_by_one, at_once);
    assert_eq!(at_once.len(), 3);
}
