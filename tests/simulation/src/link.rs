use std::collections::VecDeque;

use bus_domain::bounce::BounceClass;
use bus_domain::{Epoch, NodeId, Seq, SubscriptionId};
use bus_engine::{Delivery, HandOff, NotificationSink, SinkFull};
use bus_store::SubscriptionKey;

/// A notification on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Notification {
    /// Which hand-off it is.
    pub hand_off: HandOff,
    /// The node.
    pub node: NodeId,
    /// The life of its log.
    pub epoch: Epoch,
    /// The event.
    pub seq: Seq,
    /// Whose it is.
    pub subscription: SubscriptionId,
    /// The event before, as the notification says.
    pub after_seq: Seq,
}

impl Notification {
    /// Whose it is.
    pub(crate) fn key(&self) -> SubscriptionKey {
        SubscriptionKey { node: self.node, subscription: self.subscription }
    }
}

/// The stream to the server. What is on it goes in order; a cut takes away what the server has not taken by then.
#[derive(Debug)]
pub(crate) struct Link {
    /// The life of the stream; 0 before the first.
    pub generation: u64,
    /// Whether there is a stream.
    pub is_up: bool,
    on_the_way: VecDeque<OnTheWay>,
    room: usize,
    /// The newest notification that no barrier follows.
    unfollowed: Option<u64>,
    /// What is on its way back.
    answers: VecDeque<Answer>,
}

/// What comes back from the server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// The answer to a barrier: everything up to this ticket was taken.
    Barrier {
        /// The ticket.
        through_ticket: u64,
    },
    /// A notification that nobody took.
    Bounce(Notification, BounceClass),
}

/// What becomes of a notification at the server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// It arrives.
    Arrives,
    /// It comes back, in front of the answers to later barriers.
    ComesBack(BounceClass),
    /// It comes back at any time, as it does from another server.
    ComesBackLate(BounceClass),
}

#[derive(Debug)]
enum OnTheWay {
    Notification(Notification),
    Barrier { through_ticket: u64 },
}

impl Link {
    /// No stream yet; so many stanzas can be on their way.
    pub(crate) fn new(room: usize) -> Self {
        Self {
            generation: 0,
            is_up: false,
            on_the_way: VecDeque::new(),
            room,
            unfollowed: None,
            answers: VecDeque::new(),
        }
    }

    /// Stanzas that could be put on it now.
    pub(crate) fn free(&self) -> usize {
        if self.is_up { self.room.saturating_sub(self.on_the_way.len()) } else { 0 }
    }

    /// A new stream.
    pub(crate) fn connect(&mut self) {
        self.generation += 1;
        self.is_up = true;
    }

    /// Puts a notification on it.
    pub(crate) fn put(&mut self, notification: Notification) {
        self.unfollowed = Some(notification.hand_off.ticket);
        self.on_the_way.push_back(OnTheWay::Notification(notification));
    }

    /// Puts a barrier behind the last notification, unless there is one.
    pub(crate) fn put_barrier(&mut self) {
        let follow = |through_ticket| OnTheWay::Barrier { through_ticket };
        self.on_the_way.extend(self.unfollowed.take().map(follow));
    }

    /// The server takes so many stanzas; it answers barriers. Returns the notifications among them.
    pub(crate) fn server_takes(
        &mut self,
        stanzas: usize,
        mut fate_of: impl FnMut(&Notification) -> Fate,
    ) -> Vec<(Notification, Fate)> {
        let mut taken = Vec::new();
        for stanza in self.on_the_way.drain(..stanzas.min(self.on_the_way.len())) {
            match stanza {
                OnTheWay::Notification(notification) => {
                    let fate = fate_of(&notification);
                    if let Fate::ComesBack(class) = fate {
                        self.answers.push_back(Answer::Bounce(notification, class));
                    }
                    taken.push((notification, fate));
                }
                OnTheWay::Barrier { through_ticket } => {
                    self.answers.push_back(Answer::Barrier { through_ticket });
                }
            }
        }
        taken
    }

    /// The next answer comes back.
    pub(crate) fn take_answer(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }

    /// The stream ends; what is on its way is lost.
    pub(crate) fn cut(&mut self) {
        self.on_the_way.clear();
        self.answers.clear();
        self.unfollowed = None;
        self.is_up = false;
    }

    /// Stanzas on their way.
    pub(crate) fn len(&self) -> usize {
        self.on_the_way.len()
    }

    /// True when nothing is on its way, in neither direction.
    pub(crate) fn is_idle(&self) -> bool {
        self.on_the_way.is_empty() && self.answers.is_empty()
    }
}

/// The dispatcher's end of the link: takes notifications for the stream that it knows, while there is room.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// The stream, if it is up.
    pub generation: Option<u64>,
    /// Notifications that it takes before it is full.
    pub room: usize,
    /// What it has taken.
    pub taken: Vec<Notification>,
    /// Whether it was full.
    pub was_full: bool,
    /// A wrong lane: it takes what is meant for another stream.
    pub takes_any_generation: bool,
}

impl NotificationSink for Lane {
    fn try_send(&mut self, delivery: &Delivery<'_>) -> Result<(), SinkFull> {
        let is_meant = self.takes_any_generation || self.generation == Some(delivery.hand_off.link);
        if self.generation.is_none() || !is_meant {
            return Err(SinkFull);
        }
        if self.room == 0 {
            self.was_full = true;
            return Err(SinkFull);
        }
        self.room -= 1;
        self.taken.push(Notification {
            hand_off: delivery.hand_off,
            node: delivery.node.id,
            epoch: delivery.node.epoch,
            seq: delivery.event.seq,
            subscription: delivery.subscription.id,
            after_seq: delivery.after_seq,
        });
        Ok(())
    }
}
