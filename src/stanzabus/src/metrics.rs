//! The metrics in one place. Values are read when somebody asks; nothing is counted twice.

use std::collections::HashMap;
use std::sync::Arc;

use bus_engine::{Engine, StatisticsSnapshot};
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, Metric as Sample, MetricFamily, MetricType};
use prometheus::{Registry, TextEncoder};
use xmpp_component::{Link, LinkState, LinkStatistics};
use xmpp_pubsub::NotificationCounters;

/// Every metric. The doc comment is the help text's longer form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Transactions that changed nodes: each is one sync of the disk.
    Commits,
    /// Transactions that did not come through; their senders were told.
    CommitsFailed,
    /// Events in committed transactions.
    CommittedEvents,
    /// Time from the start of each transaction to the end of its sync, added up; over `commits` it is the mean.
    CommitSeconds,
    /// Commands that wait for their commit.
    QueuedCommands,
    /// Bytes of the commands that wait for their commit.
    QueuedBytes,
    /// Commands refused because too many wait.
    RefusedBusy,
    /// Decisions made again because the node's rules had moved meanwhile.
    StaleDecisions,
    /// Times that a node's rules were read from the store; low when the cache is big enough.
    FactsLoaded,
    /// Pages of the log read because somebody had fallen behind what memory holds.
    LogPagesRead,
    /// Events encoded as notifications: one encoding serves all recipients.
    NotificationEncodings,
    /// Notifications handed to the XMPP link, repeats included.
    NotificationsSent,
    /// Delivery cursors written to the store.
    CursorMoves,
    /// Nodes with events that are not handed over yet.
    NodesUndelivered,
    /// Nodes whose delivery stopped because the store cannot read them.
    NodesUnreadable,
    /// Whether the XMPP link is up.
    LinkUp,
    /// Accepted streams after the first one.
    LinkReconnects,
    /// Stanzas read from the XMPP server.
    LinkStanzasIn,
    /// Bytes read from the XMPP server.
    LinkBytesIn,
    /// Stanzas written to the XMPP server.
    LinkStanzasOut,
    /// Bytes written to the XMPP server.
    LinkBytesOut,
    /// Inbound stanzas that broke a limit.
    LinkRejected,
    /// Barriers written: pings whose answer proves what the server has taken.
    LinkBarriers,
    /// Barriers answered.
    LinkBarriersAnswered,
    /// Whether somebody else is attached to the server as our domain.
    LinkContested,
    /// Answers to barriers that are somebody else's.
    LinkForeignAnswers,
    /// Barriers whose answers went to somebody else.
    LinkSkippedAnswers,
    /// Bytes of the longest stanza that is written; the server may have shown that it takes less than configured.
    LinkStanzaBytesMax,
    /// Stanzas not sent because the server ends the stream on such long ones.
    LinkPutAside,
    /// Bytes of replies that wait to be written.
    LinkReplyLaneBytes,
    /// Bytes of notifications that wait to be written.
    LinkNotificationLaneBytes,
}

/// What the metrics are read from.
struct Reading {
    engine: StatisticsSnapshot,
    link: LinkStatistics,
    link_is_up: bool,
    encodings: u64,
}

impl Metric {
    /// All of them.
    pub(crate) const ALL: [Self; 31] = [
        Self::Commits,
        Self::CommitsFailed,
        Self::CommittedEvents,
        Self::CommitSeconds,
        Self::QueuedCommands,
        Self::QueuedBytes,
        Self::RefusedBusy,
        Self::StaleDecisions,
        Self::FactsLoaded,
        Self::LogPagesRead,
        Self::NotificationEncodings,
        Self::NotificationsSent,
        Self::CursorMoves,
        Self::NodesUndelivered,
        Self::NodesUnreadable,
        Self::LinkUp,
        Self::LinkReconnects,
        Self::LinkStanzasIn,
        Self::LinkBytesIn,
        Self::LinkStanzasOut,
        Self::LinkBytesOut,
        Self::LinkRejected,
        Self::LinkBarriers,
        Self::LinkBarriersAnswered,
        Self::LinkContested,
        Self::LinkForeignAnswers,
        Self::LinkSkippedAnswers,
        Self::LinkStanzaBytesMax,
        Self::LinkPutAside,
        Self::LinkReplyLaneBytes,
        Self::LinkNotificationLaneBytes,
    ];

    /// The name in the text format. Those that end in `_total` only go up.
    pub(crate) fn name(self) -> &'static str {
        self.describe().0
    }

    /// The name and the help text.
    #[expect(clippy::too_many_lines, reason = "a table: a name and a text for each metric")]
    fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::Commits => ("stanzabus_commits_total", "Transactions that changed nodes"),
            Self::CommitsFailed => {
                ("stanzabus_commits_failed_total", "Transactions that did not come through")
            }
            Self::CommittedEvents => ("stanzabus_committed_events_total", "Events in committed transactions"),
            Self::CommitSeconds => {
                ("stanzabus_commit_seconds_total", "Time spent in transactions, sync included")
            }
            Self::QueuedCommands => ("stanzabus_queued_commands", "Commands that wait for their commit"),
            Self::QueuedBytes => {
                ("stanzabus_queued_bytes", "Bytes of the commands that wait for their commit")
            }
            Self::RefusedBusy => ("stanzabus_refused_busy_total", "Commands refused because too many wait"),
            Self::StaleDecisions => {
                ("stanzabus_stale_decisions_total", "Decisions made again because the rules had moved")
            }
            Self::FactsLoaded => {
                ("stanzabus_facts_loaded_total", "Times that a node's rules were read from the store")
            }
            Self::LogPagesRead => {
                ("stanzabus_log_pages_read_total", "Pages of the log read for delivery or tails")
            }
            Self::NotificationEncodings => (
                "stanzabus_notification_encodings_total",
                "Events encoded as notifications, once for all recipients",
            ),
            Self::NotificationsSent => {
                ("stanzabus_notifications_sent_total", "Notifications handed to the XMPP link")
            }
            Self::CursorMoves => ("stanzabus_cursor_moves_total", "Delivery cursors written"),
            Self::NodesUndelivered => {
                ("stanzabus_nodes_undelivered", "Nodes with events that are not handed over yet")
            }
            Self::NodesUnreadable => (
                "stanzabus_nodes_unreadable_total",
                "Nodes whose delivery stopped because they cannot be read",
            ),
            Self::LinkUp => ("stanzabus_link_up", "Whether the XMPP link is up"),
            Self::LinkReconnects => {
                ("stanzabus_link_reconnects_total", "Accepted streams after the first one")
            }
            Self::LinkStanzasIn => ("stanzabus_link_stanzas_in_total", "Stanzas read from the XMPP server"),
            Self::LinkBytesIn => ("stanzabus_link_bytes_in_total", "Bytes read from the XMPP server"),
            Self::LinkStanzasOut => {
                ("stanzabus_link_stanzas_out_total", "Stanzas written to the XMPP server")
            }
            Self::LinkBytesOut => ("stanzabus_link_bytes_out_total", "Bytes written to the XMPP server"),
            Self::LinkRejected => ("stanzabus_link_rejected_total", "Inbound stanzas that broke a limit"),
            Self::LinkBarriers => ("stanzabus_link_barriers_total", "Barriers written"),
            Self::LinkBarriersAnswered => ("stanzabus_link_barriers_answered_total", "Barriers answered"),
            Self::LinkContested => {
                ("stanzabus_link_contested", "Whether somebody else is attached to the server as our domain")
            }
            Self::LinkForeignAnswers => {
                ("stanzabus_link_foreign_answers_total", "Answers to barriers that are somebody else's")
            }
            Self::LinkSkippedAnswers => {
                ("stanzabus_link_skipped_answers_total", "Barriers whose answers went to somebody else")
            }
            Self::LinkStanzaBytesMax => {
                ("stanzabus_link_stanza_bytes_max", "Bytes of the longest stanza that is written")
            }
            Self::LinkPutAside => (
                "stanzabus_link_put_aside_total",
                "Stanzas not sent because the server ends the stream on such long ones",
            ),
            Self::LinkReplyLaneBytes => {
                ("stanzabus_link_reply_lane_bytes", "Bytes of replies that wait to be written")
            }
            Self::LinkNotificationLaneBytes => {
                ("stanzabus_link_notification_lane_bytes", "Bytes of notifications that wait to be written")
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "the text format knows floating point only")]
    fn value(self, reading: &Reading) -> f64 {
        let Reading { engine, link, link_is_up, encodings } = reading;
        let count = match self {
            Self::CommitSeconds => return engine.commit_us_total as f64 / 1_000_000.0,
            Self::Commits => engine.commits,
            Self::CommitsFailed => engine.commits_failed,
            Self::CommittedEvents => engine.committed_events,
            Self::QueuedCommands => engine.queued_commands,
            Self::QueuedBytes => engine.queued_bytes,
            Self::RefusedBusy => engine.refused_busy,
            Self::StaleDecisions => engine.stale_decisions,
            Self::FactsLoaded => engine.facts_loaded,
            Self::LogPagesRead => engine.log_pages_read,
            Self::NotificationEncodings => *encodings,
            Self::NotificationsSent => engine.notifications_sent,
            Self::CursorMoves => engine.cursor_moves,
            Self::NodesUndelivered => engine.nodes_undelivered,
            Self::NodesUnreadable => engine.nodes_unreadable,
            Self::LinkUp => u64::from(*link_is_up),
            Self::LinkReconnects => link.reconnects,
            Self::LinkStanzasIn => link.stanzas_in,
            Self::LinkBytesIn => link.bytes_in,
            Self::LinkStanzasOut => link.stanzas_out,
            Self::LinkBytesOut => link.bytes_out,
            Self::LinkRejected => link.rejected,
            Self::LinkBarriers => link.barriers,
            Self::LinkBarriersAnswered => link.barriers_answered,
            Self::LinkContested => u64::from(link.is_contested),
            Self::LinkForeignAnswers => link.foreign_answers,
            Self::LinkSkippedAnswers => link.skipped_answers,
            Self::LinkStanzaBytesMax => link.stanza_bytes_max as u64,
            Self::LinkPutAside => link.put_aside,
            Self::LinkReplyLaneBytes => link.reply_lane_bytes as u64,
            Self::LinkNotificationLaneBytes => link.notification_lane_bytes as u64,
        };
        count as f64
    }

    fn family(self, reading: &Reading) -> MetricFamily {
        let value = self.value(reading);
        let mut sample = Sample::default();
        let mut family = MetricFamily::default();
        family.set_name(self.name().to_owned());
        family.set_help(self.describe().1.to_owned());
        if self.name().ends_with("_total") {
            let mut counter = Counter::default();
            counter.set_value(value);
            sample.set_counter(counter);
            family.set_field_type(MetricType::COUNTER);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            sample.set_gauge(gauge);
            family.set_field_type(MetricType::GAUGE);
        }
        family.set_metric(vec![sample]);
        family
    }
}

/// Where the values are.
pub(crate) struct Sources {
    /// Commits and delivery.
    pub(crate) engine: Engine,
    /// The XMPP link.
    pub(crate) link: Link,
    /// Encodings.
    pub(crate) notifications: Arc<NotificationCounters>,
}

/// What `/metrics` shows.
pub(crate) struct Metrics(Registry);

impl Metrics {
    /// Reads from these sources.
    ///
    /// # Errors
    /// Two metrics share a name; a test finds that earlier.
    pub(crate) fn new(sources: Sources) -> prometheus::Result<Self> {
        let descriptions = Metric::ALL.into_iter().map(|metric| {
            Desc::new(metric.name().to_owned(), metric.describe().1.to_owned(), Vec::new(), HashMap::new())
        });
        let descriptions = descriptions.collect::<prometheus::Result<_>>()?;
        let registry = Registry::new();
        registry.register(Box::new(BusCollector { sources, descriptions }))?;
        Ok(Self(registry))
    }

    /// The text format of Prometheus.
    pub(crate) fn encode(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.0.gather())
    }
}

/// Reads all values at once.
struct BusCollector {
    sources: Sources,
    descriptions: Vec<Desc>,
}

impl Collector for BusCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Sources { engine, link, notifications } = &self.sources;
        let reading = Reading {
            engine: engine.statistics().snapshot(),
            link: link.statistics(),
            link_is_up: matches!(link.state(), LinkState::Up { .. }),
            encodings: notifications.encodings(),
        };
        Metric::ALL.into_iter().map(|metric| metric.family(&reading)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_prefixed_and_unique() {
        let mut names: Vec<_> = Metric::ALL.into_iter().map(Metric::name).collect();
        assert!(names.iter().all(|name| name.starts_with("stanzabus_")));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Metric::ALL.len());
    }
}
