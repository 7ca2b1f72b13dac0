use bus_domain::BusError;
use bus_xml::{Element, RejectReason};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::mpsc;

use crate::envelope::Envelope;
use crate::errors::Refusal;
use crate::ordering::{Arrival, Ordering, RequestLimits};
use crate::request::Work;
use crate::request_gauges::RequestGauges;
use crate::service::{Prepared, Service, Task};

/// What comes in from the stream.
#[derive(Debug)]
pub enum Inbound {
    /// A stanza.
    Stanza(Element),
    /// What is left of a stanza that broke a cap of the stream.
    Rejected {
        /// The stanza's root with its attributes and without children.
        head: Element,
        /// Which cap.
        reason: RejectReason,
    },
}

/// Where answers go: the reply lane of a link.
pub trait ReplySender: Send + Sync {
    /// Takes the stanzas of one answer, which leave together or not at all; waits for room.
    fn send(&self, answer: Vec<String>) -> impl Future<Output = ()> + Send;

    /// The longest stanza that it takes now, in bytes: a server may have shown that it takes less than is set.
    fn stanza_bytes_max(&self) -> usize;
}

/// Answers stanzas until `inbound` is closed and everything taken in is answered.
///
/// One sender's requests are answered in their order. Its consecutive publishes are given to the engine in that
/// order without waiting for each other; any other request waits until everything before it is answered. What is
/// over `limits` is answered `resource-constraint` at once. `gauges` shows how much is under way.
pub async fn run(
    service: &Service,
    limits: RequestLimits,
    mut inbound: mpsc::Receiver<Inbound>,
    replies: &impl ReplySender,
    gauges: &RequestGauges,
) {
    let mut ordering = Ordering::new(limits);
    let mut running = FuturesUnordered::new();
    let mut sending = None;
    let mut is_open = true;
    loop {
        while let Some((ticket, (envelope, work))) = ordering.start() {
            // Publishes stand in the engine's queue in the order of these calls.
            let answer = service.carry_out(envelope, work, replies.stanza_bytes_max());
            running.push(async move { (ticket, answer.await) });
        }
        if sending.is_none() {
            sending = ordering.take_answer().map(|answer| Box::pin(replies.send(answer)));
        }
        gauges.set(ordering.load());
        if !is_open && sending.is_none() && ordering.is_idle() {
            return;
        }
        tokio::select! {
            () = async { if let Some(sending) = &mut sending { sending.await } }, if sending.is_some() => {
                sending = None;
            }
            Some((ticket, answer)) = running.next(), if !running.is_empty() => ordering.finish(&ticket, answer),
            arrived = inbound.recv(), if is_open && ordering.has_room() => match arrived {
                Some(arrived) => admit(service, &mut ordering, arrived),
                None => is_open = false,
            },
        }
    }
}

fn admit(service: &Service, ordering: &mut Ordering<(Envelope, Work)>, arrived: Inbound) {
    let stanza = match arrived {
        Inbound::Stanza(stanza) => stanza,
        Inbound::Rejected { head, reason } => {
            if let Some((sender, answer)) = service.prepare_rejection(&head, reason) {
                ordering.admit_answer(&sender, vec![answer]);
            }
            return;
        }
    };
    let Some(Prepared { sender, task }) = service.prepare(&stanza) else { return };
    let (envelope, work) = match task {
        Task::Answer(answer) => return ordering.admit_answer(&sender, answer),
        Task::Work(envelope, work) => (envelope, *work),
    };
    let sender = service.lane_of(&work).unwrap_or(sender);
    let (is_publish, bytes) = (work.is_publish(), work.weight_bytes());
    if let Err((envelope, _)) =
        ordering.admit(&sender, Arrival { request: (envelope, work), is_publish, bytes })
    {
        ordering.send(vec![envelope.error(&Refusal::Bus(BusError::Busy))]);
    }
}
