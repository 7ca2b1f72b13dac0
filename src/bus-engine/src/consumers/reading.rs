//! What consumers read: the nodes that their patterns stand for, and pages of the logs of these.

use std::sync::Arc;

use bus_domain::consumer::NodePattern;
use bus_domain::retention;
use bus_domain::retrieve::{ItemOrder, PageAt};
use bus_domain::{BusError, ErrorClass, Event, NodeFacts, NodeId, NodeName, Seq};
use bus_store::ItemWindow;

use super::running::Running;
use super::state::{Page, SessionId};
use crate::Engine;

/// Names that are read at once.
const NAMES_MAX: u32 = 1_000;
/// Nodes that one pattern may have found by and by.
const NODES_MAX: usize = 100_000;

impl Engine {
    /// The nodes that there are for a pattern, in the order of their names; more than `nodes_max` are not looked for.
    pub(crate) async fn nodes_of(
        &self,
        pattern: &NodePattern,
        nodes_max: usize,
    ) -> Result<Vec<NodeName>, BusError> {
        if let Some(name) = pattern.exact() {
            return Ok(vec![name]);
        }
        let prefix = pattern.literal_prefix();
        let mut found = Vec::new();
        let mut after: Option<NodeName> = None;
        loop {
            let page = self.store().names_of_nodes(prefix, after.as_ref(), NAMES_MAX).await;
            let page = page.map_err(|error| self.unavailable(&error))?;
            let is_last = page.len() < NAMES_MAX as usize;
            after = page.last().map(|(_, name)| name.clone());
            let has_left = after.as_ref().is_none_or(|name| !name.as_str().starts_with(prefix));
            found.extend(page.into_iter().map(|(_, name)| name).filter(|name| pattern.matches(name)));
            if is_last || has_left || found.len() > nodes_max {
                return Ok(found);
            }
        }
    }

    /// Looks for nodes that a consumer does not know.
    pub(super) async fn discover(&self, running: &Arc<Running>) -> Result<(), BusError> {
        for pattern in &running.consumer.config.nodes {
            let names = self.nodes_of(pattern, NODES_MAX).await?;
            if names.len() > NODES_MAX {
                tracing::error!(consumer = %running.consumer.name, "a subscription's patterns find too many nodes; the last ones are not read");
            }
            self.discovered(running, names.iter().take(NODES_MAX)).await?;
        }
        Ok(())
    }

    /// Has a consumer read those of the nodes that it does not know: from their beginning, because they have come after it.
    /// Nodes in memory and collections have no log to be read.
    pub(super) async fn discovered(
        &self,
        running: &Arc<Running>,
        names: impl Iterator<Item = &NodeName>,
    ) -> Result<(), BusError> {
        for name in names {
            let facts = match self.facts(name).await {
                Ok(facts) => facts,
                Err(BusError::NodeNotFound | BusError::NodeMoved { .. }) => continue,
                Err(error) => return Err(error),
            };
            if is_readable(&facts) && !running.lock().state.has_node(facts.id) {
                self.shared().consumers.reads(running, facts.id);
                running.lock().state.add_node(facts, 0, None);
            }
        }
        Ok(())
    }

    /// Reads the next page of a log for a consumer.
    pub(super) async fn read_for(
        &self,
        running: &Arc<Running>,
        facts: &Arc<NodeFacts>,
        (after_seq, items_through_seq): (Seq, Option<Seq>),
    ) -> Result<(), BusError> {
        let may_read = self.check_readers(running, facts).await;
        running.lock().state.set_readable(facts.id, may_read == Ok(true));
        match may_read {
            Ok(true) => {}
            Ok(false) => {
                running.lock().state.page_failed(facts.id, false);
                return Ok(());
            }
            Err(error) => {
                running.lock().state.page_failed(facts.id, true);
                return Err(error);
            }
        }
        if let Some(through_seq) = items_through_seq {
            return self.read_items_for(running, facts, (after_seq, through_seq)).await;
        }
        match self.page_behind(facts.id, after_seq).await {
            Ok((events, gone_through_seq)) => {
                let page = self.sifted(running, facts, Page::new(events, gone_through_seq));
                let mut inner = running.lock();
                let gap = inner.state.take_page(facts.id, after_seq, page);
                if let Some(super::state::Action::Gap { facts, first_seq }) = gap {
                    inner.tell_gap(&facts, first_seq);
                }
                Ok(())
            }
            Err(BusError::NodeNotFound) => {
                running.lock().state.remove_node(facts.id);
                Ok(())
            }
            Err(error) => {
                running.lock().state.page_failed(facts.id, true);
                Err(error)
            }
        }
    }

    /// Reads the next items for a consumer that begins with these.
    async fn read_items_for(
        &self,
        running: &Arc<Running>,
        facts: &Arc<NodeFacts>,
        (after_seq, through_seq): (Seq, Seq),
    ) -> Result<(), BusError> {
        let limits = &self.settings().engine;
        let window = ItemWindow {
            order: ItemOrder::Modification,
            at: PageAt::After(after_seq),
            items_max: limits.log_page_events_max,
            bytes_max: limits.log_page_bytes_max,
            expired_through_ms: retention::expired_through_ms(&facts.config, self.now_ms()),
        };
        match self.store().list_items(facts.id, window).await {
            Ok(page) => {
                let items = page.items.into_iter().filter(|item| item.seq <= through_seq);
                let page = self.sifted(running, facts, Page::new(items.map(Arc::new).collect(), 0));
                running.lock().state.take_items(facts.id, after_seq, page);
                Ok(())
            }
            Err(error) => {
                running.lock().state.page_failed(facts.id, true);
                Err(self.unavailable(&error))
            }
        }
    }

    /// What of a page a consumer is to hand out.
    fn sifted(&self, running: &Running, facts: &NodeFacts, mut page: Page) -> Page {
        if let Some(sieve) = &running.sieve {
            page.sift(|event| sieve.passes(facts, event, self.statistics()));
        }
        if running.consumer.config.key_ordered {
            page.order(|event| running.order_key(event));
        }
        page
    }

    /// Reads one event for a consumer that is to hand it out again.
    pub(super) async fn read_one_for(
        &self,
        running: &Arc<Running>,
        facts: &Arc<NodeFacts>,
        seq: Seq,
    ) -> Result<(), BusError> {
        let may_read = self.check_readers(running, facts).await;
        let found = match may_read {
            Ok(true) => self.event_at(facts.id, seq).await,
            Ok(false) => {
                running.lock().state.event_denied(facts.id, seq, self.now_ms());
                return Ok(());
            }
            Err(error) => Err(error),
        };
        let mut inner = running.lock();
        match found {
            Ok(found) => {
                if found.is_none() {
                    inner.tell_gap(facts, seq + 1);
                }
                inner.state.take_event(facts.id, seq, found);
                Ok(())
            }
            Err(error) => {
                inner.state.event_failed(facts.id, seq);
                Err(error)
            }
        }
    }

    /// One event, if the log still has it.
    pub(super) async fn event_at(&self, node: NodeId, seq: Seq) -> Result<Option<Arc<Event>>, BusError> {
        let recent = self.recent().after(node, seq - 1, 1).and_then(|events| events.into_iter().next());
        if let Some(event) = recent.filter(|event| event.seq == seq) {
            return Ok(Some(event));
        }
        let read = self.store().events_after(node, seq - 1, 1, usize::MAX).await;
        let event = read.map_err(|error| self.unavailable(&error))?.into_iter().next();
        Ok(event.filter(|event| event.seq == seq).map(Arc::new))
    }

    /// Events behind a position, from memory or the log, and up to where they are gone.
    pub(crate) async fn page_behind(
        &self,
        node: NodeId,
        after_seq: Seq,
    ) -> Result<(Vec<Arc<Event>>, Seq), BusError> {
        let limits = &self.settings().engine;
        let events_max = limits.log_page_events_max;
        if let Some(events) = self.recent().after(node, after_seq, events_max as usize) {
            return Ok((within(events, limits.log_page_bytes_max), 0));
        }
        self.statistics().log_pages_read.add(1);
        let page = self.store().events_after(node, after_seq, events_max, limits.log_page_bytes_max).await;
        let page = page.map_err(|error| self.unavailable(&error))?;
        let gone_through_seq = match page.first() {
            Some(_) => 0,
            None => self.shared().head_of(node).await?.ok_or(BusError::NodeNotFound)?.0,
        };
        Ok((page.into_iter().map(Arc::new).collect(), gone_through_seq))
    }

    /// Whether all who read the consumer may read the node, on its rules of now. Who may not loses its session, if it has
    /// named the node; one that was found by a pattern is passed over. A deleted node is read to its end by whom its last rules
    /// let in.
    async fn check_readers(&self, running: &Arc<Running>, facts: &Arc<NodeFacts>) -> Result<bool, BusError> {
        let now = match self.facts(&facts.name).await {
            Ok(now) if now.id == facts.id => now,
            Ok(_) | Err(BusError::NodeNotFound | BusError::NodeMoved { .. }) => {
                match self.last_rules(facts).await {
                    Ok(last) => last,
                    Err(BusError::NodeNotFound) => return Ok(false),
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        };
        if now.epoch != facts.epoch {
            // What it knows of the node has ended. Whoever comes next finds it set back.
            self.shared().consumers.stop(running, &BusError::WrongEpoch);
            return Ok(false);
        }
        let readers: Vec<(SessionId, bus_domain::Actor)> =
            running.lock().readers.iter().map(|(id, reader)| (*id, reader.actor.clone())).collect();
        let mut checked: Vec<(bus_domain::Actor, Result<(), BusError>)> = Vec::new();
        let mut may_all = true;
        for (session, actor) in readers {
            let known = checked.iter().find(|(other, _)| *other == actor).map(|(_, outcome)| outcome.clone());
            let outcome = if let Some(outcome) = known {
                outcome
            } else {
                let outcome = self.check_reader(&now, &actor).await;
                checked.push((actor, outcome.clone()));
                outcome
            };
            let Err(refused) = outcome else { continue };
            if refused.class() == ErrorClass::Wait {
                return Err(refused);
            }
            if running.consumer.config.names_nodes() {
                running.lock().end_session(session, refused);
            } else {
                may_all = false;
            }
        }
        Ok(may_all)
    }
}

/// As many events as have so many bytes, and at least one: a page from memory pins no more of it than one from the log has.
fn within(mut events: Vec<Arc<Event>>, bytes_max: usize) -> Vec<Arc<Event>> {
    let mut bytes = 0;
    let fitting = events.iter().take_while(|event| {
        bytes += event.weight_bytes();
        bytes <= bytes_max
    });
    let fitting = fitting.count().max(1);
    events.truncate(fitting);
    events
}

/// Whether a node has a log on disk that can be read.
pub(crate) fn is_readable(facts: &NodeFacts) -> bool {
    !facts.is_transient() && !facts.config.is_collection()
}

#[cfg(test)]
mod tests {
    use bus_domain::{EventKind, ItemId, Jid, Payload};

    use super::*;

    #[test]
    fn a_page_from_memory_is_bounded_in_bytes() {
        let event = |seq: Seq| {
            let item_id = ItemId::new("a").unwrap();
            let payload = Some(Payload::from_serialised("x".repeat(1_000)));
            Arc::new(Event {
                seq,
                kind: EventKind::Published { item_id, payload },
                publisher: Jid::new("a@example.org").unwrap(),
                published_at_ms: 0,
                recipients_version: 1,
                due_after_seq: None,
            })
        };
        let weight = event(1).weight_bytes();
        let seqs = |bytes_max| {
            let page = within((1..=5).map(event).collect(), bytes_max);
            page.iter().map(|event| event.seq).collect::<Vec<_>>()
        };
        assert_eq!(seqs(usize::MAX), [1, 2, 3, 4, 5]);
        assert_eq!(seqs(3 * weight), [1, 2, 3]);
        assert_eq!(seqs(3 * weight - 1), [1, 2]);
        assert_eq!(seqs(1), [1], "what is longer than a page is read all the same");
        assert!(within(vec![], 1).is_empty());
    }
}
