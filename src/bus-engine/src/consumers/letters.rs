//! Dead letters: how they are written and read. Each is an item of the dead-letter node, with the content of its event in it.

use std::sync::Arc;

use bus_domain::consumer::ConsumerName;
use bus_domain::consumer::redrive::{DeadLetter, ENVELOPE_BYTES_MAX, Particulars, Undeliverable};
use bus_domain::{BusError, Epoch, Event, ItemId, Jid, NodeFacts, NodeName, Payload, Seq};
use bus_xml::{Element, XmlLimits, escape_attribute, parse_document, serialise};

use super::running::Running;
use crate::{Command, Engine, Verb};

const NAMESPACE: &str = "urn:stanzabus:dead-letter:0";

/// A dead letter as somebody looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterEntry {
    /// The item of the dead-letter node.
    pub item_id: ItemId,
    /// Where it stands there.
    pub seq: Seq,
    /// When it was written, in milliseconds since 1970.
    pub written_at_ms: i64,
    /// What it is about.
    pub about: Particulars,
    /// The content of its event, if that had any.
    pub payload: Option<Payload>,
}

/// Writes a dead letter, and tells the consumer's state what has become of it.
pub(super) async fn write(
    engine: &Engine,
    running: &Arc<Running>,
    facts: &NodeFacts,
    seq: Seq,
    attempts: u32,
    reason: &str,
) {
    let written = try_write(engine, running, facts, seq, attempts, reason).await;
    let mut inner = running.lock();
    inner.state.letter_ended(facts.id, seq);
    match written {
        Ok(()) => {
            engine.statistics().dead_letters.add(1);
            inner.state.dead_lettered(facts.id, seq);
        }
        Err(error) => {
            tracing::warn!(%error, consumer = %running.consumer.name, node = %facts.name, seq,
                "a dead letter could not be written; it is tried again");
            inner.state.dead_letter_failed(facts.id, seq, engine.now_ms());
        }
    }
    drop(inner);
    running.wake.notify_one();
}

async fn try_write(
    engine: &Engine,
    running: &Running,
    facts: &NodeFacts,
    seq: Seq,
    attempts: u32,
    reason: &str,
) -> Result<(), BusError> {
    let consumer = &running.consumer;
    let Some(node) = consumer.config.dead_letter_node.clone() else { return Err(BusError::Internal) };
    let event = engine.event_at(facts.id, seq).await?;
    let payload = wrap(&consumer.name, facts, seq, event.as_deref(), (attempts, reason));
    let about = Undeliverable {
        consumer: consumer.id,
        fence: running.fence,
        node: facts.id,
        epoch: facts.epoch,
        seq,
    };
    let actor = engine.actor_of(&consumer.owner);
    let verb = Verb::DeadLetter(Box::new(DeadLetter { about, payload }));
    engine.execute(Command { actor, node: node.0, verb }).await.map(drop)
}

fn wrap(
    consumer: &ConsumerName,
    facts: &NodeFacts,
    seq: Seq,
    event: Option<&Event>,
    (attempts, reason): (u32, &str),
) -> Payload {
    let mut xml = format!("<dead-letter xmlns='{NAMESPACE}'");
    let mut attribute = |name: &str, value: &str| {
        xml.extend([" ", name, "='"]);
        escape_attribute(value, &mut xml);
        xml.push('\'');
    };
    attribute("subscription", consumer.as_str());
    attribute("node", facts.name.as_str());
    attribute("epoch", &facts.epoch.0.to_string());
    attribute("seq", &seq.to_string());
    attribute("attempts", &attempts.to_string());
    attribute("reason", reason);
    if let Some(event) = event {
        attribute("publisher", event.publisher.as_str());
        attribute("published-at-ms", &event.published_at_ms.to_string());
        if let Some(item_id) = event.kind.item_id() {
            attribute("item", item_id.as_str());
        }
    }
    match event.and_then(|event| event.kind.payload()) {
        Some(content) => xml.extend([">", content.as_str(), "</dead-letter>"]),
        None => xml.push_str("/>"),
    }
    Payload::from_serialised(xml)
}

/// Reads an item of a dead-letter node; `None` if it is something else that somebody has published there.
pub(super) fn read(
    event: &Event,
    payload_bytes_max: usize,
    payload_depth_max: usize,
) -> Option<DeadLetterEntry> {
    let limits =
        XmlLimits { depth_max: payload_depth_max + 1, bytes_max: payload_bytes_max + ENVELOPE_BYTES_MAX };
    let root = parse_document(event.kind.payload()?.as_str(), limits).ok()?;
    if !root.is("dead-letter", NAMESPACE) {
        return None;
    }
    Some(DeadLetterEntry {
        item_id: event.kind.item_id()?.clone(),
        seq: event.seq,
        written_at_ms: event.published_at_ms,
        about: particulars(&root, event)?,
        payload: root.children().next().map(|content| Payload::from_serialised(serialise(content))),
    })
}

fn particulars(root: &Element, event: &Event) -> Option<Particulars> {
    Some(Particulars {
        consumer: ConsumerName::new(root.attr("subscription")?).ok()?,
        node: NodeName::new(root.attr("node")?).ok()?,
        epoch: Epoch(root.attr("epoch")?.parse().ok()?),
        seq: root.attr("seq")?.parse().ok()?,
        publisher: root
            .attr("publisher")
            .and_then(|publisher| Jid::new(publisher).ok())
            .unwrap_or_else(|| event.publisher.clone()),
        published_at_ms: root
            .attr("published-at-ms")
            .and_then(|at_ms| at_ms.parse().ok())
            .unwrap_or_default(),
        item_id: root.attr("item").map(str::to_owned),
        attempts: root.attr("attempts")?.parse().ok()?,
        reason: root.attr("reason").unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use bus_domain::EventKind;

    use super::*;

    #[test]
    fn what_is_written_of_an_event_can_be_read() {
        let event = |kind| Event {
            seq: 7,
            kind,
            publisher: Jid::new("a@example.org/x'y").unwrap(),
            published_at_ms: 5,
            recipients_version: 1,
            due_after_seq: None,
        };
        let item_id = ItemId::new("<&'\">").unwrap();
        let content = Payload::from_serialised("<a xmlns='urn:a'>&lt;<b/></a>");
        let kind = |payload| EventKind::Published { item_id: item_id.clone(), payload };
        let mut facts = sample();
        facts.name = NodeName::new("orders <'&>").unwrap();
        let name = ConsumerName::new("billing/<1>").unwrap();
        for payload in [Some(content.clone()), None] {
            let letter = wrap(&name, &facts, 7, Some(&event(kind(payload.clone()))), (3, "it was refused"));
            let entry = read(&event(kind(Some(letter))), 1_000, 8).unwrap();
            assert_eq!((&entry.about.node, &entry.about.consumer), (&facts.name, &name));
            assert_eq!((entry.about.epoch, entry.about.seq, entry.about.attempts), (facts.epoch, 7, 3));
            assert_eq!(entry.about.item_id.as_deref(), Some(item_id.as_str()));
            assert_eq!(entry.about.publisher.as_str(), "a@example.org/x'y");
            assert_eq!(entry.payload, payload);
        }
        let gone = wrap(&name, &facts, 7, None, (3, "x"));
        assert!(read(&event(kind(Some(gone))), 1_000, 8).is_some());
        assert_eq!(read(&event(kind(Some(content))), 1_000, 8), None, "somebody else's");
    }

    fn sample() -> NodeFacts {
        let owner = bus_domain::BareJid::new("owner@example.org").unwrap();
        NodeFacts {
            id: bus_domain::NodeId(1),
            name: NodeName::new("sample").unwrap(),
            epoch: Epoch(u64::MAX),
            creator: owner,
            created_at_ms: 0,
            config: bus_domain::NodeConfig::default(),
            affiliations: Arc::default(),
            rules_version: 1,
            above: None,
            is_orphan: false,
        }
    }
}
