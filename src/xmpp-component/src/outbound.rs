use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::barrier::{Barriers, Proof};
use crate::contest::Contest;
use crate::padding::Padding;
use crate::stanza_limit::StanzaLimit;
use crate::{LinkLimits, LinkStatistics, NotifyRefused, ReplyRefused};

/// What a queued stanza costs besides its bytes; so lanes of tiny stanzas are bounded too.
pub(crate) const STANZA_OVERHEAD_BYTES: usize = 160;

/// Bytes gathered for one write. One stanza may reach beyond it.
pub(crate) const WRITE_BYTES: usize = 64 * 1024;

/// Bytes of replies after which it is the notifications' turn, if some wait.
const REPLIES_IN_A_ROW_BYTES: usize = 4 * WRITE_BYTES;

/// A notification as parts that are written back to back: what is encoded once per event is shared, what belongs to
/// one recipient stands beside it.
#[derive(Debug, Clone)]
pub struct Notification {
    parts: [Bytes; Self::PARTS_MAX],
}

impl Notification {
    /// Parts at most.
    pub const PARTS_MAX: usize = 4;

    /// One stanza out of its parts. More than [`Self::PARTS_MAX`] do not compile.
    pub fn new<const N: usize>(parts: [Bytes; N]) -> Self {
        const { assert!(N <= Self::PARTS_MAX) };
        let mut notification = Self { parts: [const { Bytes::new() }; Self::PARTS_MAX] };
        for (place, part) in notification.parts.iter_mut().zip(parts) {
            *place = part;
        }
        notification
    }

    fn bytes(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }
}

/// A reply with its share of the lane, given back when the operating system took it. It is written, and written again on
/// the next stream, as a whole: who gets its end has got all of it.
#[derive(Debug)]
pub(crate) struct QueuedReply {
    pub(crate) stanza: Bytes,
    /// Stanzas that belong to it and follow it.
    pub(crate) behind: Vec<Bytes>,
    pub(crate) _room: OwnedSemaphorePermit,
}

impl QueuedReply {
    fn stanzas(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.stanza).chain(&self.behind)
    }

    fn fits(&self, stanza_bytes_max: usize) -> bool {
        self.stanzas().all(|stanza| stanza.len() <= stanza_bytes_max)
    }
}

#[derive(Debug)]
struct QueuedNotification {
    ticket: u64,
    notification: Notification,
}

/// The outbound lanes and barriers, without I/O: stanzas in, bytes to write out.
///
/// Replies outlive a stream, notifications do not: their caller starts again from the last proof.
#[derive(Debug)]
pub(crate) struct Outbound {
    stanza_limit: StanzaLimit,
    lane_bytes_max: usize,
    /// Beyond it the answer to a barrier is overdue.
    answer_time: Duration,
    replies: VecDeque<QueuedReply>,
    notifications: VecDeque<QueuedNotification>,
    notification_bytes: usize,
    /// Bytes of replies since it was the notifications' turn.
    replies_in_a_row_bytes: usize,
    stream: Option<OpenStream>,
    contest: Contest,
    version: u64,
    is_closed: bool,
    statistics: LinkStatistics,
}

/// What belongs to one stream.
#[derive(Debug)]
struct OpenStream {
    generation: u64,
    barriers: Barriers,
    /// Bytes handed out for writing on this stream, and bytes written of them.
    staged_bytes: u64,
    written_bytes: u64,
    /// Replies handed out, each with the place of its end, until that is written.
    staged_replies: VecDeque<(u64, QueuedReply)>,
    padding: Padding,
    is_draining: bool,
}

/// Whose an IQ answer from the host domain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// To a barrier of this stream.
    Proof(Proof),
    /// To a barrier of somebody else's, who is attached as our domain.
    Foreign,
    /// To anything else.
    Unknown,
}

impl Outbound {
    pub(crate) fn new(limits: &LinkLimits, link_nonce: u64) -> Self {
        let stanza_bytes_max = limits.outbound_stanza_bytes_max;
        // Half of the lane takes any stanza, so whoever waits for half of it never waits in vain.
        let lane_bytes_min = (stanza_bytes_max + STANZA_OVERHEAD_BYTES) * 2;
        Self {
            stanza_limit: StanzaLimit::new(stanza_bytes_max),
            lane_bytes_max: limits.notification_lane_bytes_max.max(lane_bytes_min),
            answer_time: Duration::from_millis(limits.dead_after_ms),
            replies: VecDeque::new(),
            notifications: VecDeque::new(),
            notification_bytes: 0,
            replies_in_a_row_bytes: 0,
            stream: None,
            contest: Contest::new(link_nonce),
            version: 0,
            is_closed: false,
            statistics: LinkStatistics::default(),
        }
    }

    /// A stream was accepted.
    pub(crate) fn open(&mut self, generation: u64, barriers: Barriers) {
        self.version += 1;
        self.statistics.reconnects += u64::from(generation > 1);
        self.stream = Some(OpenStream {
            generation,
            barriers,
            staged_bytes: 0,
            written_bytes: 0,
            staged_replies: VecDeque::new(),
            padding: Padding::default(),
            is_draining: false,
        });
    }

    /// The stream ended: notifications are let go, replies that it did not take stay in their order.
    pub(crate) fn lose_stream(&mut self) {
        self.version += 1;
        self.notifications.clear();
        self.notification_bytes = 0;
        let Some(mut stream) = self.stream.take() else { return };
        while let Some((_, reply)) = stream.staged_replies.pop_back() {
            self.replies.push_front(reply);
        }
    }

    /// The server ended this stream as servers do on a stanza that is too long; to be told before the stream is lost.
    /// Returns the new limit in bytes when there is one. Replies over it are let go: they would end every stream.
    pub(crate) fn stanza_refused(&mut self) -> Option<usize> {
        let longest_bytes = self.stream.as_ref()?.barriers.longest_unproven_bytes();
        if !self.stanza_limit.refused(longest_bytes) {
            return None;
        }
        let bytes_max = self.stanza_limit.bytes_max();
        let replies_before = self.replies.len();
        self.replies.retain(|reply| reply.fits(bytes_max));
        let mut put_aside = replies_before - self.replies.len();
        if let Some(stream) = &mut self.stream {
            let staged_before = stream.staged_replies.len();
            stream.staged_replies.retain(|(_, reply)| reply.fits(bytes_max));
            put_aside += staged_before - stream.staged_replies.len();
        }
        self.statistics.put_aside += put_aside as u64;
        Some(bytes_max)
    }

    /// The longest stanza that is taken now, in bytes.
    pub(crate) fn stanza_bytes_max(&self) -> usize {
        self.stanza_limit.bytes_max()
    }

    /// The link ends.
    pub(crate) fn close(&mut self) {
        self.lose_stream();
        self.replies.clear();
        self.is_closed = true;
    }

    pub(crate) fn push_reply(&mut self, reply: QueuedReply) -> Result<(), ReplyRefused> {
        if self.is_closed {
            return Err(ReplyRefused::Closed);
        }
        self.replies.push_back(reply);
        Ok(())
    }

    /// True when the lane was empty, so the writer may be asleep.
    pub(crate) fn push_notification(
        &mut self,
        generation: u64,
        ticket: u64,
        notification: Notification,
    ) -> Result<bool, NotifyRefused> {
        let stream =
            self.stream.as_ref().filter(|stream| stream.generation == generation && !stream.is_draining);
        if stream.is_none() {
            return Err(NotifyRefused::Down);
        }
        let bytes = notification.bytes();
        let bytes_max = self.stanza_limit.bytes_max();
        if bytes > bytes_max {
            self.statistics.put_aside += u64::from(self.stanza_limit.is_learned());
            return Err(NotifyRefused::TooLarge { bytes, bytes_max });
        }
        let bytes_after = self.notification_bytes + bytes + STANZA_OVERHEAD_BYTES;
        if bytes_after > self.lane_bytes_max {
            return Err(NotifyRefused::Full);
        }
        self.notification_bytes = bytes_after;
        self.notifications.push_back(QueuedNotification { ticket, notification });
        Ok(self.notifications.len() == 1)
    }

    /// Changes with each stream's start and end.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Whoever was refused at `version` should try again.
    pub(crate) fn is_ready_since(&self, version: u64) -> bool {
        let has_room = self.stream.is_some() && self.notification_bytes <= self.lane_bytes_max / 2;
        has_room || self.is_closed || self.version != version
    }

    /// Appends what is to be written next, [`WRITE_BYTES`] or a reply more: replies, then notifications with the
    /// barriers among them; and behind the last of them the padding. After many replies it is the notifications' turn, so
    /// that nobody's questions hold up everybody's events.
    pub(crate) fn stage(&mut self, now: Instant, out: &mut Vec<u8>) {
        let start = out.len();
        if self.notifications.is_empty() {
            self.replies_in_a_row_bytes = 0;
        } else if self.replies_in_a_row_bytes >= REPLIES_IN_A_ROW_BYTES {
            self.replies_in_a_row_bytes = 0;
            self.stage_notifications(now, start, out);
        }
        let Some(stream) = &mut self.stream else { return };
        let offset = stream.staged_bytes;
        let from = out.len();
        while out.len() - start < WRITE_BYTES
            && let Some(reply) = self.replies.pop_front()
        {
            for stanza in reply.stanzas() {
                out.extend_from_slice(stanza);
                stream.padding.follow(stanza.len());
                stream.barriers.stanza_placed(stanza.len());
                self.statistics.stanzas_out += 1;
            }
            stream.staged_replies.push_back((offset + (out.len() - start) as u64, reply));
        }
        self.replies_in_a_row_bytes += out.len() - from;
        self.stage_notifications(now, start, out);
        if let Some(stream) = &mut self.stream {
            stream.padding.end_round(&out[start..]);
            // A round that was not cut short is followed by nothing for now, not even by what waits for an answer.
            if out.len() - start < WRITE_BYTES {
                stream.padding.append(out);
            }
            stream.staged_bytes = offset + (out.len() - start) as u64;
        }
    }

    fn stage_notifications(&mut self, now: Instant, start: usize, out: &mut Vec<u8>) {
        let Some(OpenStream { barriers, padding, .. }) = &mut self.stream else { return };
        while barriers.has_answer() && out.len() - start < WRITE_BYTES {
            if barriers.is_due() {
                if !barriers.has_room() {
                    return;
                }
                let from = out.len();
                barriers.place(now, out);
                padding.follow(out.len() - from);
                self.statistics.barriers += 1;
            }
            let Some(queued) = self.notifications.pop_front() else { break };
            self.notification_bytes -= queued.notification.bytes() + STANZA_OVERHEAD_BYTES;
            let from = out.len();
            for part in &queued.notification.parts {
                out.extend_from_slice(part);
            }
            padding.follow(out.len() - from);
            barriers.stanza_placed(out.len() - from);
            barriers.notification_placed(queued.ticket);
            self.statistics.stanzas_out += 1;
        }
        if barriers.is_due_at_rest() && barriers.has_room() {
            let from = out.len();
            barriers.place(now, out);
            padding.follow(out.len() - from);
            self.statistics.barriers += 1;
        }
    }

    /// The operating system took `bytes` more of what was staged.
    pub(crate) fn written(&mut self, bytes: usize) {
        self.statistics.bytes_out += bytes as u64;
        self.statistics.writes += 1;
        let Some(stream) = &mut self.stream else { return };
        stream.written_bytes += bytes as u64;
        let written_bytes = stream.written_bytes;
        while stream.staged_replies.pop_front_if(|(end, _)| *end <= written_bytes).is_some() {}
    }

    /// Asks for a ping.
    pub(crate) fn want_barrier(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.barriers.want();
        }
    }

    /// Takes an IQ answer from the host domain.
    pub(crate) fn take_answer(&mut self, id: &str) -> Answer {
        match self.stream.as_mut().and_then(|stream| stream.barriers.answer(id)) {
            Some(proof) => {
                self.contest.take_own(proof.barriers);
                self.stanza_limit.proven(proof.longest_bytes);
                self.statistics.barriers_answered += proof.barriers;
                Answer::Proof(proof)
            }
            None if self.contest.take_unknown(id) => Answer::Foreign,
            None => Answer::Unknown,
        }
    }

    /// Whether a barrier of this stream has this id.
    pub(crate) fn is_barrier(&self, id: &str) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.barriers.is_own(id))
    }

    /// Somebody else is attached as our domain.
    pub(crate) fn is_contested(&self) -> bool {
        self.contest.is_on()
    }

    /// When the oldest unanswered barrier was staged.
    pub(crate) fn oldest_barrier_at(&self) -> Option<Instant> {
        self.stream.as_ref()?.barriers.oldest_placed_at()
    }

    /// For how long a barrier has been unanswered, if that is too long.
    pub(crate) fn proof_overdue(&self, now: Instant) -> Option<Duration> {
        let unanswered = now.saturating_duration_since(self.oldest_barrier_at()?);
        (unanswered >= self.answer_time).then_some(unanswered)
    }

    /// Takes no more notifications; what is queued is still written.
    pub(crate) fn drain(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.is_draining = true;
        }
    }

    /// Nothing is queued, and everything that was written is proven.
    pub(crate) fn is_drained(&self) -> bool {
        let is_settled = self.stream.as_ref().is_none_or(|stream| stream.barriers.is_settled());
        self.replies.is_empty() && self.notifications.is_empty() && is_settled
    }

    /// Counts what was read: `bytes`, and the stanzas in them.
    pub(crate) fn count_read(&mut self, bytes: usize, stanzas: u64, rejected: u64) {
        self.statistics.bytes_in += bytes as u64;
        self.statistics.stanzas_in += stanzas;
        self.statistics.rejected += rejected;
    }

    pub(crate) fn statistics(&self) -> LinkStatistics {
        let stream = self.stream.as_ref();
        let staged = stream.map_or(0, |stream| stream.staged_replies.len());
        LinkStatistics {
            barriers_unanswered: stream.map_or(0, |stream| stream.barriers.unanswered()),
            reply_lane_stanzas: self.replies.len() + staged,
            notification_lane_stanzas: self.notifications.len(),
            notification_lane_bytes: self.notification_bytes,
            foreign_answers: self.contest.foreign_answers(),
            skipped_answers: self.contest.skipped_answers(),
            is_contested: self.contest.is_on(),
            stanza_bytes_max: self.stanza_limit.bytes_max(),
            ..self.statistics
        }
    }
}

#[cfg(test)]
mod tests;
