use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bus_domain::{BareJid, Epoch, Event, EventKind, NodeConfig, NodeId, ProcessingHint, Seq, Source};
use bus_engine::{
    Delivery, EventIds, EventRef, HandOff, IdSource, LastItem, MessageRef, NotificationSink, SinkFull,
};
use bus_xml::{escape_attribute, escape_text};
use bytes::Bytes;

use crate::date_time;
use crate::form;
use crate::namespaces::{DELAY, HINTS, POSITION, PUBSUB_EVENT, SHIM, STANZA_ID};
use crate::node_form::{NODE_CONFIG, shown};
use crate::xml::Xml;

/// The lane that notifications leave by.
pub trait NotificationLane: Send + 'static {
    /// Takes one message, as parts that are written back to back; never waits. It must not be sent on another life
    /// of the link than the one that `hand_off` names. `Ok` is a promise that its ticket will be proven or the link
    /// lost.
    fn try_send(&mut self, hand_off: HandOff, parts: [Bytes; 3]) -> Result<(), LaneRefusal>;
}

/// Why a lane did not take a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneRefusal {
    /// It cannot take more at the moment.
    Full,
    /// It will never take this message, because of its length.
    TooLarge,
}

/// Encodes events as notifications (XEP-0060 §7.1.2): each event once, whoever it goes to.
///
/// Per recipient only `to`, the message's `id` and the position before this one are written. A message has no type
/// (RFC 6121 §5.2.2: `normal`), so that servers keep it for users who are away; of a node in memory it is a `headline`,
/// which they do not keep: what is out of date by then is nothing to come back to (XEP-0060, "Not Routing Events to Offline Storage"). To a recipient for whom it would be too
/// long (addresses, names and payload together) it goes without the payload, as a notification only (XEP-0060 §4.3).
#[derive(Debug)]
pub struct Notifier<Lane> {
    lane: Lane,
    service: BareJid,
    event_ids: EventIds,
    /// `<message from='…' to='`, the same for every notification.
    opening: String,
    /// The last event in each of its variants.
    encoded: [Option<EncodedEvent>; VARIANTS],
    counters: Arc<NotificationCounters>,
}

/// Which of the forms of an event a recipient gets.
#[derive(Debug, Clone, Copy)]
struct Variant {
    with_payload: bool,
    /// With the time at which it happened (XEP-0203).
    is_late: bool,
}

/// Variants that there are.
const VARIANTS: usize = 4;

/// What was done, for metrics and for tests that assert counts.
#[derive(Debug, Default)]
pub struct NotificationCounters {
    encodings: AtomicU64,
    notifications: AtomicU64,
}

/// What all recipients of an event share: from behind the start of `<message>` to the value of `after`.
#[derive(Debug)]
struct EncodedEvent {
    /// Holding it keeps the address from being used again, so the address names the event.
    event: Arc<Event>,
    node: NodeId,
    markup: Bytes,
}

impl<Lane> Notifier<Lane> {
    /// A notifier for the service at `service`.
    pub fn new(lane: Lane, service: BareJid, event_ids: EventIds) -> Self {
        let mut opening = String::from("<message from='");
        escape_attribute(service.as_str(), &mut opening);
        opening.push_str("' to='");
        Self { lane, service, event_ids, opening, encoded: Default::default(), counters: Arc::default() }
    }

    /// The counters, which go on counting when the notifier is given away.
    pub fn counters(&self) -> Arc<NotificationCounters> {
        Arc::clone(&self.counters)
    }

    /// The shared markup of the delivery's event.
    fn shared(&mut self, delivery: &Delivery<'_>, variant: Variant) -> Bytes {
        if !delivery.earlier.is_empty() {
            self.counters.encodings.fetch_add(1, Ordering::Relaxed);
            return Bytes::from(self.encode_event(delivery, variant));
        }
        if let Some(encoded) = &self.encoded[variant.index()]
            && Arc::ptr_eq(&encoded.event, delivery.event)
            && encoded.node == delivery.node.id
        {
            return encoded.markup.clone();
        }
        let markup = Bytes::from(self.encode_event(delivery, variant));
        self.counters.encodings.fetch_add(1, Ordering::Relaxed);
        let (event, node) = (Arc::clone(delivery.event), delivery.node.id);
        self.encoded[variant.index()] = Some(EncodedEvent { event, node, markup: markup.clone() });
        markup
    }

    fn encode_event(&self, delivery: &Delivery<'_>, variant: Variant) -> String {
        let mut out = Xml::default();
        let source = delivery.event.kind.source();
        let config = config(delivery);
        let view = EventView {
            node: source.map_or(&delivery.node.name, |source| &source.name).as_str(),
            event: delivery.event,
            earlier: delivery.earlier,
            config,
            with_payload: variant.with_payload,
            with_config: variant.with_payload,
        };
        encode_event(&view, &mut out);
        // Of several events there is no one time.
        if variant.is_late && delivery.earlier.is_empty() {
            let published_at_ms =
                source.map_or(delivery.event.published_at_ms, |source| source.published_at_ms);
            encode_delay(self.service.as_str(), published_at_ms, &mut out);
        }
        encode_id(self.service.as_str(), &self.event_ids.event_id(archived(delivery)), &mut out);
        encode_hint(config, &mut out);
        let mut markup = out.finish();
        let (epoch, seq) = (delivery.node.epoch.0, delivery.event.seq);
        append(
            &mut markup,
            format_args!("<position xmlns='{POSITION}' epoch='{epoch:016x}' seq='{seq}' after='"),
        );
        markup
    }

    /// What only this recipient gets, and where in it the shared markup belongs.
    fn encode_recipient(&self, delivery: &Delivery<'_>) -> (Bytes, usize) {
        const ID_AND_MARKUP_BYTES: usize = 128;
        let to = delivery.subscription.jid.as_str();
        let mut markup = String::with_capacity(self.opening.len() + to.len() + ID_AND_MARKUP_BYTES);
        markup.push_str(&self.opening);
        escape_attribute(to, &mut markup);
        markup.push_str("' id='");
        let message = MessageRef {
            event: reference(delivery),
            subscription: delivery.subscription.id,
            after_seq: delivery.after_seq,
        };
        self.event_ids.write_message_id(message, &mut markup);
        markup.push_str(if config(delivery).sends_headlines() { "' type='headline'>" } else { "'>" });
        let split_at = markup.len();
        append(&mut markup, format_args!("{}'/>", delivery.after_seq));
        encode_headers(delivery, &mut markup);
        markup.push_str("</message>");
        (Bytes::from(markup), split_at)
    }
}

impl<Lane: NotificationLane> Notifier<Lane> {
    fn send(&mut self, delivery: &Delivery<'_>, with_payload: bool) -> Result<(), LaneRefusal> {
        let shared = self.shared(delivery, Variant { with_payload, is_late: delivery.is_late });
        let (own, split_at) = self.encode_recipient(delivery);
        self.lane.try_send(delivery.hand_off, [own.slice(..split_at), shared, own.slice(split_at..)])
    }

    /// Sends the events of a digest one by one. Where the lane is full in between, all of it is tried again.
    fn send_apart(&mut self, delivery: &Delivery<'_>) -> Result<(), SinkFull> {
        let mut after_seq = delivery.after_seq;
        for event in delivery.earlier.iter().chain([delivery.event]) {
            self.try_send(&Delivery { event, earlier: &[], after_seq, ..delivery.clone() })?;
            after_seq = event.seq;
        }
        Ok(())
    }
}

impl<Lane: NotificationLane> NotificationSink for Notifier<Lane> {
    fn try_send(&mut self, delivery: &Delivery<'_>) -> Result<(), SinkFull> {
        let with_payload = config(delivery).deliver_payloads;
        let mut sent = self.send(delivery, with_payload);
        if sent == Err(LaneRefusal::TooLarge) && !delivery.earlier.is_empty() {
            return self.send_apart(delivery);
        }
        if with_payload && sent == Err(LaneRefusal::TooLarge) {
            sent = self.send(delivery, false);
        }
        match sent {
            Ok(()) => {
                self.counters.notifications.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(LaneRefusal::Full) => Err(SinkFull),
            Err(LaneRefusal::TooLarge) => {
                // Names and addresses are bounded, so this is a lane for which no message is short enough. The others'
                // must not wait for it; a proof of theirs covers its ticket too.
                tracing::error!(
                    node = delivery.node.name.as_str(),
                    seq = delivery.event.seq,
                    "a notification is too long even without its payload"
                );
                Ok(())
            }
        }
    }
}

impl Variant {
    fn index(self) -> usize {
        usize::from(self.with_payload) + 2 * usize::from(self.is_late)
    }
}

impl NotificationCounters {
    /// Events encoded: once each, and again after another one came in between.
    pub fn encodings(&self) -> u64 {
        self.encodings.load(Ordering::Relaxed)
    }

    /// Notifications that the lane took.
    pub fn notifications(&self) -> u64 {
        self.notifications.load(Ordering::Relaxed)
    }
}

/// What is shown of an event.
pub(crate) struct EventView<'a> {
    pub(crate) node: &'a str,
    pub(crate) event: &'a Event,
    /// Those before it, of the same kind, that are shown together with it.
    pub(crate) earlier: &'a [Arc<Event>],
    /// As it is now.
    pub(crate) config: &'a NodeConfig,
    pub(crate) with_payload: bool,
    /// Whether a changed configuration is shown.
    pub(crate) with_config: bool,
}

/// `<event/>` of XEP-0060 §7.1.2, §7.2.2.1, §8.2.5.3, §8.4.2 and §8.5.2.
pub(crate) fn encode_event(view: &EventView<'_>, out: &mut Xml) {
    let EventView { node, event, earlier, config, with_payload, with_config } = *view;
    let all = earlier.iter().map(Arc::as_ref).chain([event]);
    out.start_in("event", PUBSUB_EVENT);
    match event.kind.told() {
        EventKind::Published { .. } => {
            out.start("items").attribute("node", node);
            for event in all.filter(|_| !config.takes_no_items()) {
                start_item(event, config, out);
                if let (true, Some(payload)) = (with_payload, event.kind.payload()) {
                    out.raw(payload.as_str());
                }
                out.end();
            }
            out.end();
        }
        EventKind::Retracted { .. } => {
            out.start("items").attribute("node", node);
            for item_id in all.filter_map(|event| event.kind.item_id()) {
                out.start("retract").attribute("id", item_id.as_str()).end();
            }
            out.end();
        }
        EventKind::Purged => {
            out.start("purge").attribute("node", node).end();
        }
        EventKind::Configured => {
            out.start("configuration").attribute("node", node);
            if with_config {
                form::encode_result(NODE_CONFIG, shown(config), config, |_| {}, out);
            }
            out.end();
        }
        EventKind::Deleted { redirect } => {
            out.start("delete").attribute("node", node);
            if let Some(redirect) = redirect {
                out.start("redirect").attribute("uri", redirect.as_str()).end();
            }
            out.end();
        }
        EventKind::Associated { child } => encode_association(node, "associate", child, out),
        EventKind::Dissociated { child } => encode_association(node, "dissociate", child, out),
        EventKind::Forwarded { .. } => {}
    }
    out.end();
}

/// XEP-0248 §5.3.2.
fn encode_association(collection: &str, what: &'static str, child: &Source, out: &mut Xml) {
    out.start("collection").attribute("node", collection);
    out.start(what).attribute("node", child.name.as_str()).end().end();
}

/// `<item>`, open for its payload. It names the account of its publisher where the node says so (§12.17).
pub(crate) fn start_item(event: &Event, config: &NodeConfig, out: &mut Xml) {
    out.start("item");
    if let Some(id) = event.kind.item_id() {
        out.attribute("id", id.as_str());
    }
    if config.expose_publisher {
        out.attribute("publisher", event.publisher.to_bare().as_str());
    }
}

/// The newest item, for who has just become a subscriber (§6.1.7). It has a delay, and its position names none before it:
/// it is not the first event of the subscription. Where it comes behind an event, its position shows that it is older.
pub(crate) fn encode_last_item(
    service: &BareJid,
    event_ids: &EventIds,
    ids: &dyn IdSource,
    last: &LastItem,
) -> String {
    let LastItem { node, subscription, event } = last;
    let mut out = Xml::default();
    out.start("message").attribute("from", service.as_str()).attribute("to", subscription.jid.as_str());
    out.attribute("id", &format!("{:032x}", u128::from_le_bytes(ids.random_bytes())));
    if node.config.sends_headlines() {
        out.attribute("type", "headline");
    }
    let with_payload = node.config.deliver_payloads;
    let view = EventView {
        node: node.name.as_str(),
        event,
        earlier: &[],
        config: &node.config,
        with_payload,
        with_config: false,
    };
    encode_event(&view, &mut out);
    encode_delay(service.as_str(), event.published_at_ms, &mut out);
    let reference = EventRef { node: node.id, epoch: node.epoch, seq: event.seq };
    encode_id(service.as_str(), &event_ids.event_id(reference), &mut out);
    encode_hint(&node.config, &mut out);
    encode_position(node.epoch, event.seq, None, &mut out);
    if let Some(sub_id) = subscription.sub_id {
        out.start_in("headers", SHIM).start("header").attribute("name", "SubID");
        out.text(&sub_id.0.to_string());
    }
    out.finish()
}

/// Which subscriptions an item is due to (§7.1.2.4); nothing else has this header (§12.16). And the collection through which
/// an event of another node comes (XEP-0248 §5.3.1).
fn encode_headers(delivery: &Delivery<'_>, markup: &mut String) {
    let is_of_items =
        matches!(delivery.event.kind.told(), EventKind::Published { .. } | EventKind::Retracted { .. });
    let sub_ids = if is_of_items { delivery.sub_ids } else { &[] };
    let collection = delivery.event.kind.source().map(|_| delivery.node.name.as_str());
    if sub_ids.is_empty() && collection.is_none() {
        return;
    }
    append(markup, format_args!("<headers xmlns='{SHIM}'>"));
    if let Some(collection) = collection {
        markup.push_str("<header name='Collection'>");
        escape_text(collection, markup);
        markup.push_str("</header>");
    }
    for sub_id in sub_ids {
        append(markup, format_args!("<header name='SubID'>{}</header>", sub_id.0));
    }
    markup.push_str("</headers>");
}

/// When the event has happened (XEP-0203).
fn encode_delay(service: &str, published_at_ms: i64, out: &mut Xml) {
    out.start_in("delay", DELAY)
        .attribute("from", service)
        .attribute("stamp", &date_time::encode(published_at_ms))
        .end();
}

/// What servers are asked to do with the message (XEP-0334).
fn encode_hint(config: &NodeConfig, out: &mut Xml) {
    if config.processing_hint != ProcessingHint::None {
        out.start_in(config.processing_hint.as_str(), HINTS).end();
    }
}

/// The id under which the archive has the event (XEP-0313 §3.5).
pub(crate) fn encode_id(service: &str, id: &str, out: &mut Xml) {
    out.start_in("stanza-id", STANZA_ID).attribute("by", service).attribute("id", id).end();
}

/// Where the event stands, and the one before it that was due, if that is known.
pub(crate) fn encode_position(epoch: Epoch, seq: Seq, after_seq: Option<Seq>, out: &mut Xml) {
    out.start_in("position", POSITION);
    out.attribute("epoch", &format!("{:016x}", epoch.0)).attribute("seq", &seq.to_string());
    if let Some(after_seq) = after_seq {
        out.attribute("after", &after_seq.to_string());
    }
    out.end();
}

/// The options of a leaf rule, also where its events come through a collection (XEP-0248 §5.3.1).
fn config<'a>(delivery: &Delivery<'a>) -> &'a NodeConfig {
    delivery.source.map_or(&delivery.node.config, |source| &source.config)
}

/// Where the archive has the event: what comes through a collection is in the archive of its own node.
fn archived(delivery: &Delivery<'_>) -> EventRef {
    let of_source = |source: &Source| EventRef { node: source.node, epoch: source.epoch, seq: source.seq };
    delivery.event.kind.source().map_or_else(|| reference(delivery), of_source)
}

fn reference(delivery: &Delivery<'_>) -> EventRef {
    EventRef { node: delivery.node.id, epoch: delivery.node.epoch, seq: delivery.event.seq }
}

fn append(markup: &mut String, arguments: std::fmt::Arguments<'_>) {
    markup.write_fmt(arguments).expect("a String takes everything");
}

#[cfg(test)]
mod tests;
