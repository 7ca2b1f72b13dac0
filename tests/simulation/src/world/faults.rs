use bus_engine::DeliveryInput;

use crate::instance::{Instance, Write};
use crate::store::CommitFate;
use crate::violation::Checked;

use super::World;

impl World {
    /// The server takes stanzas off the stream.
    pub(super) fn server_takes(&mut self, stanzas: usize) -> Checked {
        let taken = self.link.server_takes(stanzas);
        self.arrive(&taken)
    }

    /// A barrier goes behind the last notification.
    pub(super) fn put_barrier(&mut self) {
        self.link.put_barrier();
    }

    /// The answer to a barrier comes back.
    pub(super) fn answer_comes(&mut self) {
        if let Some(through_ticket) = self.link.take_answer() {
            self.delivery().inputs.push_back(DeliveryInput::HandedOver { through_ticket });
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
        let taken = self.link.cut(taken);
        self.arrive(&taken)
    }

    fn arrive(&mut self, taken: &[crate::link::Notification]) -> Checked {
        for arrival in taken {
            self.note(format!("arrived: {:?} {} at {:?}", arrival.node, arrival.seq, arrival.subscription));
            self.subscribers.take(arrival, &self.model)?;
        }
        Ok(())
    }
}
