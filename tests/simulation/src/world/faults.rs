use bus_domain::Jid;
use bus_domain::bounce::BounceClass;
use bus_engine::{Bounce, DeliveryInput, EventRef, MessageRef};

use crate::commands::{self, Sender};
use crate::instance::{Instance, Write};
use crate::link::{Answer, Fate, Notification};
use crate::model::Model;
use crate::store::CommitFate;
use crate::violation::Checked;

use super::World;

impl World {
    /// The server takes stanzas off the stream.
    pub(super) fn server_takes(&mut self, stanzas: usize) -> Checked {
        let Self { link, model, away, random, .. } = self;
        let taken = link.server_takes(stanzas, |notification| {
            let class = recipient(model, notification).and_then(|jid| away.get(&jid.to_bare())).copied();
            match class {
                None => Fate::Arrives,
                Some(class) if random.percent(15) => Fate::ComesBackLate(class),
                Some(class) => Fate::ComesBack(class),
            }
        });
        for (notification, fate) in taken {
            self.end_way(notification, fate)?;
        }
        Ok(())
    }

    fn end_way(&mut self, notification: Notification, fate: Fate) -> Checked {
        let Notification { seq, .. } = notification;
        self.note(format!("{:?} {seq}: {fate:?}", notification.key()));
        match fate {
            Fate::Arrives => return self.subscribers.take(&notification, &self.model),
            Fate::ComesBack(_) => {}
            Fate::ComesBackLate(class) => {
                self.late.push((notification, class));
                // It may come when nobody has the event any more.
                self.subscribers.give_up(notification.key(), [seq]);
            }
        }
        self.counts.bounced += 1;
        self.subscribers.comes_back(&notification);
        Ok(())
    }

    /// Somebody goes away, and notifications come back.
    pub(super) fn goes_away(&mut self) {
        const CLASSES: [BounceClass; 5] = [
            BounceClass::Retry,
            BounceClass::Retry,
            BounceClass::Retry,
            BounceClass::Failing,
            BounceClass::Gone,
        ];
        let who = self.random.below(self.scenario.users + 2);
        let class = self.random.pick(&CLASSES);
        let jid = commands::address(Sender(who)).0;
        self.note(format!("{jid} goes away: {class:?}"));
        self.away.insert(jid, class);
    }

    /// Whoever is away the longest, in the order of names, comes back.
    pub(super) fn comes_back(&mut self) {
        let who = self.random.below(self.away.len());
        let jid = self.away.keys().nth(who).cloned();
        if let Some(jid) = jid {
            self.note(format!("{jid} is there again"));
            self.away.remove(&jid);
        }
    }

    /// What was on its way for long comes back.
    pub(super) fn late_bounce(&mut self) {
        let at = self.random.below(self.late.len());
        if at < self.late.len() {
            let (notification, class) = self.late.swap_remove(at);
            self.tell_bounce(&notification, class);
        }
    }

    fn tell_bounce(&mut self, notification: &Notification, class: BounceClass) {
        let Some(from) = recipient(&self.model, notification).cloned() else { return };
        let Notification { node, epoch, seq, subscription, after_seq, .. } = *notification;
        let message = MessageRef { event: EventRef { node, epoch, seq }, subscription, after_seq };
        let bounce = DeliveryInput::Bounced(Box::new(Bounce { message, from, class }));
        self.delivery().inputs.push_back(bounce);
    }

    /// A barrier goes behind the last notification.
    pub(super) fn put_barrier(&mut self) {
        self.link.put_barrier();
    }

    /// The answer to a barrier comes back.
    pub(super) fn answer_comes(&mut self) {
        match self.link.take_answer() {
            Some(Answer::Barrier { through_ticket }) => {
                self.delivery().inputs.push_back(DeliveryInput::HandedOver { through_ticket });
            }
            Some(Answer::Bounce(notification, class)) => self.tell_bounce(&notification, class),
            None => {}
        }
    }

    /// A new stream.
    pub(super) fn connect(&mut self) {
        self.link.connect();
        let link = self.link.generation;
        self.note(format!("stream {link} is up"));
        self.delivery().inputs.push_back(DeliveryInput::LinkUp { link });
    }

    /// The stream ends; the server has taken a part of what was on the way.
    pub(super) fn cut(&mut self) -> Checked {
        self.lose_stream()?;
        self.delivery().inputs.push_back(DeliveryInput::LinkDown);
        // A server that restarts may take the next stream before everybody here has heard of the end of this one.
        if self.random.percent(40) {
            self.connect();
        }
        Ok(())
    }

    /// A process dies, with its transaction before or behind COMMIT, and starts again with nothing in memory.
    pub(super) fn crash(&mut self, at: usize) -> Checked {
        self.note(format!("instance {at} dies"));
        self.counts.crashes += 1;
        if let Some(Write::Staged(staged, commit)) = self.instances[at].write.take()
            && self.random.percent(50)
            && !self.store.disk().faults.is_down
        {
            let known = self.commit(&staged, CommitFate::Done, commit)?;
            self.counts.crashes_after_commit += 1;
            self.note(format!("its batch is there as commit {known:?}"));
        }
        self.open.retain(|_, submitted| submitted.instance != at);
        self.instances[at] = Instance::new(&self.scenario.settings, &self.ids, self.scenario.instances > 1);
        if at == 0 {
            if self.link.is_up {
                self.lose_stream()?;
            }
            self.start_delivery();
        }
        Ok(())
    }

    /// The store is away.
    pub(super) fn store_goes(&mut self) {
        self.note("the store goes".to_owned());
        self.store.disk().faults.is_down = true;
    }

    /// The store is back.
    pub(super) fn store_comes(&mut self) {
        self.note("the store is back".to_owned());
        self.store.disk().faults.is_down = false;
    }

    /// Time goes anywhere; nothing but what is read from it may change.
    pub(super) fn clock_jumps(&mut self) {
        const DAY_MS: i64 = 86_400_000;
        self.clock_ms += if self.random.percent(50) { DAY_MS } else { -DAY_MS };
    }

    fn lose_stream(&mut self) -> Checked {
        let on_the_way = self.link.len();
        let taken = self.random.below(on_the_way + 1);
        self.counts.cuts += usize::from(on_the_way > 0);
        self.note(format!("stream {} is cut behind {taken} of {on_the_way}", self.link.generation));
        self.server_takes(taken)?;
        self.link.cut();
        Ok(())
    }
}

fn recipient<'a>(model: &'a Model, notification: &Notification) -> Option<&'a Jid> {
    let subscription = model.life(notification.node)?.subscriptions.get(&notification.subscription)?;
    Some(&subscription.jid)
}
