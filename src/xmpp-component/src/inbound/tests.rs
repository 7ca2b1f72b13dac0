use super::*;

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
                      xmlns:stream='http://etherx.jabber.org/streams' id='i&amp;d'>";
const LIMITS: XmlLimits = XmlLimits { depth_max: 64, bytes_max: 100_000 };

fn read(stream: &str, piece_bytes: usize) -> (Vec<StreamItem>, Result<(), DownReason>) {
    let mut reader = StreamReader::new(LIMITS);
    let mut items = VecDeque::new();
    let fed = stream.as_bytes().chunks(piece_bytes).try_for_each(|piece| reader.feed(piece, &mut items));
    (items.into(), fed)
}

/// What follows the header in a stream that reads without a fault.
fn stanzas(body: &str, piece_bytes: usize) -> Vec<StreamItem> {
    let (mut items, fed) = read(&format!("{HEADER}{body}"), piece_bytes);
    fed.unwrap();
    assert_eq!(items.remove(0), StreamItem::Opened { id: "i&d".to_owned() });
    items
}

fn head_of(item: &StreamItem) -> (&str, RejectReason) {
    match item {
        StreamItem::Rejected { head: Some(head), reason } => {
            assert_eq!(head.nodes().count(), 0);
            (head.attr("id").unwrap(), *reason)
        }
        other => panic!("{other:?}"),
    }
}

fn is_last(items: &[StreamItem]) -> bool {
    matches!(items.last(), Some(StreamItem::Element(element, 16)) if element.is("iq", "jabber:component:accept"))
}

#[test]
fn a_stream_is_the_same_in_any_pieces() {
    let body = "<iq id='a'><q xmlns='urn:q'>t&lt;</q></iq> \n<message/></stream:stream>";
    let whole = stanzas(body, usize::MAX);
    assert_eq!(whole.len(), 3);
    assert_eq!(whole[2], StreamItem::Closed);
    for piece_bytes in [1, 2, 3, 7] {
        assert_eq!(stanzas(body, piece_bytes), whole);
    }
}

#[test]
fn a_deep_stanza_is_rejected_in_little_time_and_the_next_is_read() {
    for depth in [65, 3_000, 20_000] {
        let body = format!("<iq id='d'>{}{}</iq><iq id='after'/>", "<a>".repeat(depth), "</a>".repeat(depth));
        let items = stanzas(&body, 4096);
        let reason = if depth == 65 { RejectReason::TooDeep } else { head_of(&items[0]).1 };
        assert_eq!(head_of(&items[0]), ("d", reason));
        assert_eq!(reason, RejectReason::TooDeep);
        assert!(is_last(&items));
    }
}

#[test]
fn a_long_stanza_is_rejected_whatever_makes_it_long() {
    let long = "x".repeat(200_000);
    let many_attributes = (0..20_000).fold(String::new(), |text, number| text + &format!("a{number}='' "));
    for stanza in [
        format!("<iq id='l'>{long}</iq>"),
        format!("<iq id='l'><a b='{long}'/></iq>"),
        format!("<iq id='l'><a{long}/></iq>"),
        format!("<iq id='l'>{}</iq>", "<a/>".repeat(50_000)),
        format!("<iq id='l'><![CDATA[{long}</iq>]]></iq>"),
        format!("<iq id='l'><a {many_attributes}/></iq>"),
    ] {
        let items = stanzas(&format!("{stanza}<iq id='after'/>"), 4096);
        assert_eq!(head_of(&items[0]), ("l", RejectReason::TooLong));
        assert!(is_last(&items), "{:?}", items.last());
    }
}

#[test]
fn the_byte_limit_holds_exactly() {
    for (over, is_rejected) in [(0, false), (1, true), (2, true)] {
        let stanza = format!("<iq id='l'>{}</iq>", "x".repeat(LIMITS.bytes_max - 16 + over));
        let items = stanzas(&format!("{stanza}<iq id='after'/>"), 4096);
        assert_eq!(matches!(items[0], StreamItem::Rejected { .. }), is_rejected, "{over} bytes over");
        assert!(is_last(&items));
    }
}

#[test]
fn a_start_tag_that_is_too_long_itself_is_rejected_without_a_head() {
    let items = stanzas(&format!("<iq id='{}'/><iq id='after'/>", "x".repeat(200_000)), 4096);
    assert_eq!(items[0], StreamItem::Rejected { head: None, reason: RejectReason::TooLong });
    assert!(is_last(&items));
}

#[test]
fn names_that_namespaces_forbid_cost_their_stanza_only() {
    for child in [
        "<a p:b=''/>",
        "<p:a/>",
        "<a xmlns:p='urn:p' xmlns:q='urn:p' p:b='' q:b=''/>",
        "<a b='' b=''/>",
        "<a:b:c xmlns:a='urn:a'/>",
        "<a :b=''/>",
        "<a b:=''/>",
        "<a xmlns:b='urn:b' b:1=''/>",
        "<a xmlns:p=''/>",
        "<a xmlns:xml='urn:p'/>",
        "<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>",
    ] {
        for piece_bytes in [1, 7, usize::MAX] {
            let stanza = format!("<iq id='l'><x>{child}<y>&lt;<![CDATA[</iq>]]></y></x></iq>");
            let items = stanzas(&format!("{stanza}<iq id='after'/>"), piece_bytes);
            assert_eq!(head_of(&items[0]), ("l", RejectReason::Misnamed), "{child} by {piece_bytes}");
            assert!(is_last(&items), "{child} by {piece_bytes}: {:?}", items.last());
            let items = stanzas(&format!("{child}<iq id='after'/>"), piece_bytes);
            assert_eq!(items[0], StreamItem::Rejected { head: None, reason: RejectReason::Misnamed });
            assert!(is_last(&items), "{child} by {piece_bytes}: {:?}", items.last());
        }
    }
}

#[test]
fn an_attribute_of_nine_thousand_bytes_is_nothing_special() {
    let items = stanzas(&format!("<iq id='{}'/>", "x".repeat(9_000)), 4096);
    assert!(
        matches!(&items[0], StreamItem::Element(element, 9_011) if element.attr("id").unwrap().len() == 9_000)
    );
}

#[test]
fn keep_alives_do_not_count_against_a_stanza() {
    let items = stanzas(&format!("{}<iq id='after'/>", " ".repeat(300_000)), 4096);
    assert!(is_last(&items));
}

#[test]
fn what_is_no_stream_is_told_apart_from_a_broken_one() {
    let (_, fed) = read("HTTP/1.1 400 Bad Request\r\n", usize::MAX);
    assert!(matches!(fed, Err(DownReason::NotAStream)));
    let (_, fed) = read("<stream xmlns='urn:other'>", usize::MAX);
    assert!(matches!(fed, Err(DownReason::NotAStream)));
    let (_, fed) = read(&format!("<s a='{}", "x".repeat(20_000)), 4096);
    assert!(matches!(fed, Err(DownReason::NotAStream)));
    let (items, fed) = read(&format!("{HEADER}<iq/></iq>"), usize::MAX);
    assert!(matches!(fed, Err(DownReason::NotWellFormed(_))));
    assert_eq!(items.len(), 2, "what stood before the fault was read");
}

#[test]
fn a_rejected_stanza_must_end_some_time() {
    let body = format!("{HEADER}<iq id='l'>{}", "x".repeat(LIMITS.bytes_max * (REJECTED_STANZAS_LONG + 1)));
    let (_, fed) = read(&body, 4096);
    assert!(matches!(fed, Err(DownReason::EndlessStanza)));
}

#[test]
fn nothing_is_read_behind_the_end_of_the_stream() {
    assert_eq!(stanzas("</stream:stream><iq/>", usize::MAX), [StreamItem::Closed]);
}
