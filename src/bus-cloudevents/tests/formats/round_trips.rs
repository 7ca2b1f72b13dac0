use bus_cloudevents::{CloudEvent, Data, json, protobuf, xml};
use bus_xml::{XmlLimits, parse_document, serialise};

use crate::made::message;

const SEEDS: u64 = 4_000;
const LIMITS: XmlLimits = XmlLimits { depth_max: 20, bytes_max: 100_000 };

/// What the bus keeps and sends: our own serialisation of what was written.
fn kept(event: &CloudEvent) -> String {
    let written = xml::write(event);
    serialise(&parse_document(&written, LIMITS).unwrap_or_else(|error| panic!("{error}: {written}")))
}

fn through_the_bus(event: &CloudEvent) -> CloudEvent {
    let kept = kept(event);
    assert!(xml::is_event(&kept), "{kept}");
    xml::read(&kept, LIMITS).unwrap_or_else(|error| panic!("{error}: {kept}"))
}

/// In whatever order.
fn members(json: &str) -> serde_json::Value {
    serde_json::from_str(json).unwrap()
}

#[test]
fn nothing_of_a_message_is_lost_in_an_item() {
    for seed in 0..SEEDS {
        let message = message(seed);
        let event =
            protobuf::from_message(message.clone()).unwrap_or_else(|error| panic!("{error}: {message:?}"));
        assert_eq!(through_the_bus(&event), event, "seed {seed}");
        let mut back = protobuf::to_message(&through_the_bus(&event));
        if matches!(event.data(), Some(Data::Xml(_))) && event.content_type().is_none() {
            back.attributes.remove("datacontenttype");
        }
        assert_eq!(back, message, "seed {seed}");
    }
}

#[test]
fn nothing_of_json_is_lost_in_an_item() {
    for seed in 0..SEEDS {
        let written = json::write(&protobuf::from_message(message(seed)).unwrap());
        let event = json::read(written.as_bytes()).unwrap_or_else(|error| panic!("{error}: {written}"));
        assert_eq!(through_the_bus(&event), event, "seed {seed}");
        assert_eq!(members(&json::write(&through_the_bus(&event))), members(&written), "seed {seed}");
    }
}

#[test]
fn a_batch_is_its_events_in_each_format() {
    let events: Vec<_> = (0..50).map(|seed| protobuf::from_message(message(seed)).unwrap()).collect();
    let as_xml = xml::write_batch(&events);
    assert_eq!(xml::read_batch(&as_xml, LIMITS, 50).as_ref(), Ok(&events));
    assert_eq!(protobuf::read_batch(&protobuf::write_batch(&events), 50).as_ref(), Ok(&normal(&events)));
    let as_json = json::write_batch(&events);
    let from_json = json::read_batch(as_json.as_bytes(), 50).unwrap();
    assert_eq!(members(&json::write_batch(&from_json)), members(&as_json));
    let none: &[CloudEvent] = &[];
    assert_eq!(json::read_batch(json::write_batch(none).as_bytes(), 0), Ok(vec![]));
    assert_eq!(xml::read_batch(&xml::write_batch(none), LIMITS, 0), Ok(vec![]));
}

/// With the content type that a message needs to say that its text is XML.
fn normal(events: &[CloudEvent]) -> Vec<CloudEvent> {
    events.iter().map(|event| protobuf::from_message(protobuf::to_message(event)).unwrap()).collect()
}

#[test]
fn data_that_are_json_stay_as_they_are_written() {
    let data = "{\"n\": 1.10,\t\"big\": 123456789012345678901234567890,\n\"é\": \"\\u00e9\"}";
    let written = format!(r#"{{"specversion":"1.0","id":"a","source":"/s","type":"t","data":{data}}}"#);
    let event = json::read(written.as_bytes()).unwrap();
    assert_eq!(event.data(), Some(&Data::Text(data.to_owned())));
    assert_eq!(event.content_type(), Some("application/json"), "it is implied, and said from now on");
    assert!(json::write(&through_the_bus(&event)).ends_with(&format!(r#""data":{data}}}"#)));
}

#[test]
fn prefixes_and_where_they_are_bound_do_not_matter() {
    let event = json::read(
        br#"{"specversion":"1.0","id":"a","source":"/s","type":"t","n":5,"datacontenttype":"application/xml","data":"<m xmlns='urn:m' k='v'/>"}"#,
    )
    .unwrap();
    let renamed = "<q:event xmlns:q='http://cloudevents.io/xmlformat/V1' specversion='1.0' \
        xmlns:i='http://www.w3.org/2001/XMLSchema-instance'><q:type i:type='foo:string'>t</q:type>\
        <other xmlns='urn:other'>ignored</other><q:source>/s</q:source> <q:id>a</q:id>\
        <q:datacontenttype>application/xml</q:datacontenttype>\n<q:n i:type='integer'>5</q:n>\
        <q:data i:type='z:any'> <m:m xmlns:m='urn:m' k='v'></m:m> </q:data></q:event>";
    assert_eq!(xml::read(renamed, LIMITS), Ok(event));
}

#[test]
fn text_is_an_xml_element_on_xmpp_when_it_is_one_to_the_letter() {
    let mut event = CloudEvent::new("a", "/s", "t").unwrap();
    event.set("datacontenttype", bus_cloudevents::AttributeValue::String("text/xml".into())).unwrap();
    for (text, stands) in [
        ("<m xmlns='urn:m'/>", "<data xsi:type='xs:any'><m xmlns='urn:m'/></data>"),
        ("<m xmlns=\"urn:m\"/>", "<data xsi:type='xs:string'>&lt;m xmlns=\"urn:m\"/&gt;</data>"),
    ] {
        let mut message = protobuf::to_message(&event);
        message.data = Some(protobuf::v1::cloud_event::Data::TextData(text.into()));
        let written = xml::write(&protobuf::from_message(message).unwrap());
        assert!(written.contains(stands), "{written}");
    }
}
