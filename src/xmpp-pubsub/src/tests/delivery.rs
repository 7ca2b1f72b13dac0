//! From a publish to a notification, through the engine's dispatcher.

use std::time::Duration;

use bus_engine::{DeliveryInput, HandOff};
use bytes::Bytes;
use tokio::sync::mpsc;

use super::*;
use crate::{LaneRefusal, NotificationLane, Notifier};

struct Lane(mpsc::Sender<String>);

impl NotificationLane for Lane {
    fn try_send(&mut self, _: HandOff, parts: [Bytes; 3]) -> Result<(), LaneRefusal> {
        let message = String::from_utf8(parts.concat()).expect("UTF-8");
        self.0.try_send(message).map_err(|_| LaneRefusal::Full)
    }
}

#[tokio::test]
async fn subscribers_get_what_happens_on_the_node_in_order() {
    let fixture = Fixture::new().await;
    let (lane, mut messages) = mpsc::channel(16);
    let (inputs, received) = mpsc::channel(1);
    let notifier = Notifier::new(Lane(lane), bare(DOMAIN), fixture.engine.event_ids().clone());
    let counters = notifier.counters();
    let delivering = fixture.engine.deliver(notifier, received);
    let acting = async {
        inputs.send(DeliveryInput::LinkUp { link: 1 }).await.unwrap();
        for jid in ["bob@example.net", BOB] {
            fixture.ask(BOB, "set", &pubsub(&format!("<subscribe node='news' jid='{jid}'/>"))).await;
        }
        fixture.publish("news", "<item id='1'><b xmlns='urn:b'/></item>").await;
        let retract = pubsub("<retract node='news' notify='true'><item id='1'/></retract>");
        fixture.check(ALICE, "set", &retract, "").await;
        fixture.check(ALICE, "set", &owner("<delete node='news'/>"), "").await;
        let mut all = Vec::new();
        while all.len() < 6 {
            all.push(parse(&messages.recv().await.expect("a message")));
        }
        drop(inputs);
        all
    };
    let both = futures::future::join(delivering, acting);
    let ((), all) = tokio::time::timeout(Duration::from_mins(1), both).await.expect("all arrive");
    for jid in ["bob@example.net", BOB] {
        let own = all.iter().filter(|message| message.attr("to") == Some(jid));
        let seen: Vec<_> = own.map(|message| (kind(message), position(message))).collect();
        let expected = [("item", "0 1"), ("retract", "1 2"), ("delete", "2 3")];
        let expected = expected.map(|(kind, position)| (kind.to_owned(), position.to_owned()));
        assert_eq!(seen, expected, "{jid}");
    }
    assert_eq!((counters.encodings(), counters.notifications()), (3, 6));
}

/// The innermost element that says what happened.
fn kind(message: &Element) -> String {
    let event = message.children().next().expect("an event");
    let mut element = event.children().next().expect("what happened");
    if element.name() == "items" {
        element = element.children().next().expect("an item");
    }
    element.name().to_owned()
}

/// The position before this one, and this one.
fn position(message: &Element) -> String {
    let position = message.get_child("position", "urn:stanzabus:position:1").expect("a position");
    format!("{} {}", position.attr("after").unwrap(), position.attr("seq").unwrap())
}
