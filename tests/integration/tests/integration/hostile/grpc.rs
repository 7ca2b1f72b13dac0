use harness::ServerKind;
use tonic::Code;

use super::route::{MALLORY, Route};
use crate::peers::{GrpcCaller, Notification, behind_each_server};

behind_each_server! {
    strings_that_no_xml_can_hold_are_refused_and_never_reach_the_link,
    markup_in_names_is_only_text_on_the_link,
}

const ENTRY: &str = "<entry xmlns='urn:example'/>";

/// No XML can hold them.
const CHARACTERS: &[&str] = &["\0", "a\0b", "\u{b}", "\u{1f}", "\u{fffe}", "\u{ffff}"];

const PAYLOADS: &[&str] = &[
    "<x:entry/>",
    "<entry xmlns='urn:example' x:a=''/>",
    "</item>",
    "<entry xmlns='urn:example'/></item></items></event></message>",
    "</item></items></event></message></stream:stream>",
    "<entry xmlns='urn:example'>",
    "<entry xmlns='urn:example'/><entry xmlns='urn:example'/>",
    "text",
    "",
    "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    "<?php ?><a/>",
    "<a>&#0;</a>",
    "<a>&#xFFFE;</a>",
    "<stream:error/>",
];

async fn strings_that_no_xml_can_hold_are_refused_and_never_reach_the_link(kind: ServerKind) {
    let mut route = Route::through(kind).await;
    let grpc = GrpcCaller::new(&route.daemon);
    subscribe(&mut route, &grpc, "n").await;
    for text in CHARACTERS {
        let in_text = format!("<entry xmlns='urn:example'>{text}</entry>");
        let in_attribute = format!("<entry xmlns='urn:example' a='{text}'/>");
        for refused in [
            grpc.create_node(text).await.err(),
            grpc.publish(text, "i", ENTRY).await.err(),
            grpc.publish("n", text, ENTRY).await.err(),
            grpc.publish("n", "i", &in_text).await.err(),
            grpc.publish("n", "i", &in_attribute).await.err(),
        ] {
            assert_eq!(refused.map(|status| status.code()), Some(Code::InvalidArgument), "{text:?}");
        }
        assert_eq!(route.ask("").await, [], "{text:?}");
    }
    for payload in PAYLOADS {
        let refused = grpc.publish("n", "i", payload).await.err();
        assert_eq!(refused.map(|status| status.code()), Some(Code::InvalidArgument), "{payload}");
        assert_eq!(route.ask("").await, [], "{payload}");
    }
    assert_eq!(grpc.publish("n", "i", ENTRY).await.unwrap(), 1, "none of it is in the log");
}

async fn markup_in_names_is_only_text_on_the_link(kind: ServerKind) {
    const NAMES: &[&str] =
        &["</item>", "'/><iq type='get'>", "]]>", "&amp;", "&#0;", "\"<!--", "</stream:stream>", "💡é"];
    let mut route = Route::through(kind).await;
    route.mallory.send("<presence/>").await;
    let grpc = GrpcCaller::new(&route.daemon);
    for name in NAMES {
        subscribe(&mut route, &grpc, name).await;
        grpc.publish(name, name, ENTRY).await.unwrap();
        let received =
            route.mallory.receive_until(|stanzas| stanzas.iter().any(|it| Notification::of(it).is_some()));
        let notified: Vec<_> = received.await.iter().filter_map(Notification::of).collect();
        let names: Vec<_> = notified.iter().map(|it| (it.node.as_str(), it.item_id.as_str())).collect();
        assert_eq!(names, [(*name, *name)]);
        assert_eq!(route.ask("").await, [], "{name}");
    }
}

async fn subscribe(route: &mut Route, grpc: &GrpcCaller, node: &str) {
    grpc.create_node(node).await.expect("a legal name");
    let mut name = String::new();
    bus_xml::escape_attribute(node, &mut name);
    route.mallory.subscribe(&name, MALLORY).await;
}
