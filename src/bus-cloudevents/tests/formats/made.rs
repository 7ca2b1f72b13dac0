//! Events that follow from a seed.

use std::collections::HashMap;

use bus_cloudevents::protobuf::v1::CloudEvent;
use bus_cloudevents::protobuf::v1::cloud_event::cloud_event_attribute_value::Attr;
use bus_cloudevents::protobuf::v1::cloud_event::{CloudEventAttributeValue, Data};
use prost_types::{Any, Timestamp};

/// Numbers that follow from a seed: `SplitMix64` (Steele, Lea, Flood).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("it is below a usize")
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// Text of pieces that are hard on one format or another.
    fn text(&mut self, pieces: &[&str]) -> String {
        (0..self.below(6)).map(|_| self.pick(pieces)).collect()
    }

    fn attribute_text(&mut self) -> String {
        self.text(&[
            "a", " ", "<b/>", "&amp;", "'", "\"", "%20", "\\", "é", "💡", "]]>", "\u{a0}", "\u{2028}", "{}",
            ",",
        ])
    }

    fn data_text(&mut self) -> String {
        let any = [
            "a", "\r\n", "\n", "\t", " ", "\0", "\u{b}", "<b>", "&", "]]>", "\"", "\u{fffe}", "\u{85}", "💡",
        ];
        self.text(&any)
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..self.below(9)).map(|_| self.next().to_be_bytes()[0]).collect()
    }
}

const URIS: [&str; 4] = ["urn:a", "https://example.org/a?b=%20&c='d'", "x+y.1-z:", "http://[::1]:80/a;b#c"];
const REFERENCES: [&str; 4] = ["/a/b", "a", "//host/p", "?q#f"];
const XML: [&str; 3] = [
    "<a xmlns=''/>",
    "<a xmlns='urn:a' b='&lt;'>x<c xmlns=''/> y</a>",
    "<?xml version='1.0'?><x:a xmlns:x='urn:x'/>",
];
const JSON: [&str; 6] = ["null", "\"text\"", "{\"a\": 1.50e3,\n \"b\":[ ]}", "true", "-0", "{not JSON"];

/// An event as its publisher may make it; everything in it is of the type that the specification gives it.
pub(crate) fn message(seed: u64) -> CloudEvent {
    let random = &mut Random(seed);
    let mut attributes = HashMap::new();
    for index in 0..random.below(9) {
        attributes.insert(format!("x{index}"), value(random));
    }
    if random.below(2) == 0 {
        attributes.insert("time".to_owned(), Attr::CeTimestamp(moment(random)));
    }
    if random.below(2) == 0 {
        attributes.insert("subject".to_owned(), Attr::CeString(format!("s{}", random.attribute_text())));
    }
    if random.below(2) == 0 {
        attributes.insert("dataschema".to_owned(), Attr::CeUri(random.pick(&URIS).to_owned()));
    }
    let (data, content_types): (_, &[&str]) = match random.below(6) {
        0 => (None, &["text/plain"]),
        1 => (Some(Data::BinaryData(random.bytes())), &["image/png", "application/json", "text/xml"]),
        2 => (Some(Data::TextData(random.data_text())), &["text/plain; charset=utf-8", "application/json"]),
        3 => (
            Some(Data::TextData(random.pick(&XML).to_owned())),
            &["application/xml", "image/svg+xml", "text/plain"],
        ),
        4 => (Some(Data::TextData(random.pick(&JSON).to_owned())), &["application/json", "a/b+json"]),
        _ => {
            let type_url = format!("type.example/{}'<", random.below(9));
            (Some(Data::ProtoData(Any { type_url, value: random.bytes() })), &["application/protobuf"])
        }
    };
    if random.below(3) > 0 {
        let content_type = random.pick(content_types).to_owned();
        attributes.insert("datacontenttype".to_owned(), Attr::CeString(content_type));
    }
    let value = |(name, attr)| (name, CloudEventAttributeValue { attr: Some(attr) });
    CloudEvent {
        id: format!("{}i", random.attribute_text()),
        source: if random.below(2) == 0 { random.pick(&URIS) } else { random.pick(&REFERENCES) }.to_owned(),
        spec_version: "1.0".to_owned(),
        r#type: format!("t{}", random.attribute_text()),
        attributes: attributes.into_iter().map(value).collect(),
        data,
    }
}

fn value(random: &mut Random) -> Attr {
    match random.below(7) {
        0 => Attr::CeBoolean(random.below(2) == 0),
        1 => Attr::CeInteger([0, -1, 7, i32::MIN, i32::MAX][random.below(5)]),
        2 => Attr::CeString(random.attribute_text()),
        3 => Attr::CeBytes(random.bytes()),
        4 => Attr::CeUri(random.pick(&URIS).to_owned()),
        5 => Attr::CeUriRef(random.pick(&REFERENCES).to_owned()),
        _ => Attr::CeTimestamp(moment(random)),
    }
}

fn moment(random: &mut Random) -> Timestamp {
    let seconds = [0, -1, -62_135_596_800, 253_402_300_799, 1_700_000_000][random.below(5)];
    Timestamp { seconds, nanos: [0, 1, 999_999_999, 120_000_000, 5_000][random.below(5)] }
}
