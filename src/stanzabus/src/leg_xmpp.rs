//! The XMPP leg: joins the link to the pubsub service (stanzas in, answers out) and to the engine's delivery
//! (notifications out, proofs back). It decides nothing.

use std::pin::pin;
use std::sync::Arc;

use bus_domain::BareJid;
use bus_engine::{AdvisoryAbout, DeliveryInput, Engine, HandOff, SystemIds};
use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use xmpp_component::{Link, LinkEvent, LinkEvents, Notification, NotifyRefused};
use xmpp_pubsub::{
    BounceReader, BounceReading, Inbound, LaneRefusal, NotificationCounters, NotificationLane, Notifier,
    ReplySender, RequestGauges, RequestLimits, RosterReader, Service, ServiceSettings,
};

/// Stanzas between the link and the service: a few, because the link holds the bounded queue.
const INBOUND_MAX: usize = 16;
/// Inputs on their way to the dispatcher.
const INPUTS_MAX: usize = 64;

/// The running leg.
pub(crate) struct XmppLeg {
    intake: CancellationToken,
    requests: JoinHandle<()>,
    delivery: JoinHandle<()>,
    events: JoinHandle<()>,
    counters: Arc<NotificationCounters>,
    gauges: Arc<RequestGauges>,
}

impl XmppLeg {
    /// Starts to answer and to deliver.
    pub(crate) fn start(
        engine: &Engine,
        settings: ServiceSettings,
        host: BareJid,
        limits: RequestLimits,
        link: &Link,
        events: LinkEvents,
    ) -> Self {
        let intake = CancellationToken::new();
        let (inbound, inbound_reader) = mpsc::channel(INBOUND_MAX);
        let (inputs, inputs_reader) = mpsc::channel(INPUTS_MAX);
        let lane = LinkLane::new(link.clone());
        let (rosters, questions) = RosterReader::new(settings.domain.clone(), host, Arc::new(SystemIds));
        engine.lend_rosters(Arc::new(rosters.clone()));
        let pump = Pump {
            link: link.clone(),
            lane_is_full: Arc::clone(&lane.is_full),
            inbound: Some(inbound),
            inputs,
            intake: intake.clone(),
            bounces: BounceReader::new(settings.domain.clone(), engine.event_ids().clone()),
            domain: settings.domain.clone(),
            rosters,
            engine: engine.clone(),
        };
        let notifier = Notifier::new(lane, settings.domain.clone(), engine.event_ids().clone());
        let counters = notifier.counters();
        let domain = settings.domain.clone();
        let service = Service::new(engine.clone(), settings);
        let (replies, notices) = (LinkReplies(link.clone()), LinkReplies(link.clone()));
        let (asking, seeking) = (LinkReplies(link.clone()), LinkReplies(link.clone()));
        let telling = engine.clone();
        let gauges = Arc::<RequestGauges>::default();
        let gauges_of_requests = Arc::clone(&gauges);
        let requests = async move {
            // Notices are of no use to anybody once there are no more requests.
            tokio::select! {
                () = xmpp_pubsub::run(&service, limits, inbound_reader, &replies, &gauges_of_requests) => {}
                () = xmpp_pubsub::tell(&telling, &domain, &notices) => {}
                () = send_all(questions, &asking) => {}
                () = xmpp_pubsub::seek(&telling, &domain, &seeking) => {}
                () = telling.follow_presence() => {}
            }
        };
        let engine = engine.clone();
        let delivery = async move { engine.deliver(notifier, inputs_reader).await };
        Self {
            intake,
            requests: tokio::spawn(requests),
            delivery: tokio::spawn(delivery),
            events: tokio::spawn(pump.run(events)),
            counters,
            gauges,
        }
    }

    /// What was encoded and sent.
    pub(crate) fn counters(&self) -> Arc<NotificationCounters> {
        Arc::clone(&self.counters)
    }

    /// How much the requests under way take.
    pub(crate) fn gauges(&self) -> Arc<RequestGauges> {
        Arc::clone(&self.gauges)
    }

    /// Resolves when a task ends that should not, with its name and its error.
    pub(crate) async fn ended(&mut self) -> (&'static str, Option<String>) {
        let (part, ended) = tokio::select! {
            ended = &mut self.requests => ("the XMPP leg's requests", ended),
            ended = &mut self.delivery => ("the XMPP leg's delivery", ended),
            ended = &mut self.events => ("the XMPP link", ended),
        };
        (part, ended.err().map(|error| error.to_string()))
    }

    /// Takes no more requests in, and waits until those taken in are answered.
    pub(crate) async fn stop_requests(&mut self) {
        self.intake.cancel();
        finish(&mut self.requests).await;
    }

    /// Waits for the end of delivery, which comes when the link has ended: the cursors are stored then.
    pub(crate) async fn finish(mut self) {
        finish(&mut self.events).await;
        finish(&mut self.delivery).await;
    }
}

/// Waits for a task that was told to end. One that has ended before must not be asked again.
async fn finish(task: &mut JoinHandle<()>) {
    if !task.is_finished()
        && let Err(error) = task.await
    {
        tracing::error!(%error, "a task of the XMPP leg failed");
    }
}

/// Sends what comes, for as long as something can come.
async fn send_all(mut stanzas: mpsc::Receiver<String>, replies: &LinkReplies) {
    while let Some(stanza) = stanzas.recv().await {
        replies.send(vec![stanza]).await;
    }
}

/// Hands the link's events on.
struct Pump {
    link: Link,
    lane_is_full: Arc<Notify>,
    /// `None` when no more requests are taken in.
    inbound: Option<mpsc::Sender<Inbound>>,
    inputs: mpsc::Sender<DeliveryInput>,
    intake: CancellationToken,
    bounces: BounceReader,
    domain: BareJid,
    rosters: RosterReader,
    engine: Engine,
}

impl Pump {
    /// Until the link ends; dropping the senders then ends requests and delivery.
    async fn run(mut self, mut events: LinkEvents) {
        let (link, is_full, intake) =
            (self.link.clone(), Arc::clone(&self.lane_is_full), self.intake.clone());
        let mut room = pin!(room_again(&link, &is_full));
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.take(event).await,
                    None => return,
                },
                () = &mut room => {
                    self.tell(DeliveryInput::RoomAgain).await;
                    room.set(room_again(&link, &is_full));
                }
                () = intake.cancelled(), if self.inbound.is_some() => self.inbound = None,
            }
        }
    }

    async fn take(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Up { generation } => {
                self.rosters.link_up();
                self.engine.presence().link_up();
                self.engine.advise(AdvisoryAbout::LinkUp);
                self.tell(DeliveryInput::LinkUp { link: generation }).await;
            }
            LinkEvent::Down { reason, .. } => {
                self.engine.advise(AdvisoryAbout::LinkDown { cause: AdvisoryAbout::cause(&reason) });
                self.rosters.link_down();
                self.engine.presence().link_down();
                self.tell(DeliveryInput::LinkDown).await;
            }
            // Events come in order, so a proof is of the stream that was announced last.
            LinkEvent::HandedOver { through_ticket, .. } => {
                self.tell(DeliveryInput::HandedOver { through_ticket }).await;
            }
            // Before requests, which may be waiting for this.
            LinkEvent::Stanza(stanza) if self.rosters.take(&stanza) => {}
            LinkEvent::Rejected { head, .. } if self.rosters.take_rejected(&head) => {}
            // In line with the proofs: what comes back before a proof is known before the proof is.
            LinkEvent::Stanza(stanza) => match self.bounces.read(&stanza) {
                BounceReading::NotABounce => {
                    xmpp_pubsub::hear(self.engine.presence(), &self.domain, &stanza);
                    self.ask(Inbound::Stanza(stanza)).await;
                }
                BounceReading::Bounced(bounce) => self.tell(DeliveryInput::Bounced(bounce)).await,
                BounceReading::Forged => self.engine.statistics().count_forged_bounce(),
            },
            LinkEvent::Rejected { head, reason } => self.ask(Inbound::Rejected { head, reason }).await,
        }
    }

    /// Waits for room: that slows the link down, and so the server.
    async fn ask(&self, inbound: Inbound) {
        if let Some(requests) = &self.inbound {
            // Only gone when the service is: then nobody can answer.
            let _ = requests.send(inbound).await;
        }
    }

    async fn tell(&self, input: DeliveryInput) {
        let _ = self.inputs.send(input).await;
    }
}

/// Resolves when a lane that was full has room again.
async fn room_again(link: &Link, is_full: &Notify) {
    is_full.notified().await;
    link.notify_ready().await;
}

/// The link's lane for notifications.
struct LinkLane {
    link: Link,
    is_full: Arc<Notify>,
}

impl LinkLane {
    fn new(link: Link) -> Self {
        Self { link, is_full: Arc::default() }
    }
}

impl NotificationLane for LinkLane {
    fn try_send(&mut self, hand_off: HandOff, parts: [Bytes; 3]) -> Result<(), LaneRefusal> {
        match self.link.try_notify(hand_off.link, hand_off.ticket, Notification::new(parts)) {
            Ok(()) => Ok(()),
            Err(NotifyRefused::Full) => {
                self.is_full.notify_one();
                Err(LaneRefusal::Full)
            }
            // The next stream starts again from the cursors.
            Err(NotifyRefused::Down) => Err(LaneRefusal::Full),
            Err(NotifyRefused::TooLarge { .. }) => Err(LaneRefusal::TooLarge),
        }
    }
}

/// The link's lane for answers.
struct LinkReplies(Link);

impl ReplySender for LinkReplies {
    async fn send(&self, answer: Vec<String>) {
        let mut stanzas = answer.into_iter().map(Bytes::from);
        let Some(first) = stanzas.next() else { return };
        if let Err(error) = self.0.reply_with(first, stanzas.collect()).await {
            tracing::warn!(%error, "an answer cannot be sent");
        }
    }

    fn stanza_bytes_max(&self) -> usize {
        self.0.stanza_bytes_max()
    }
}
