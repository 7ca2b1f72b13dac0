use std::fmt::Write as _;

use bus_xml::{escape_attribute, escape_text};

use super::{NAMESPACE, OURS, XSI};
use crate::attribute::encode_base64;
use crate::event::{SPEC_VERSION, optional_type};
use crate::{AttributeType, AttributeValue, CloudEvent, Data};

const CLOSING: &str = "</event>";

/// Writes one event.
pub fn write(event: &CloudEvent) -> String {
    let mut out = String::new();
    write!(
        out,
        "<event xmlns='{NAMESPACE}' xmlns:ce='{NAMESPACE}' xmlns:xsi='{XSI}' \
         xmlns:xs='http://www.w3.org/2001/XMLSchema' specversion='{SPEC_VERSION}'>"
    )
    .expect("a String takes everything");
    for (name, text) in [("id", event.id()), ("source", event.source()), ("type", event.event_type())] {
        element(name, "", text, &mut out);
    }
    for (name, value) in event.attributes() {
        attribute(name, value, &mut out);
    }
    if let Some(it) = event.data() {
        data(it, &mut out);
    }
    out.push_str(CLOSING);
    out
}

/// Writes a batch (§5).
pub fn write_batch<'a>(events: impl IntoIterator<Item = &'a CloudEvent>) -> String {
    let written: String = events.into_iter().map(write).collect();
    format!("<batch xmlns='{NAMESPACE}'>{written}</batch>")
}

fn attribute(name: &str, value: &AttributeValue, out: &mut String) {
    let kind = match value.kind() {
        _ if optional_type(name).is_some() => "",
        AttributeType::Boolean => " xsi:type='ce:boolean'",
        AttributeType::Integer => " xsi:type='ce:integer'",
        AttributeType::String => " xsi:type='ce:string'",
        AttributeType::Binary => " xsi:type='ce:binary'",
        AttributeType::Uri => " xsi:type='ce:uri'",
        AttributeType::UriReference => " xsi:type='ce:uriRef'",
        AttributeType::Timestamp => " xsi:type='ce:timestamp'",
    };
    element(name, kind, &value.to_string(), out);
}

fn data(data: &Data, out: &mut String) {
    const BYTES: &str = " xsi:type='xs:base64Binary'";
    match data {
        Data::Binary(bytes) => element("data", BYTES, &encode_base64(bytes), out),
        Data::Proto { type_url, value } => {
            let mut attributes = format!("{BYTES} xmlns:bus='{OURS}' bus:type-url='");
            escape_attribute(type_url, &mut attributes);
            attributes.push('\'');
            element("data", &attributes, &encode_base64(value), out);
        }
        Data::Text(text) if survives_xml(text) => element("data", " xsi:type='xs:string'", text, out),
        Data::Text(text) => {
            let attributes = format!("{BYTES} xmlns:bus='{OURS}' bus:text='true'");
            element("data", &attributes, &encode_base64(text.as_bytes()), out);
        }
        Data::Xml(xml) => {
            out.push_str("<data xsi:type='xs:any'>");
            out.push_str(xml);
            out.push_str("</data>");
        }
    }
}

fn element(name: &str, attributes: &str, text: &str, out: &mut String) {
    write!(out, "<{name}{attributes}>").expect("a String takes everything");
    escape_text(text, out);
    write!(out, "</{name}>").expect("a String takes everything");
}

/// Whether text comes through XML as it is, also through servers that write a carriage return as it stands: a reader takes
/// that for a line feed (XML 1.0 §2.11).
fn survives_xml(text: &str) -> bool {
    text.chars().all(|it| matches!(it, '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'..))
}
