use bus_domain::{BusError, Event, EventKind, NodeFacts, publish};
use bus_store::Recipient;

use super::plan::{Surroundings, plan};
use super::queue::Reply;
use super::{Action, Emission, Entry, Work, driver};
use crate::dispatcher::{DeliveryNode, RecipientChange};
use crate::engine::EngineShared;
use crate::transact::CommittedNode;
use crate::{Outcome, Published};

/// Decides a publish on a node in memory, hands its events to delivery and answers it. To be called under the lock of the
/// queue: whoever holds that is the only one who gives positions.
pub(super) fn emit(shared: &EngineShared, emission: Emission<Reply>) {
    let Emission { ticket, command, facts } = emission;
    let next_item_id = || driver::next_item_id(shared);
    // What is in memory only waits for nobody, so no node of this kind is ever full.
    let surroundings = Surroundings::default();
    let answer = match plan(&command, Some(&facts), &shared.settings.limits, &surroundings, &next_item_id) {
        Ok(Entry { work: Work::Publish(publication), .. }) => published(shared, &facts, publication),
        Ok(_) => Err(BusError::Internal),
        Err(refused) => Err(refused),
    };
    // A requester that went away has no use for the answer.
    drop(ticket.send(answer));
}

/// Emits what is to be emitted, under the lock of the queue, and leaves the other actions.
pub(super) fn emit_all(shared: &EngineShared, actions: Vec<Action<Reply>>) -> Vec<Action<Reply>> {
    let mut others = Vec::with_capacity(actions.len());
    for action in actions {
        match action {
            Action::Emit(emission) => emit(shared, emission),
            other => others.push(other),
        }
    }
    others
}

/// Tells delivery what a commit has changed on a node in memory: its recipients, or that it is gone. To be called before
/// the replies, so that whoever has one finds the change in what is published next.
pub(super) fn committed(shared: &EngineShared, committed: &CommittedNode) {
    let CommittedNode { node, events, delta, .. } = committed;
    let mut delta = delta.clone();
    for change in delta.iter_mut().flat_map(|delta| &mut delta.changes) {
        match change {
            RecipientChange::Added(Recipient { subscription, .. }) => {
                subscription.since_seq = shared.recent.join_transient(node.id, subscription.id);
            }
            RecipientChange::Changed(recipient) => {
                shared.recent.give_since_seq(node.id, std::slice::from_mut(recipient));
            }
            RecipientChange::Removed(_) | RecipientChange::Access => {}
        }
    }
    // Nobody numbers what a commit tells of such a node: it finds its place behind the others here.
    let id = node.id;
    let Some(event) = events.last() else {
        let head_seq = shared.recent.transient_head(id).seq;
        shared.mailbox.put(node.clone(), head_seq, &[], delta);
        return;
    };
    let last = shared.recent.append_transient(id, vec![Event::clone(event)]);
    shared.mailbox.put(node.clone(), last[0].seq, &last, delta);
    if event.kind.is_deletion() {
        shared.recent.forget_transient(id);
    }
}

fn published(
    shared: &EngineShared,
    facts: &NodeFacts,
    publication: publish::Publication,
) -> Result<Outcome, BusError> {
    if let Some(expected) = publication.expected_head {
        expected.settle(facts.epoch, shared.recent.transient_head(facts.id).seq)?;
    }
    let item_ids = publication.shown_ids(&facts.config);
    let publish::Publication { publisher, items, notify: is_due, .. } = publication;
    let published_at_ms = shared.clock.now_ms();
    let event = |item: publish::PublishedItem| Event {
        // Positions are given where the log is.
        seq: 0,
        kind: EventKind::Published { item_id: item.id, payload: item.payload },
        publisher: publisher.clone(),
        published_at_ms,
        // Whatever is known of the recipients will do: their changes reach delivery before later events.
        recipients_version: 0,
        due_after_seq: is_due.then_some(0),
    };
    let events = shared.recent.append_transient(facts.id, items.into_iter().map(event).collect());
    let (first, last) = (&events[0], &events[events.len() - 1]);
    shared.mailbox.put(DeliveryNode::of(facts), last.seq, &events, None);
    shared.statistics.published(facts.config.durability).add(events.len() as u64);
    Ok(Outcome::Published(Published {
        epoch: facts.epoch,
        first_seq: first.seq,
        item_ids,
        durability: facts.config.durability,
        duplicate: false,
    }))
}
