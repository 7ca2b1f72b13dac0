use bus_domain::{
    Durability, Epoch, ItemId, Jid, NodeConfig, NodeName, Payload, RedirectUri, Subscription, SubscriptionId,
    SubscriptionState,
};
use bus_engine::{DeliveryNode, MessageRef};
use bus_xml::{Element, XmlLimits, parse_document};

use super::*;

/// Keeps messages, up to a number, each up to a length.
struct Kept {
    messages: Vec<(HandOff, String)>,
    room: usize,
    bytes_max: usize,
}

impl NotificationLane for Kept {
    fn try_send(&mut self, hand_off: HandOff, parts: [Bytes; 3]) -> Result<(), LaneRefusal> {
        if parts.iter().map(Bytes::len).sum::<usize>() > self.bytes_max {
            return Err(LaneRefusal::TooLarge);
        }
        if self.messages.len() >= self.room {
            return Err(LaneRefusal::Full);
        }
        self.messages.push((hand_off, String::from_utf8(parts.concat()).unwrap()));
        Ok(())
    }
}

fn notifier() -> Notifier<Kept> {
    let lane = Kept { messages: Vec::new(), room: usize::MAX, bytes_max: usize::MAX };
    Notifier::new(lane, BareJid::new("events.example.org").unwrap(), EventIds::new([7; 16]))
}

fn node(id: i64, name: &str, deliver_payloads: bool) -> DeliveryNode {
    let config = NodeConfig { deliver_payloads, ..NodeConfig::default() };
    let name = NodeName::new(name).unwrap();
    DeliveryNode { id: NodeId(id), name, epoch: Epoch(255), config, owners: None }
}

fn event(seq: u64, kind: EventKind) -> Arc<Event> {
    let publisher = Jid::new("alice@example.org/phone").unwrap();
    let due_after_seq = Some(0);
    Arc::new(Event { seq, kind, publisher, published_at_ms: 0, recipients_version: 1, due_after_seq })
}

fn published(seq: u64, id: &str, payload: Option<&str>) -> Arc<Event> {
    let payload = payload.map(Payload::from_serialised);
    event(seq, EventKind::Published { item_id: ItemId::new(id).unwrap(), payload })
}

fn recipient(id: i64, jid: &str) -> Subscription {
    let jid = Jid::new(jid).unwrap();
    Subscription::new(SubscriptionId(id), jid, SubscriptionState::Subscribed, 0)
}

fn delivery<'a>(node: &'a DeliveryNode, event: &'a Arc<Event>, to: &'a Subscription) -> Delivery<'a> {
    let hand_off = HandOff { link: 1, ticket: 5 };
    Delivery {
        hand_off,
        node,
        event,
        source: None,
        earlier: &[],
        subscription: to,
        sub_ids: &[],
        after_seq: 11,
        is_late: false,
    }
}

fn deliver(
    notifier: &mut Notifier<Kept>,
    node: &DeliveryNode,
    event: &Arc<Event>,
    to: &Subscription,
) -> bool {
    notifier.try_send(&delivery(node, event, to)).is_ok()
}

/// The message for one recipient.
fn message(node: &DeliveryNode, event: &Arc<Event>, to: &str) -> String {
    let mut notifier = notifier();
    assert!(deliver(&mut notifier, node, event, &recipient(3, to)));
    notifier.lane.messages.remove(0).1
}

fn parse(xml: &str) -> Element {
    parse_document(xml, XmlLimits { depth_max: 64, bytes_max: 1024 * 1024 })
        .unwrap_or_else(|error| panic!("{error}: {xml}"))
}

#[test]
fn a_digest_that_is_too_long_goes_out_event_by_event() {
    let node = node(9, "news", true);
    let earlier = vec![published(12, "1", Some("<b xmlns='urn:b'/>")), published(14, "2", None)];
    let last = published(15, "3", None);
    let to = recipient(3, "bob@example.net");
    let digest = Delivery { earlier: &earlier, ..delivery(&node, &last, &to) };
    let mut notifier = notifier();
    notifier.try_send(&digest).unwrap();
    let whole = notifier.lane.messages.remove(0).1.len();
    notifier.lane.bytes_max = whole - 1;
    notifier.try_send(&digest).unwrap();
    let sent = std::mem::take(&mut notifier.lane.messages);
    let place = |(hand_off, message): &(HandOff, String)| {
        let place = message.split("<position ").nth(1).unwrap();
        let value = |name: &str| place.split(name).nth(1).unwrap().split('\'').nth(1).unwrap().to_owned();
        (hand_off.ticket, value("seq="), value("after="))
    };
    let expected = [(5, "12", "11"), (5, "14", "12"), (5, "15", "14")];
    let expected = expected.map(|(ticket, seq, after)| (ticket, seq.to_owned(), after.to_owned()));
    assert_eq!(sent.iter().map(place).collect::<Vec<_>>(), expected);
    assert!(sent[0].1.contains("<b xmlns='urn:b'/>"), "with its payload: {}", sent[0].1);
    notifier.lane.room = 1;
    assert_eq!(notifier.try_send(&digest), Err(SinkFull), "all of it comes again");
}

#[test]
fn a_digest_is_one_message_with_the_position_of_its_last_event() {
    let node = node(9, "news", true);
    let taken_back = |seq, id: &str| event(seq, EventKind::Retracted { item_id: ItemId::new(id).unwrap() });
    for (earlier, last, inside) in [
        (
            vec![published(12, "1", Some("<b xmlns='urn:b'/>")), published(13, "2", None)],
            published(15, "3", None),
            "<items node='news'><item id='1'><b xmlns='urn:b'/></item><item id='2'/><item id='3'/></items>",
        ),
        (
            vec![taken_back(12, "1")],
            taken_back(15, "2"),
            "<items node='news'><retract id='1'/><retract id='2'/></items>",
        ),
    ] {
        let to = recipient(3, "bob@example.net");
        let digest = Delivery { earlier: &earlier, is_late: true, ..delivery(&node, &last, &to) };
        let mut notifier = notifier();
        notifier.try_send(&digest).unwrap();
        let message = notifier.lane.messages.remove(0).1;
        assert!(message.contains(&format!("pubsub#event'>{inside}</event><stanza-id")), "{message}");
        assert!(message.contains(" seq='15' after='11'/>"), "{message}");
        let alone = Delivery { earlier: &[], ..digest };
        notifier.try_send(&alone).unwrap();
        assert!(notifier.lane.messages.remove(0).1.contains("<delay "), "of one event there is a time");
    }
}

#[test]
fn a_message_holds_the_event_its_id_and_its_position() {
    let payload = "<b xmlns='urn:b'>&amp;</b>";
    let message = message(&node(9, "news", true), &published(12, "1", Some(payload)), "bob@example.net/desk");
    let ids = EventIds::new([7; 16]);
    let reference = EventRef { node: NodeId(9), epoch: Epoch(255), seq: 12 };
    let mut id = String::new();
    let named = MessageRef { event: reference, subscription: SubscriptionId(3), after_seq: 11 };
    ids.write_message_id(named, &mut id);
    let event_id = ids.event_id(reference);
    let expected = format!(
        "<message from='events.example.org' to='bob@example.net/desk' id='{id}'>\
         <event xmlns='http://jabber.org/protocol/pubsub#event'><items node='news'>\
         <item id='1'>{payload}</item></items></event>\
         <stanza-id xmlns='urn:xmpp:sid:0' by='events.example.org' id='{event_id}'/>\
         <position xmlns='urn:stanzabus:position:1' epoch='00000000000000ff' seq='12' after='11'/></message>"
    );
    assert_eq!(message, expected);
}

#[test]
fn what_is_in_memory_alone_is_nothing_for_servers_to_keep() {
    for durability in Durability::ALL {
        let mut node = node(1, "n", true);
        node.config.durability = durability;
        let message = message(&node, &published(1, "1", Some("<b xmlns='urn:b'/>")), "bob@example.net");
        let kind = parse(&message).attr("type").map(str::to_owned);
        let expected = (durability == Durability::Memory).then_some("headline");
        assert_eq!(kind.as_deref(), expected, "{durability:?}");
    }
}

#[test]
fn every_kind_of_event_has_its_element() {
    let retracted = event(1, EventKind::Retracted { item_id: ItemId::new("1").unwrap() });
    let payload = Some("<b xmlns='urn:b'/>");
    for (event, deliver_payloads, expected) in [
        (published(1, "1", payload), true, "<items node='n'><item id='1'><b xmlns='urn:b'/></item></items>"),
        (published(1, "1", payload), false, "<items node='n'><item id='1'/></items>"),
        (published(1, "1", None), true, "<items node='n'><item id='1'/></items>"),
        (retracted, true, "<items node='n'><retract id='1'/></items>"),
        (event(1, EventKind::Purged), true, "<purge node='n'/>"),
        (event(1, EventKind::Deleted { redirect: None }), true, "<delete node='n'/>"),
        (
            event(1, EventKind::Deleted { redirect: Some(RedirectUri::new("urn:'&").unwrap()) }),
            true,
            "<delete node='n'><redirect uri='urn:&apos;&amp;'/></delete>",
        ),
    ] {
        let message = message(&node(1, "n", deliver_payloads), &event, "bob@example.net");
        let content = message.split_once("#event'>").unwrap().1.split_once("</event>").unwrap().0;
        assert_eq!(content, expected);
    }
}

#[test]
fn an_event_is_encoded_once_for_a_thousand_recipients() {
    let mut notifier = notifier();
    let counters = notifier.counters();
    let news = node(1, "news", true);
    for seq in 1..=3 {
        let event = published(seq, "1", Some("<b xmlns='urn:b'/>"));
        for number in 0..1_000 {
            let to = recipient(number, &format!("user{number}@example.net"));
            assert!(deliver(&mut notifier, &news, &event, &to));
        }
    }
    assert_eq!((counters.encodings(), counters.notifications()), (3, 3_000));
    let messages = &notifier.lane.messages;
    let ids: std::collections::HashSet<_> =
        messages.iter().map(|(_, message)| parse(message).attr("id").unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 3_000, "each message has an id of its own");
    assert!(messages[999].1.contains("to='user999@example.net'") && messages[999].1.contains("seq='1'"));
    assert!(messages[1_000].1.contains("to='user0@example.net'") && messages[1_000].1.contains("seq='2'"));
}

#[test]
fn an_encoding_is_for_its_event_node_and_variant_only() {
    let mut notifier = notifier();
    let counters = notifier.counters();
    let to = recipient(1, "bob@example.net");
    let event = published(1, "1", Some("<b xmlns='urn:b'/>"));
    for (node, encodings) in
        [(node(1, "a", true), 1), (node(1, "a", true), 1), (node(1, "a", false), 2), (node(2, "c", false), 3)]
    {
        assert!(deliver(&mut notifier, &node, &event, &to));
        assert_eq!(counters.encodings(), encodings);
    }
    assert!(deliver(&mut notifier, &node(2, "c", false), &published(1, "1", None), &to));
    assert_eq!(counters.encodings(), 4);
}

#[test]
fn a_full_lane_takes_nothing_and_the_encoding_stays_for_the_next_try() {
    let mut notifier = notifier();
    notifier.lane.room = 1;
    let counters = notifier.counters();
    let (news, event, to) = (node(1, "n", true), published(1, "1", None), recipient(1, "bob@example.net"));
    assert!(deliver(&mut notifier, &news, &event, &to));
    assert!(!deliver(&mut notifier, &news, &event, &to));
    notifier.lane.room = 2;
    assert!(deliver(&mut notifier, &news, &event, &to));
    assert_eq!((counters.encodings(), counters.notifications()), (1, 2));
    assert_eq!(notifier.lane.messages[0].0, HandOff { link: 1, ticket: 5 }, "the ticket goes along");
}

#[test]
fn who_cannot_have_the_payload_because_of_the_length_gets_the_notification_without_it() {
    let mut notifier = notifier();
    notifier.lane.bytes_max = 1_000;
    let counters = notifier.counters();
    let news = node(1, "n", true);
    let event = published(1, "1", Some(&format!("<b xmlns='urn:b'>{}</b>", "x".repeat(500))));
    let long = format!("{}@example.net", "y".repeat(200));
    for number in 0..10 {
        for jid in ["bob@example.net", &long] {
            assert!(deliver(&mut notifier, &news, &event, &recipient(number, jid)));
        }
    }
    assert_eq!((counters.encodings(), counters.notifications()), (2, 20), "each variant once");
    for pair in notifier.lane.messages.chunks(2) {
        let [(_, short), (hand_off, long)] = pair else { panic!("one each") };
        assert!(short.contains("<item id='1'><b xmlns='urn:b'>xxx"), "{short}");
        assert!(long.contains("<item id='1'/>") && long.contains("seq='1' after='11'"), "{long}");
        assert_eq!(*hand_off, HandOff { link: 1, ticket: 5 }, "it is what the ticket stands for");
    }
    notifier.lane.room = 20;
    assert!(!deliver(&mut notifier, &news, &event, &recipient(10, &long)), "a full lane is full for both");
}

#[test]
fn a_lane_for_which_everything_is_too_long_holds_nothing_up() {
    let mut notifier = notifier();
    notifier.lane.bytes_max = 10;
    let counters = notifier.counters();
    for deliver_payloads in [true, false] {
        let news = node(1, "n", deliver_payloads);
        assert!(deliver(&mut notifier, &news, &published(1, "1", None), &recipient(1, "bob@example.net")));
    }
    assert_eq!(counters.notifications(), 0);
}

#[test]
fn hostile_names_stay_values() {
    let hostile = "'/><message>\"&lt;<!--\t\r\n]]>";
    for event in [
        published(1, hostile, Some("<b xmlns='urn:b'/>")),
        event(1, EventKind::Retracted { item_id: ItemId::new(hostile).unwrap() }),
        event(1, EventKind::Purged),
        event(1, EventKind::Deleted { redirect: None }),
    ] {
        let to = "bob@example.net/'><x a=\"&amp;<";
        let message = parse(&message(&node(1, hostile, true), &event, to));
        assert_eq!(message.attr("to"), Some(to));
        assert_eq!(message.children().count(), 3);
        let content = message.children().next().unwrap().children().next().unwrap();
        assert_eq!(content.attr("node"), Some(hostile));
        if let Some(item) = content.children().next() {
            assert_eq!(item.attr("id"), Some(hostile));
        }
    }
}

#[test]
fn what_is_late_says_when_it_happened_and_has_an_encoding_of_its_own() {
    let (node, event) = (node(1, "n", true), published(1, "1", Some("<b xmlns='urn:b'/>")));
    let (one, other) = (recipient(3, "bob@example.net"), recipient(4, "eve@example.net"));
    let mut notifier = notifier();
    for (to, is_late) in [(&one, false), (&other, true), (&one, true), (&other, false)] {
        let sent = Delivery { is_late, ..delivery(&node, &event, to) };
        assert!(notifier.try_send(&sent).is_ok());
        let message = parse(&notifier.lane.messages.pop().unwrap().1);
        let delay = message.get_child("delay", "urn:xmpp:delay");
        let stamp = delay.and_then(|delay| delay.attr("stamp").map(str::to_owned));
        let expected = is_late.then(|| crate::date_time::encode(event.published_at_ms));
        assert_eq!(stamp, expected);
    }
    assert_eq!(notifier.counters().encodings(), 2, "one for each variant");
}

#[test]
fn an_item_names_the_subscriptions_that_it_is_due_to() {
    let (node, to) = (node(1, "n", true), recipient(3, "bob@example.net"));
    let sub_ids = [SubscriptionId(3), SubscriptionId(9)];
    let mut notifier = notifier();
    for (event, expected) in [
        (published(1, "1", Some("<b xmlns='urn:b'/>")), "39"),
        (event(2, EventKind::Retracted { item_id: ItemId::new("1").unwrap() }), "39"),
        (event(3, EventKind::Purged), ""),
        (event(4, EventKind::Configured), ""),
        (event(5, EventKind::Deleted { redirect: None }), ""),
    ] {
        let sent = Delivery { sub_ids: &sub_ids, ..delivery(&node, &event, &to) };
        assert!(notifier.try_send(&sent).is_ok());
        let message = parse(&notifier.lane.messages.pop().unwrap().1);
        let headers = message.get_child("headers", "http://jabber.org/protocol/shim");
        let named: String = headers.into_iter().flat_map(Element::children).map(Element::text).collect();
        assert_eq!(named, expected, "{:?}", event.kind);
    }
}
