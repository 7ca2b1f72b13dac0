//! What owners do with their consumers besides reading them.

use std::sync::Arc;

use bus_domain::consumer::create::{self, Wish};
use bus_domain::consumer::redrive::{Redrive, Redriven, check_node};
use bus_domain::consumer::start::{self, LogEnds, Start};
use bus_domain::consumer::{Consumer, ConsumerError, ConsumerName};
use bus_domain::retrieve::{Page, PageAt, Selection};
use bus_domain::{Actor, BusError, ItemId, NodeFacts, NodeId, NodeName, Role, Seq};
use bus_store::{CursorPlace, NewConsumer};

use super::letters::{self, DeadLetterEntry};
use super::reading::is_readable;
use crate::{Command, Engine, Verb};

/// A page of consumers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerList {
    /// In the order of their names.
    pub consumers: Vec<Consumer>,
    /// Where the next page starts; `None` after the last.
    pub next_after: Option<ConsumerName>,
}

/// What a consumer still has to do.
#[derive(Debug, Clone)]
pub struct Backlog {
    /// On each of its nodes.
    pub nodes: Vec<BacklogOfNode>,
    /// When the oldest event was committed that is not settled, in milliseconds since 1970; `None` if all are.
    pub oldest_unsettled_at_ms: Option<i64>,
}

/// What a consumer still has to do on one node.
#[derive(Debug, Clone)]
pub struct BacklogOfNode {
    /// The node.
    pub facts: Arc<NodeFacts>,
    /// The newest event of its log.
    pub head_seq: Seq,
    /// Everything up to here was handed out, or is committed.
    pub through_seq: Seq,
    /// Events that somebody has.
    pub leased: u64,
    /// Events that wait for another attempt, or for one of their key.
    pub waiting: u64,
    /// The oldest one of both.
    pub oldest_unsettled_seq: Option<Seq>,
}

/// Dead letters that go back with one call.
const REDRIVEN_MAX: usize = 1_000;

impl Engine {
    /// Makes a consumer. It may name only nodes that its owner may read; what patterns stand for is checked when it is
    /// read.
    ///
    /// # Errors
    /// [`ConsumerError`], refusals of the access table, [`BusError::NodeNotFound`].
    pub async fn create_consumer(
        &self,
        actor: &Actor,
        name: ConsumerName,
        wish: &Wish,
    ) -> Result<Consumer, BusError> {
        let limits = &self.settings().limits;
        let config = create::decide(wish, limits)?;
        if config.destination.is_some() {
            self.check_outbound(actor)?;
        }
        if let Some(node) = &wish.dead_letter_node {
            check_node(&*self.facts(node).await?, actor)?;
        }
        let has_already =
            self.store().count_consumers(actor.bare()).await.map_err(|error| self.unavailable(&error))?;
        if has_already >= limits.consumers_per_jid_max && actor.role() != Role::Admin {
            return Err(ConsumerError::TooMany { consumers_max: limits.consumers_per_jid_max }.into());
        }
        // From here on, what is new is found by its commit; what comes into being meanwhile is read from its beginning.
        let created_at_ms = self.now_ms();
        let nodes = self.nodes_for(actor, &config).await?;
        let cursors = self.places(&nodes, wish.start).await?;
        let owner = actor.bare().clone();
        let new = NewConsumer { name, owner, config, created_at_ms, cursors };
        let created = self.store().create_consumer(&new).await.map_err(|error| self.unavailable(&error))?;
        let NewConsumer { name, owner, config, .. } = new;
        let id = created.ok_or(ConsumerError::Exists)?;
        if config.destination.is_some() {
            self.destinations_changed();
        }
        Ok(Consumer { id, name, owner, config, is_paused: false, created_at_ms, standing: None })
    }

    /// A consumer, as its owner or an admin may see it.
    pub async fn consumer(&self, actor: &Actor, name: &ConsumerName) -> Result<Consumer, BusError> {
        self.find_consumer(actor, name).await
    }

    /// A page of the actor's consumers; of everybody's, for an admin.
    pub async fn consumers(
        &self,
        actor: &Actor,
        after: Option<&ConsumerName>,
        consumers_max: u32,
    ) -> Result<ConsumerList, BusError> {
        let consumers_max = consumers_max.clamp(1, self.settings().limits.page_items_max);
        let owner = (actor.role() != Role::Admin).then(|| actor.bare());
        let page = self.store().list_consumers(owner, after, consumers_max + 1).await;
        let mut consumers = page.map_err(|error| self.unavailable(&error))?;
        let has_more = consumers.len() > consumers_max as usize;
        consumers.truncate(consumers_max as usize);
        let next_after = consumers.last().filter(|_| has_more).map(|last| last.name.clone());
        Ok(ConsumerList { consumers, next_after })
    }

    /// Removes a consumer; its readers learn that it is gone.
    pub async fn delete_consumer(&self, actor: &Actor, name: &ConsumerName) -> Result<(), BusError> {
        let consumer = self.find_consumer(actor, name).await?;
        let _changing = self.turn_of(actor, &consumer).await?;
        let (consumer, fence) = self.take_over(actor, name, &ConsumerError::NotFound).await?;
        let deleted = self.store().delete_consumer(consumer.id, fence).await;
        if deleted.map_err(|error| self.unavailable(&error))? {
            self.destinations_changed();
            Ok(())
        } else {
            Err(ConsumerError::Elsewhere.into())
        }
    }

    /// Has a consumer hand out nothing, or go on. Who reads it stays, and may answer what it has.
    pub async fn pause_consumer(
        &self,
        actor: &Actor,
        name: &ConsumerName,
        is_paused: bool,
    ) -> Result<Consumer, BusError> {
        let running = self.run_consumer(actor, name).await?;
        let paused = self.store().pause_consumer(running.consumer.id, running.fence, is_paused).await;
        if !paused.map_err(|error| self.unavailable(&error))? {
            return Err(ConsumerError::Elsewhere.into());
        }
        running.lock().state.set_paused(is_paused);
        running.wake.notify_one();
        let consumer = self.find_consumer(actor, name).await?;
        if consumer.config.destination.is_some() {
            self.destinations_changed();
        }
        Ok(consumer)
    }

    /// Waits until nobody else changes or claims a consumer. Another one of its name, made meanwhile, is not meant.
    async fn turn_of(&self, actor: &Actor, consumer: &Consumer) -> Result<impl Sized + use<>, BusError> {
        let turn = self.shared().consumers.changing.turn(consumer.id).await;
        if self.find_consumer(actor, &consumer.name).await?.id != consumer.id {
            return Err(ConsumerError::NotFound.into());
        }
        Ok(turn)
    }

    /// Moves a consumer to another place on a node, or on all of its nodes. What was leased or waited there is forgotten;
    /// who reads it opens it again.
    pub async fn seek_consumer(
        &self,
        actor: &Actor,
        name: &ConsumerName,
        node: Option<&NodeName>,
        start: Start,
    ) -> Result<(), BusError> {
        let consumer = self.find_consumer(actor, name).await?;
        let _changing = self.turn_of(actor, &consumer).await?;
        let nodes = match node {
            Some(node) if consumer.config.covers(node) => {
                let facts = self.facts(node).await?;
                self.check_reader(&facts, actor).await?;
                vec![facts]
            }
            Some(_) => {
                let reason = "it does not read that node".to_owned();
                return Err(ConsumerError::Invalid { reason }.into());
            }
            None => self.nodes_for(actor, &consumer.config).await?,
        };
        if matches!(start, Start::After(_)) && nodes.len() != 1 {
            let reason = "a position is of one node: say which one".to_owned();
            return Err(ConsumerError::Invalid { reason }.into());
        }
        let places = self.places(&nodes, start).await?;
        let (consumer, fence) = self.take_over(actor, name, &ConsumerError::Moved).await?;
        let moved = self.store().seek_consumer(consumer.id, fence, &places).await;
        if moved.map_err(|error| self.unavailable(&error))? {
            Ok(())
        } else {
            Err(ConsumerError::Elsewhere.into())
        }
    }

    /// What a consumer still has to do.
    pub async fn consumer_backlog(&self, actor: &Actor, name: &ConsumerName) -> Result<Backlog, BusError> {
        let running = self.run_consumer(actor, name).await?;
        self.discover(&running).await?;
        let nodes_max = self.settings().limits.consumer_nodes_max as usize;
        let all = running.lock().state.backlog(nodes_max);
        let mut nodes = Vec::with_capacity(all.len());
        for node in all {
            // Patterns find nodes that the actor must not know of.
            let Ok(now) = self.facts(&node.facts.name).await else { continue };
            if now.id == node.facts.id && self.check_reader(&now, actor).await.is_ok() {
                nodes.push(node);
            }
        }
        let ids: Vec<NodeId> = nodes.iter().map(|node| node.facts.id).collect();
        let heads = self.store().heads(&ids).await.map_err(|error| self.unavailable(&error))?;
        let mut oldest_unsettled_at_ms: Option<i64> = None;
        for node in &mut nodes {
            let head = heads.iter().find(|(id, _)| *id == node.facts.id).map(|(_, head)| *head);
            node.head_seq = head.map_or(node.through_seq, |head| head.seq.max(node.through_seq));
            let oldest_seq = node.oldest_unsettled_seq.unwrap_or(node.through_seq + 1);
            if oldest_seq > node.head_seq {
                continue;
            }
            let oldest = self.store().events_after(node.facts.id, oldest_seq - 1, 1, 1).await;
            let oldest = oldest.map_err(|error| self.unavailable(&error))?.into_iter().next();
            let at_ms = oldest.map(|event| event.published_at_ms);
            oldest_unsettled_at_ms = [oldest_unsettled_at_ms, at_ms].into_iter().flatten().min();
        }
        Ok(Backlog { nodes, oldest_unsettled_at_ms })
    }

    /// A page of a consumer's dead letters, oldest first, behind a position of the dead-letter node; and where the next
    /// page starts.
    pub async fn dead_letters(
        &self,
        actor: &Actor,
        name: &ConsumerName,
        after_seq: Option<Seq>,
        letters_max: u32,
    ) -> Result<(Vec<DeadLetterEntry>, Option<Seq>), BusError> {
        let consumer = self.find_consumer(actor, name).await?;
        let node = dead_letter_node(&consumer)?;
        let limits = &self.settings().limits;
        let items_max = letters_max.clamp(1, limits.page_items_max);
        let at = after_seq.map_or(PageAt::First, PageAt::After);
        let listing = self.items(actor, &node, Selection::Page(Page { at, items_max })).await?;
        // Bytes bound a page, too.
        let behind = listing.first_index.unwrap_or_default() + listing.items.len() as u64;
        let has_more = behind < listing.count;
        let next = listing.items.last().map(|item| item.seq).filter(|_| has_more);
        let letters = listing.items.iter();
        let letters = letters
            .filter_map(|item| letters::read(item, limits.payload_bytes_max, limits.payload_depth_max))
            .filter(|letter| letter.about.consumer == consumer.name);
        Ok((letters.collect(), next))
    }

    /// Hands dead letters out again: they leave their node, and their events begin anew, all in one transaction. Says which
    /// of them cannot, because their events are gone from the logs.
    pub async fn redrive_dead_letters(
        &self,
        actor: &Actor,
        name: &ConsumerName,
        item_ids: &[ItemId],
    ) -> Result<(usize, Vec<ItemId>), BusError> {
        let running = self.run_consumer(actor, name).await?;
        let node = dead_letter_node(&running.consumer)?;
        let letters = self.letters_to_redrive(actor, name, item_ids).await?;
        let (mut found, mut gone) = (Vec::new(), Vec::new());
        let mut events = std::collections::HashSet::new();
        for letter in letters {
            let facts = match self.facts(&letter.about.node).await {
                Ok(facts) if facts.epoch == letter.about.epoch => facts,
                Ok(_) | Err(BusError::NodeNotFound | BusError::NodeMoved { .. }) => {
                    gone.push(letter.item_id);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let seq = letter.about.seq;
            // One that is still to come is handed out anyway, and one event has one row.
            let is_passed = running.lock().state.is_passed(facts.id, seq);
            if !is_passed || !events.insert((facts.id, seq)) {
                gone.push(letter.item_id);
                continue;
            }
            let Some(event) = self.event_at(facts.id, seq).await? else {
                gone.push(letter.item_id);
                continue;
            };
            let order_key = running.order_key(&event);
            let (item_id, node, epoch) = (letter.item_id, facts.id, facts.epoch);
            found.push(Redriven { item_id, node, epoch, seq, order_key });
        }
        if found.is_empty() {
            return Ok((0, gone));
        }
        let due_at_ms = self.now_ms();
        let redrive =
            Redrive { consumer: running.consumer.id, fence: running.fence, letters: found, due_at_ms };
        let events = redrive.letters.iter().map(|letter| (letter.node, letter.seq, letter.order_key));
        let events: Vec<_> = events.collect();
        let verb = Verb::Redrive(Box::new(redrive));
        self.execute(Command { actor: actor.clone(), node, verb }).await?;
        let redriven = events.len();
        running.lock().state.redrive(events, due_at_ms);
        running.wake.notify_one();
        Ok((redriven, gone))
    }

    /// Those that are named, or the oldest ones.
    async fn letters_to_redrive(
        &self,
        actor: &Actor,
        name: &ConsumerName,
        item_ids: &[ItemId],
    ) -> Result<Vec<DeadLetterEntry>, BusError> {
        let items_max = REDRIVEN_MAX.min(self.settings().limits.request_items_max);
        if item_ids.len() > items_max {
            return Err(BusError::TooManyItems { items_max });
        }
        let mut letters = Vec::new();
        let mut after_seq = None;
        loop {
            let (page, next) = self.dead_letters(actor, name, after_seq, u32::MAX).await?;
            let is_wanted =
                |letter: &DeadLetterEntry| item_ids.is_empty() || item_ids.contains(&letter.item_id);
            letters.extend(page.into_iter().filter(is_wanted));
            let is_all = !item_ids.is_empty() && letters.len() >= item_ids.len();
            if next.is_none() || letters.len() >= items_max || is_all {
                letters.truncate(items_max);
                return if letters.len() < item_ids.len() {
                    Err(BusError::ItemNotFound)
                } else {
                    Ok(letters)
                };
            }
            after_seq = next;
        }
    }

    /// The nodes that a consumer reads and that there are.
    async fn nodes_for(
        &self,
        actor: &Actor,
        config: &bus_domain::consumer::ConsumerConfig,
    ) -> Result<Vec<Arc<NodeFacts>>, BusError> {
        let nodes_max = self.settings().limits.consumer_nodes_max as usize;
        let mut nodes: Vec<Arc<NodeFacts>> = Vec::new();
        for pattern in &config.nodes {
            let is_named = pattern.exact().is_some();
            for name in self.nodes_of(pattern, nodes_max).await? {
                let facts = match self.facts(&name).await {
                    Ok(facts) => facts,
                    Err(BusError::NodeNotFound | BusError::NodeMoved { .. }) if !is_named => continue,
                    Err(error) => return Err(error),
                };
                if is_named {
                    self.check_reader(&facts, actor).await?;
                    check_readable(&facts)?;
                }
                if is_readable(&facts) && nodes.iter().all(|node| node.id != facts.id) {
                    nodes.push(facts);
                }
            }
        }
        if nodes.len() > nodes_max {
            let reason = format!("its patterns stand for more than {nodes_max} nodes");
            return Err(ConsumerError::Invalid { reason }.into());
        }
        Ok(nodes)
    }

    /// Where a start is on these nodes.
    pub(crate) async fn places(
        &self,
        nodes: &[Arc<NodeFacts>],
        start: Start,
    ) -> Result<Vec<CursorPlace>, BusError> {
        let mut places = Vec::with_capacity(nodes.len());
        for facts in nodes {
            let (gone_through_seq, head_seq) =
                self.shared().head_of(facts.id).await?.ok_or(BusError::NodeNotFound)?;
            let first_since = match start {
                Start::Time(moment_ms) => {
                    Some(self.first_since(facts, (gone_through_seq, head_seq), moment_ms).await?)
                }
                _ => None,
            };
            let through_seq = start::position(start, LogEnds { gone_through_seq, head_seq, first_since })?;
            let items_through_seq = (start == Start::LastPerItem).then_some(head_seq);
            places.push(CursorPlace { node: facts.id, epoch: facts.epoch, through_seq, items_through_seq });
        }
        Ok(places)
    }

    /// Claims a consumer anew: what is under way for who has read it until now is passed over.
    async fn take_over(
        &self,
        actor: &Actor,
        name: &ConsumerName,
        why: &ConsumerError,
    ) -> Result<(Consumer, u64), BusError> {
        let consumer = self.find_consumer(actor, name).await?;
        let fence = self.shared().claim(&consumer).await?;
        if let Some(running) = self.shared().consumers.find(consumer.id) {
            self.shared().consumers.stop(&running, &BusError::Consumer(why.clone()));
        }
        Ok((consumer, fence))
    }
}

fn check_readable(facts: &NodeFacts) -> Result<(), BusError> {
    if is_readable(facts) {
        return Ok(());
    }
    let reason = format!("{} has no log on disk: it is a collection, or in memory", facts.name);
    Err(ConsumerError::Invalid { reason }.into())
}

fn dead_letter_node(consumer: &Consumer) -> Result<NodeName, BusError> {
    let none = || ConsumerError::Invalid { reason: "it has no dead-letter node".to_owned() };
    Ok(consumer.config.dead_letter_node.clone().ok_or_else(none)?.0)
}
