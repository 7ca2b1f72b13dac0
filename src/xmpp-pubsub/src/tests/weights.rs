//! What requests weigh while they wait: their bounds are in bytes of what senders can make longer.

use super::*;
use crate::request::Work;
use crate::service::Task;

const QUERY_BYTES: usize = 1024;

/// What a request asks for, as it would wait.
pub(super) fn work(fixture: &Fixture, to: &str, kind: &str, content: &str) -> Work {
    let prepared = fixture.service.prepare(&iq(ALICE, to, kind, content)).expect("a request");
    let Task::Work(_, work) = prepared.task else { panic!("it is carried out: {content}") };
    *work
}

#[tokio::test]
async fn a_query_weighs_more_by_what_it_names() {
    let fixture = Fixture::new().await;
    let items = |inside: &str| pubsub(&format!("<items node='news'>{inside}</items>"));
    let archive = |attributes: &str, inside: &str| {
        format!("<query xmlns='urn:xmpp:mam:2' node='news' {attributes}>{inside}</query>")
    };
    let form = |fields: &str| {
        let form_type = "<field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field>";
        format!("<x xmlns='jabber:x:data' type='submit'>{form_type}{fields}</x>")
    };
    let ids = form("<field var='ids'><value>12345</value><value>6</value></field>");
    let after = form("<field var='after-id'><value>abcdefg</value></field>");
    let types = "<query xmlns='http://jabber.org/protocol/disco#items'><filter xmlns='urn:xmpp:pubsub-filter:0'>\
                 <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>\
                 <value>urn:xmpp:pubsub-filter:0</value></field><field var='included-types'>\
                 <value>urn:a</value><value>urn:bcd</value></field></x></filter></query>";
    let text = size_of::<String>();
    for (kind, content, more_bytes) in [
        ("get", items(""), 0),
        ("get", items("<item id='a'/><item id='b'/><item id='c'/>"), 3 * 96),
        ("get", types.to_owned(), 2 * 96 + 5 + 7),
        ("set", archive("", ""), 0),
        ("set", archive("queryid='abc'", ""), 3 + text),
        ("set", archive("queryid='abc'", &after), 3 + 7 + 2 * text),
        ("set", archive("", &ids), 5 + 1 + 2 * text),
    ] {
        let work = work(&fixture, DOMAIN, kind, &content);
        assert_eq!(work.weight_bytes(), QUERY_BYTES + more_bytes, "{content}");
        assert!(!work.is_publish(), "{content}");
    }
}

#[tokio::test]
async fn a_command_weighs_more_by_its_session_and_its_form() {
    let fixture = Fixture::new().await;
    let command = |session: &str, inside: &str| {
        let node = "http://jabber.org/protocol/pubsub#get-pending";
        format!(
            "<command xmlns='http://jabber.org/protocol/commands' node='{node}' {session}>{inside}</command>"
        )
    };
    let form = "<x xmlns='jabber:x:data' type='submit'>\
                <field var='pubsub#node'><value>news</value></field></x>";
    for (content, more_bytes) in [
        (command("", ""), 0),
        (command("sessionid='12345'", ""), 5),
        (command("sessionid='12345'", form), 5 + 4),
    ] {
        let work = work(&fixture, DOMAIN, "set", &content);
        assert_eq!((work.weight_bytes(), work.is_publish()), (QUERY_BYTES + more_bytes, false), "{content}");
    }
}

#[tokio::test]
async fn only_publishes_may_be_under_way_together() {
    let fixture = Fixture::new().await;
    let publish = pubsub("<publish node='news'><item><n xmlns='urn:n'/></item></publish>");
    assert!(work(&fixture, DOMAIN, "set", &publish).is_publish());
    assert!(!work(&fixture, DOMAIN, "set", &pubsub("<create node='other'/>")).is_publish());
}
