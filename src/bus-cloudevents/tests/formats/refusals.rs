use bus_cloudevents::{AttributeProblem, AttributeType, BatchError, CloudEventError, json, protobuf, xml};
use bus_xml::XmlLimits;
use prost_types::{Any, Timestamp};
use protobuf::v1::cloud_event::cloud_event_attribute_value::Attr;
use protobuf::v1::cloud_event::{CloudEventAttributeValue, Data};

const LIMITS: XmlLimits = XmlLimits { depth_max: 8, bytes_max: 2_000 };

fn attribute(name: &str, problem: AttributeProblem) -> CloudEventError {
    CloudEventError::Attribute { attribute: name.to_owned(), problem }
}

fn invalid(expected: AttributeType) -> AttributeProblem {
    AttributeProblem::Invalid { expected }
}

#[test]
fn json_that_breaks_a_rule_is_refused_with_the_attribute() {
    use AttributeProblem::{Character, Empty, MediaType, Missing, Name, Repeated, SpecVersion, UnknownType};
    let required = r#""specversion":"1.0","id":"a","source":"/s","type":"t""#;
    let with = |more: &str| format!("{{{required},{more}}}");
    for (document, name, problem) in [
        (r#"{"id":"a","source":"/s","type":"t"}"#.to_owned(), "specversion", Missing),
        (r#"{"specversion":"0.3","id":"a","source":"/s","type":"t"}"#.to_owned(), "specversion", SpecVersion),
        (r#"{"specversion":"1.0","source":"/s","type":"t"}"#.to_owned(), "id", Missing),
        (r#"{"specversion":"1.0","id":null,"source":"/s","type":"t"}"#.to_owned(), "id", Missing),
        (r#"{"specversion":"1.0","id":"","source":"/s","type":"t"}"#.to_owned(), "id", Empty),
        (
            r#"{"specversion":"1.0","id":7,"source":"/s","type":"t"}"#.to_owned(),
            "id",
            invalid(AttributeType::String),
        ),
        (
            r#"{"specversion":"1.0","id":"a","source":"a b","type":"t"}"#.to_owned(),
            "source",
            invalid(AttributeType::UriReference),
        ),
        (r#"{"specversion":"1.0","id":"a","source":"","type":"t"}"#.to_owned(), "source", Empty),
        (with(r#""id":"b""#), "id", Repeated),
        (with(r#""x":1,"x":2"#), "x", Repeated),
        (with(r#""Upper":1"#), "Upper", Name),
        (with(r#""with_line":1"#), "with_line", Name),
        (with(r#""1digit":1"#), "1digit", Name),
        (with(r#""":1"#), "", Name),
        (with(r#""x":1.5"#), "x", invalid(AttributeType::Integer)),
        (with(r#""x":1e3"#), "x", invalid(AttributeType::Integer)),
        (with(r#""x":2147483648"#), "x", invalid(AttributeType::Integer)),
        (with(r#""x":{}"#), "x", UnknownType),
        (with(r#""x":[1]"#), "x", UnknownType),
        (with(r#""x":"a\nb""#), "x", Character { code_point: 0xa }),
        (with(r#""x":"\u0085""#), "x", Character { code_point: 0x85 }),
        (with(r#""x":"\ufffe""#), "x", Character { code_point: 0xfffe }),
        (with(r#""time":"yesterday""#), "time", invalid(AttributeType::Timestamp)),
        (with(r#""time":7"#), "time", invalid(AttributeType::Timestamp)),
        (with(r#""subject":"""#), "subject", Empty),
        (with(r#""subject":true"#), "subject", invalid(AttributeType::String)),
        (with(r#""dataschema":"%zz""#), "dataschema", invalid(AttributeType::UriReference)),
        (with(r#""dataschema":"""#), "dataschema", Empty),
        (with(r#""datacontenttype":"json""#), "datacontenttype", MediaType),
    ] {
        assert_eq!(json::read(document.as_bytes()), Err(attribute(name, problem)), "{document}");
    }
    for document in ["", "[]", "7", "{", r#"{"specversion":"1.0""#, "{\"a\":\"\u{1}\"}"] {
        assert!(matches!(json::read(document.as_bytes()), Err(CloudEventError::Document(_))), "{document}");
    }
    for data in [
        r#""data":1,"data_base64":"AA==""#,
        r#""data_base64":"*""#,
        r#""data_base64":7"#,
        r#""datacontenttype":"text/plain","data":{}"#,
    ] {
        assert!(matches!(json::read(with(data).as_bytes()), Err(CloudEventError::Data(_))), "{data}");
    }
    assert!(
        json::read(with(r#""x":null,"y":null,"data_base64":null"#).as_bytes()).unwrap().attributes().count()
            == 0
    );
}

#[test]
fn xml_that_breaks_a_rule_is_refused_with_the_attribute() {
    use AttributeProblem::{Character, Missing, Name, Repeated, ReservedName, SpecVersion, UnknownType};
    let with = |version: &str, content: &str| {
        format!(
            "<event xmlns='http://cloudevents.io/xmlformat/V1' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' \
             {version}>{content}</event>"
        )
    };
    let required = "<id>a</id><source>/s</source><type>t</type>";
    let more = |content: &str| with("specversion='1.0'", &format!("{required}{content}"));
    for (document, name, problem) in [
        (with("", required), "specversion", Missing),
        (with("specversion='2.0'", required), "specversion", SpecVersion),
        (with("specversion='1.0'", "<source>/s</source><type>t</type>"), "id", Missing),
        (more("<id>b</id>"), "id", Repeated),
        (more("<x>1</x><x>2</x>"), "x", Repeated),
        (more("<data xsi:type='xs:string'/><data xsi:type='xs:string'/>"), "data", Repeated),
        (more("<Upper>1</Upper>"), "Upper", Name),
        (more("<specversion>1.0</specversion>"), "specversion", Repeated),
        (more("<x xsi:type='ce:integer'> 1 </x>"), "x", invalid(AttributeType::Integer)),
        (more("<x xsi:type='ce:integer'>+1</x>"), "x", invalid(AttributeType::Integer)),
        (more("<x xsi:type='ce:boolean'>True</x>"), "x", invalid(AttributeType::Boolean)),
        (more("<x xsi:type='ce:uri'>/relative</x>"), "x", invalid(AttributeType::Uri)),
        (more("<x xsi:type='ce:binary'>*</x>"), "x", invalid(AttributeType::Binary)),
        (more("<x xsi:type='ce:decimal'>1</x>"), "x", UnknownType),
        (more("<x><y/></x>"), "x", UnknownType),
        (more("<x>a\nb</x>"), "x", Character { code_point: 0xa }),
        (
            more("<time xsi:type='ce:string'>2018-04-05T17:31:00Z</time>"),
            "time",
            invalid(AttributeType::Timestamp),
        ),
    ] {
        assert_eq!(xml::read(&document, LIMITS), Err(attribute(name, problem)), "{document}");
    }
    for data in [
        "<data>a</data>",
        "<data xsi:type='xs:int'>1</data>",
        "<data xsi:type='xs:any'/>",
        "<data xsi:type='xs:any'><a/><b/></data>",
        "<data xsi:type='xs:any'>text<a/></data>",
        "<data xsi:type='xs:string'><a/></data>",
        "<data xsi:type='xs:base64Binary'>*</data>",
        "<data xsi:type='xs:base64Binary' xmlns:b='urn:stanzabus:cloudevents:1' b:text='true'>/w==</data>",
    ] {
        assert!(matches!(xml::read(&more(data), LIMITS), Err(CloudEventError::Data(_))), "{data}");
    }
    let deep = more("<data xsi:type='xs:any'><a><b><c><d><e><f><g/></f></e></d></c></b></a></data>");
    for document in ["", "<event/>", "<a xmlns='http://cloudevents.io/xmlformat/V1'/>", &more("text"), &deep]
    {
        assert!(matches!(xml::read(document, LIMITS), Err(CloudEventError::Document(_))), "{document}");
    }
    assert_eq!(attribute("data", ReservedName), named("data"));
}

/// What a message with an attribute of this name is refused with.
fn named(name: &str) -> CloudEventError {
    message_with(name, Some(Attr::CeBoolean(true))).unwrap_err()
}

fn message() -> protobuf::v1::CloudEvent {
    protobuf::v1::CloudEvent {
        id: "a".into(),
        source: "/s".into(),
        spec_version: "1.0".into(),
        r#type: "t".into(),
        ..Default::default()
    }
}

fn message_with(name: &str, attr: Option<Attr>) -> Result<bus_cloudevents::CloudEvent, CloudEventError> {
    let attributes = [(name.to_owned(), CloudEventAttributeValue { attr })].into();
    protobuf::from_message(protobuf::v1::CloudEvent { attributes, ..message() })
}

#[test]
fn a_message_that_breaks_a_rule_is_refused_with_the_attribute() {
    use AttributeProblem::{Missing, Name, Repeated, SpecVersion, Unset};
    let changed = |change: fn(&mut protobuf::v1::CloudEvent)| {
        let mut message = message();
        change(&mut message);
        protobuf::from_message(message).unwrap_err()
    };
    assert_eq!(changed(|it| it.id.clear()), attribute("id", Missing));
    assert_eq!(changed(|it| it.source.clear()), attribute("source", Missing));
    assert_eq!(changed(|it| it.r#type.clear()), attribute("type", Missing));
    assert_eq!(changed(|it| it.spec_version.clear()), attribute("specversion", Missing));
    assert_eq!(changed(|it| it.spec_version = "1.1".into()), attribute("specversion", SpecVersion));
    let nameless = Data::ProtoData(Any::default());
    let mut without_type = message();
    without_type.data = Some(nameless);
    assert!(matches!(protobuf::from_message(without_type), Err(CloudEventError::Data(_))));

    assert_eq!(named("id"), attribute("id", Repeated));
    assert_eq!(named("A"), attribute("A", Name));
    assert_eq!(message_with("x", None).unwrap_err(), attribute("x", Unset));
    let beyond = Attr::CeTimestamp(Timestamp { seconds: i64::MAX, nanos: 0 });
    assert_eq!(
        message_with("x", Some(beyond)).unwrap_err(),
        attribute("x", invalid(AttributeType::Timestamp))
    );
    let relative = Attr::CeUri("/relative".into());
    assert_eq!(message_with("x", Some(relative)).unwrap_err(), attribute("x", invalid(AttributeType::Uri)));
    let number = Attr::CeInteger(1);
    let refused = message_with("subject", Some(number)).unwrap_err();
    assert_eq!(refused, attribute("subject", invalid(AttributeType::String)));
    assert!(matches!(protobuf::read(b"\xff"), Err(CloudEventError::Document(_))));

    for (name, text) in [("time", "2018-04-05T17:31:00+02:00"), ("dataschema", "type.example/some.Message")] {
        let event = message_with(name, Some(Attr::CeString(text.into()))).unwrap();
        assert_eq!(event.attribute(name).unwrap().to_string(), text, "a text stands for what it says");
    }
}

#[test]
fn a_batch_names_the_event_that_is_none() {
    let good = r#"{"specversion":"1.0","id":"a","source":"/s","type":"t"}"#;
    let batch = format!("[{good},{{}}]");
    let error = attribute("specversion", AttributeProblem::Missing);
    let refused = BatchError::Event { index: 1, error };
    assert_eq!(refused.to_string(), "event 1 of the batch: the attribute \"specversion\" is required");
    assert_eq!(json::read_batch(batch.as_bytes(), 2), Err(refused));
    assert_eq!(json::read_batch(batch.as_bytes(), 1), Err(BatchError::TooMany { events_max: 1 }));
    assert!(matches!(json::read_batch(good.as_bytes(), 1), Err(BatchError::Document(_))));
    let xml = "<batch xmlns='http://cloudevents.io/xmlformat/V1'><event/></batch>";
    assert!(matches!(xml::read_batch(xml, LIMITS, 1), Err(BatchError::Event { index: 0, .. })));
    assert_eq!(xml::read_batch(xml, LIMITS, 0), Err(BatchError::TooMany { events_max: 0 }));
    let tiny = [0x0a, 0x00].repeat(3);
    assert_eq!(protobuf::read_batch(&tiny, 2), Err(BatchError::TooMany { events_max: 2 }));
    assert!(matches!(protobuf::read_batch(&tiny, 3), Err(BatchError::Event { index: 0, .. })));
    assert!(matches!(protobuf::read_batch(&tiny[..5], 3), Err(BatchError::Document(_))));
    let other = "<batch xmlns='http://cloudevents.io/xmlformat/V1'><id/></batch>";
    assert!(matches!(xml::read_batch(other, LIMITS, 1), Err(BatchError::Event { index: 0, .. })));
    assert!(matches!(xml::read_batch("<batch/>", LIMITS, 1), Err(BatchError::Document(_))));
}
