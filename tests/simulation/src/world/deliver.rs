use std::sync::Arc;

use bus_domain::{Event, NodeId, Seq};
use bus_engine::dispatcher::{Below, Need, NodeSignal};
use bus_engine::parts::Mail;
use bus_engine::{DeliveryInput, MessageRef};
use bus_store::{
    CursorStore as _, EventStore as _, LaggingStore as _, Leg, Position, StoreError, SubscriptionKey,
    SubscriptionStore as _,
};

use crate::Mutation;
use crate::instance::{Delivering, Read};
use crate::subscribers::check_hand_off;
use crate::violation::Checked;

use super::World;
use super::commit::at_once;

impl World {
    /// Delivery goes on: with what it has read, or with one of the things that its task waits for.
    pub(super) fn deliver(&mut self) -> Checked {
        if let Some(read) = self.delivery().read.take() {
            return self.take_read(read);
        }
        if let Some(chore) = self.delivery().chores.pop_front() {
            return self.do_chore(chore);
        }
        match self.random.below(4) {
            0 => self.resume(),
            1 => self.take_inputs(),
            2 => self.take_mail(),
            _ => return self.pump(),
        }
        Ok(())
    }

    /// Reads the next page of nodes that are behind their cursors.
    pub(super) fn resume(&mut self) {
        if !self.load_lagging() {
            return;
        }
        let page = self.scenario.resume_page;
        let Some(after) = self.delivery().dispatcher.next_to_resume() else { return };
        let Ok(mut page) = at_once(self.store.undelivered(Leg::Xmpp, Some(after), page)) else { return };
        if self.is(Mutation::ResumeCutShort) {
            page.next_after = None;
        }
        self.delivery().read = Some(Read::Resume(page));
    }

    /// Takes some of what the link has reported.
    pub(super) fn take_inputs(&mut self) {
        let waiting = self.delivery().inputs.len();
        let count = if self.is_settling { waiting } else { self.random.below(waiting + 1) };
        let mutation = self.mutation;
        for _ in 0..count {
            let delivery = self.delivery();
            let Some(input) = delivery.inputs.pop_front() else { return };
            let told = format!("delivery hears {input:?}");
            match (mutation, input) {
                (Some(Mutation::CutForgotten), DeliveryInput::LinkDown) => {}
                (Some(Mutation::CutForgotten), DeliveryInput::LinkUp { link }) if link > 1 => {}
                (Some(Mutation::ResumeAtSent), DeliveryInput::LinkDown) => {
                    delivery.prove_what_is_sent();
                    delivery.dispatcher.input(DeliveryInput::LinkDown);
                }
                (_, input) => {
                    if let DeliveryInput::Bounced(bounce) = &input {
                        let MessageRef { event, subscription, .. } = bounce.message;
                        let key = SubscriptionKey { node: event.node, subscription };
                        delivery.unjudged.entry(key).or_default().insert(event.seq);
                    }
                    delivery.dispatcher.input(input);
                }
            }
            self.note(told);
        }
    }

    /// Takes what the committer has left word of.
    pub(super) fn take_mail(&mut self) {
        let commits = std::mem::take(&mut self.instances[0].announced);
        let Mail { look_again, mut signals } = self.instances[0].mailbox.take_now();
        if look_again {
            self.note("delivery looks again".to_owned());
            self.delivery().dispatcher.look_again();
        }
        if self.instances.len() > 1
            && !self.is(Mutation::OthersIgnored)
            && self.begin_at_cursors(&mut signals).is_err()
        {
            self.note("delivery of some nodes waits for the store".to_owned());
            signals.retain(|signal| self.instances[0].delivers(signal.node.id));
            self.delivery().dispatcher.look_again();
        }
        for signal in signals {
            self.note(format!("delivery hears that {:?} is at {}", signal.node.id, signal.head_seq));
            self.delivery().dispatcher.signal(signal);
        }
        self.delivery().tell(commits);
    }

    /// Others may have moved a node that is not in memory: its delivery begins at its cursor.
    fn begin_at_cursors(&mut self, signals: &mut [NodeSignal]) -> Result<(), StoreError> {
        for signal in signals {
            let node = signal.node.id;
            if !self.delivery().dispatcher.knows(node) {
                let cursor = at_once(self.store.positions(Leg::Xmpp, &[node]))?.pop();
                signal.from = cursor.map_or(Position::START, |(_, position)| position);
            }
        }
        Ok(())
    }

    /// Hands over what can be, as far as the lane has room; then reads what is needed to go on.
    pub(super) fn pump(&mut self) -> Checked {
        let (free, generation) = (self.link.free(), self.link.is_up.then_some(self.link.generation));
        let room = if self.is_settling { free } else { self.random.below(free + 1) };
        let takes_any = self.is(Mutation::StaleHandOffTaken) || self.is(Mutation::CutForgotten);
        let delivery = self.delivery();
        let Delivering { lane, dispatcher, inputs, .. } = delivery;
        (lane.generation, lane.room, lane.takes_any_generation) = (generation, room, takes_any);
        if free > 0 && std::mem::take(&mut lane.was_full) {
            inputs.push_back(DeliveryInput::RoomAgain);
        }
        let need = dispatcher.pump(lane);
        self.hand_over()?;
        if let Some(need) = need {
            self.satisfy(need);
        }
        Ok(())
    }

    /// What the lane has taken goes to the link.
    fn hand_over(&mut self) -> Checked {
        let taken = std::mem::take(&mut self.delivery().lane.taken);
        if self.is(Mutation::CursorBeforeProof) {
            self.delivery().prove_what_is_sent();
        }
        for notification in taken {
            self.note(format!("handed over: {notification:?}"));
            self.counts.handed_over += 1;
            let delivery = self.instances[0].delivery.as_ref();
            let knows = |commit| delivery.is_some_and(|delivery| delivery.knows(commit));
            check_hand_off(&notification, &self.model, knows)?;
            self.subscribers.check_turn(&notification, &self.model)?;
            self.link.put(notification);
            if self.random.percent(20) {
                self.link.put_barrier();
            }
        }
        Ok(())
    }

    fn satisfy(&mut self, need: Need) {
        let read = match need {
            Need::Events { node, after_seq } => {
                let events = self.read_events(node, after_seq, u32::MAX);
                events.map(|events| Read::Events(node, events))
            }
            Need::Lagging { key, after_seq, events_max } => self.read_window(key, after_seq, events_max),
            // No node here is in memory alone, and none asks rosters.
            Need::Recent { node, .. } | Need::Rosters { node } | Need::Below { node } => {
                Ok(Read::Events(node, Vec::new()))
            }
            Need::Recipients { node, after } => {
                let page = at_once(self.store.recipients(node, after, self.scenario.recipients_page));
                page.map(|page| Read::Recipients(node, page))
            }
        };
        self.note(format!(
            "delivery needs {need:?}: {}",
            if read.is_ok() { "read" } else { "not to be had" }
        ));
        match read {
            Ok(read) => self.delivery().read = Some(read),
            Err(_) => self.delivery().dispatcher.failed(need, false),
        }
    }

    fn read_window(
        &mut self,
        key: SubscriptionKey,
        after_seq: Seq,
        events_max: u32,
    ) -> Result<Read, StoreError> {
        let events = self.read_events(key.node, after_seq, events_max)?;
        let target = at_once(self.store.delivery_targets(&[key]))?.pop().map(Box::new);
        Ok(Read::Lagging(key, target, events))
    }

    fn read_events(
        &mut self,
        node: NodeId,
        after_seq: Seq,
        events_max: u32,
    ) -> Result<Vec<Arc<Event>>, StoreError> {
        let limits = &self.scenario.settings.engine;
        let events_max = events_max.min(limits.log_page_events_max);
        if let Some(events) = self.instances[0].recent.after(node, after_seq, events_max as usize)
            && !events.is_empty()
        {
            return Ok(events);
        }
        let events =
            at_once(self.store.events_after(node, after_seq, events_max, limits.log_page_bytes_max))?;
        Ok(events.into_iter().map(Arc::new).collect())
    }

    fn take_read(&mut self, read: Read) -> Checked {
        let asked_for = self.scenario.recipients_page as usize;
        let mutation = self.mutation;
        let link = (self.link.free(), self.link.is_up.then_some(self.link.generation));
        let Delivering { dispatcher, lane, .. } = self.delivery();
        match read {
            Read::Lagging(key, target, events) => {
                (lane.room, lane.generation) = link;
                dispatcher.feed(key, target.map(|target| *target), &[], &Below::default(), &events, lane);
                return self.hand_over();
            }
            Read::Resume(page) => dispatcher.resume(page.nodes, page.next_after),
            Read::Events(node, events) => dispatcher.take_events(node, events),
            Read::Recipients(node, mut page) => {
                match mutation {
                    Some(Mutation::RecipientsOverstated) => page.recipients_version += 1,
                    Some(Mutation::SinceSeqIgnored) => {
                        page.recipients.iter_mut().for_each(|one| one.subscription.since_seq = 0);
                    }
                    _ => {}
                }
                dispatcher.take_recipients(node, page, asked_for);
            }
        }
        Ok(())
    }

    /// Removes some rows of deleted nodes.
    pub(super) fn reap(&mut self) {
        let rows_max = self.scenario.reap_rows;
        let delivery = self.delivery();
        delivery.has_to_reap |= delivery.dispatcher.take_ended();
        if delivery.has_to_reap
            && let Ok(rows) = at_once(self.store.reap_deleted(rows_max))
        {
            self.note(format!("{rows} rows of deleted nodes go"));
            self.delivery().has_to_reap = rows > 0;
        }
    }

    /// What other instances have committed has to be looked for: now and then, or when a doorbell rings.
    pub(super) fn look_for_others(&mut self) {
        if self.instances.len() > 1 && self.delivery().is_waiting() {
            self.delivery().dispatcher.look_again();
        }
    }
}

impl Delivering {
    /// Takes what was sent for handed over, which is wrong.
    fn prove_what_is_sent(&mut self) {
        let through_ticket = self.dispatcher.notifications();
        self.dispatcher.input(DeliveryInput::HandedOver { through_ticket });
    }
}
