use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::time::Duration;

use bus_xml::Element;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::dialect::in_stream_namespace;
use crate::event::EventQueue;
use crate::handshake::{Accepted, READ_BYTES, Transport};
use crate::inbound::{StreamItem, StreamReader};
use crate::liveness::{Liveness, Verdict};
use crate::outbound::{Answer, WRITE_BYTES};
use crate::shared::Shared;
use crate::{COMPONENT_NAMESPACE, ComponentConfig, DownReason, LinkEvent};

/// For how long a shutdown waits for the server to close its side, so that nothing is reset on its way.
const GOODBYE_TIME: Duration = Duration::from_millis(500);

/// Runs one accepted stream to its end; only carries out what the state machines decide.
pub(crate) struct Session<'a> {
    config: &'a ComponentConfig,
    shared: &'a Shared,
    events: &'a mut EventQueue,
    generation: u64,
    reader: StreamReader,
    liveness: Liveness,
    output: Output,
    drain_until: Option<Instant>,
    has_warned_of_barrier: bool,
    /// What was reported last.
    is_contested: bool,
}

/// Bytes on their way to the socket; the allocation is used again.
#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    written: usize,
    /// Something was written that may wait inside the transport.
    is_unflushed: bool,
}

/// What one round of waiting brought.
enum Happening {
    Read(io::Result<usize>),
    Written(io::Result<usize>),
    Flushed(io::Result<()>),
    Timer,
    ShutdownRequested,
    /// A lane has work, or the reader of events has room.
    Progress,
}

/// Runs the stream number `generation` until it ends, and says why it did.
pub(crate) async fn run(
    accepted: Accepted,
    config: &ComponentConfig,
    shared: &Shared,
    events: &mut EventQueue,
    generation: u64,
    shutdown: &CancellationToken,
) -> DownReason {
    let Accepted { socket, reader, items } = accepted;
    let mut session = Session {
        config,
        shared,
        events,
        generation,
        reader,
        liveness: Liveness::new(&config.limits, Instant::now()),
        output: Output::default(),
        drain_until: None,
        has_warned_of_barrier: false,
        is_contested: shared.outbound().is_contested(),
    };
    match session.take_items(0, items) {
        Ok(()) => session.run(socket, shutdown).await,
        Err(reason) => reason,
    }
}

impl Session<'_> {
    async fn run(&mut self, socket: Box<dyn Transport>, shutdown: &CancellationToken) -> DownReason {
        let (mut read_half, mut write_half) = split(socket);
        let mut chunk = vec![0; READ_BYTES];
        let mut timer = pin!(sleep_until(Instant::now()));
        loop {
            self.prepare();
            if self.has_drained() {
                self.say_goodbye(read_half, write_half).await;
                return DownReason::ShutDown;
            }
            let has_output = !self.output.is_empty();
            let is_reading = self.events.is_empty();
            let happening = tokio::select! {
                result = read_half.read(&mut chunk), if is_reading => Happening::Read(result),
                () = self.events.room(), if !is_reading => Happening::Progress,
                happening = self.output.push(&mut write_half), if self.output.is_due() => happening,
                () = self.shared.work.notified(), if !has_output => Happening::Progress,
                () = &mut timer => Happening::Timer,
                () = shutdown.cancelled(), if self.drain_until.is_none() => Happening::ShutdownRequested,
            };
            let outcome = match happening {
                Happening::Read(result) => self.take_read(result, &chunk),
                Happening::Written(result) => self.take_written(result),
                Happening::Flushed(result) => self.take_flushed(result),
                Happening::Timer => self.check_time().map(|at| timer.as_mut().reset(at)),
                Happening::ShutdownRequested => {
                    timer.as_mut().reset(self.start_draining());
                    Ok(())
                }
                Happening::Progress => Ok(()),
            };
            if let Err(reason) = outcome {
                return reason;
            }
        }
    }

    /// Brings events out, fills the write buffer, and tells the liveness what is going on.
    fn prepare(&mut self) {
        self.events.deliver_ready();
        let now = Instant::now();
        if self.output.is_empty() {
            self.shared.outbound().stage(now, self.output.start_over());
            self.shared.room.notify_waiters();
        }
        self.liveness.reading(self.events.is_empty(), now);
        self.liveness.writing(!self.output.is_empty(), false, now);
    }

    fn take_read(&mut self, result: io::Result<usize>, chunk: &[u8]) -> Result<(), DownReason> {
        let length = result.map_err(DownReason::ConnectionLost)?;
        if length == 0 {
            return Err(DownReason::ConnectionClosed);
        }
        self.liveness.read(Instant::now());
        let mut items = VecDeque::new();
        let fed = self.reader.feed(&chunk[..length], &mut items);
        self.take_items(length, items)?;
        fed
    }

    fn take_written(&mut self, result: io::Result<usize>) -> Result<(), DownReason> {
        let length = result.map_err(DownReason::ConnectionLost)?;
        if length == 0 {
            return Err(DownReason::ConnectionLost(io::ErrorKind::WriteZero.into()));
        }
        self.output.written += length;
        // A plain socket takes what it says it takes; TLS may keep a record back.
        self.output.is_unflushed = self.config.tls.is_some();
        self.shared.outbound().written(length);
        self.liveness.writing(!self.output.is_empty(), true, Instant::now());
        Ok(())
    }

    fn take_flushed(&mut self, result: io::Result<()>) -> Result<(), DownReason> {
        self.output.is_unflushed = false;
        result.map_err(DownReason::ConnectionLost)
    }

    fn take_items(&mut self, bytes: usize, items: VecDeque<StreamItem>) -> Result<(), DownReason> {
        let (mut stanzas, mut rejected) = (0, 0);
        let mut outcome = Ok(());
        for item in items {
            stanzas += 1;
            rejected += u64::from(matches!(item, StreamItem::Rejected { .. }));
            outcome = self.take_item(item);
            if outcome.is_err() {
                break;
            }
        }
        self.shared.outbound().count_read(bytes, stanzas, rejected);
        outcome
    }

    fn take_item(&mut self, item: StreamItem) -> Result<(), DownReason> {
        match item {
            StreamItem::Element(element, bytes) => return self.take_element(element, bytes),
            StreamItem::Rejected { head: Some(head), reason } => {
                tracing::debug!(?reason, "a stanza over a limit was skipped");
                let head_bytes = head.attrs().iter().map(|(_, value)| value.len()).sum();
                self.events.push_stanza(LinkEvent::Rejected { head, reason }, head_bytes);
            }
            StreamItem::Rejected { head: None, reason } => {
                tracing::debug!(?reason, "a start tag over a limit was skipped: nobody can be answered");
            }
            StreamItem::Opened { .. } => {}
            StreamItem::Closed => return Err(DownReason::StreamClosed),
        }
        Ok(())
    }

    fn take_element(&mut self, element: Element, bytes: usize) -> Result<(), DownReason> {
        if let Some(reason) = DownReason::from_stream_error(&element) {
            return Err(reason);
        }
        let element = in_stream_namespace(element);
        if let Some(id) = barrier_id(&element, &self.config.host) {
            let answer = self.shared.outbound().take_answer(id);
            self.report_contest();
            match answer {
                Answer::Proof(proof) => {
                    if let Some(through_ticket) = proof.through_ticket {
                        self.events.push_handed_over(self.generation, through_ticket);
                    }
                    return Ok(());
                }
                Answer::Foreign => return Ok(()),
                Answer::Unknown => {}
            }
        }
        if element.ns() == COMPONENT_NAMESPACE && matches!(element.name(), "iq" | "message" | "presence") {
            self.events.push_stanza(LinkEvent::Stanza(element), bytes);
        } else {
            tracing::debug!(name = element.name(), "an element that is no stanza was ignored");
        }
        Ok(())
    }

    /// The next moment to check again.
    fn check_time(&mut self) -> Result<Instant, DownReason> {
        let now = Instant::now();
        if self.drain_time_is_over(now) && !self.output.is_empty() {
            return Err(DownReason::ShutDown);
        }
        let (oldest_barrier, is_contested) = {
            let outbound = self.shared.outbound();
            (outbound.oldest_barrier_at(), outbound.is_contested())
        };
        self.warn_of_unanswered(now);
        loop {
            match self.liveness.check(now, oldest_barrier, is_contested) {
                Verdict::AskAgainAt(at) => return Ok(self.drain_until.map_or(at, |until| until.min(at))),
                Verdict::Ping => self.shared.outbound().want_barrier(),
                Verdict::Dead(reason) => return Err(reason),
            }
        }
    }

    /// Says once that a contest begins, and once that it is over.
    fn report_contest(&mut self) {
        let is_contested = self.shared.outbound().is_contested();
        if is_contested == self.is_contested {
            return;
        }
        self.is_contested = is_contested;
        let domain = &self.config.domain;
        if is_contested {
            tracing::error!(
                domain,
                "another connection is attached to the XMPP server as this domain: the server deals requests out \
                 between the two, so users go without answers; stop the other one, which may be a second daemon with \
                 the same secret"
            );
        } else {
            tracing::info!(domain, "this is the only connection of the domain again");
        }
    }

    fn warn_of_unanswered(&mut self, now: Instant) {
        if !self.has_warned_of_barrier && self.shared.outbound().proof_overdue(now).is_some() {
            self.has_warned_of_barrier = true;
            tracing::warn!(
                host = self.config.host,
                "pings to the XMPP server's host domain are not answered, so no delivery can be confirmed; \
                 is this the right host domain, and is this the only connection of the component?"
            );
        }
    }

    fn start_draining(&mut self) -> Instant {
        let until = Instant::now() + Duration::from_millis(self.config.limits.drain_ms);
        self.drain_until = Some(until);
        self.shared.outbound().drain();
        until
    }

    fn has_drained(&self) -> bool {
        self.drain_until.is_some()
            && self.output.is_empty()
            && (self.drain_time_is_over(Instant::now()) || self.shared.outbound().is_drained())
    }

    fn drain_time_is_over(&self, now: Instant) -> bool {
        self.drain_until.is_some_and(|until| now >= until)
    }

    /// Closes the stream (RFC 6120 §4.4) and reads to the server's end of it.
    async fn say_goodbye(
        &mut self,
        mut read_half: ReadHalf<Box<dyn Transport>>,
        mut write_half: WriteHalf<Box<dyn Transport>>,
    ) {
        let goodbye = async {
            write_half.write_all(b"</stream:stream>").await?;
            write_half.shutdown().await?;
            let mut chunk = vec![0; READ_BYTES];
            while read_half.read(&mut chunk).await? > 0 {}
            io::Result::Ok(())
        };
        match timeout(GOODBYE_TIME, goodbye).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "the connection broke while the stream was being closed");
            }
            Err(_) => tracing::debug!("the XMPP server did not close its side of the stream in time"),
        }
    }
}

impl Output {
    fn is_empty(&self) -> bool {
        self.written == self.bytes.len()
    }

    /// There is something to write or to flush.
    fn is_due(&self) -> bool {
        !self.is_empty() || self.is_unflushed
    }

    /// Writes some, or flushes when all is written. Cancel-safe.
    async fn push(&self, write_half: &mut WriteHalf<Box<dyn Transport>>) -> Happening {
        if self.is_empty() {
            Happening::Flushed(write_half.flush().await)
        } else {
            Happening::Written(write_half.write(self.rest()).await)
        }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// The buffer, emptied, for the next round. What one long stanza made it grow by is given back.
    fn start_over(&mut self) -> &mut Vec<u8> {
        self.bytes.clear();
        self.bytes.shrink_to(WRITE_BYTES * 2);
        self.written = 0;
        &mut self.bytes
    }
}

/// The id, when `element` is an IQ answer from the host domain itself.
fn barrier_id<'a>(element: &'a Element, host: &str) -> Option<&'a str> {
    let is_answer = element.is("iq", COMPONENT_NAMESPACE)
        && matches!(element.attr("type"), Some("result" | "error"))
        && element.attr("from") == Some(host);
    if is_answer { element.attr("id") } else { None }
}
