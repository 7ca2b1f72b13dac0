//! The table of the metrics: the place to add one.

use bus_domain::Durability;
use bus_domain::quota::Quota;

use super::Reading;
use super::family::Value;

/// Makes the enum out of the table. A line's doc comment is also the metric's help text; names that end in `_total`
/// only go up, histograms aside the others go up and down.
macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $metric:ident = $name:literal, $value:expr;)+) => {
        /// Every metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Metric { $($(#[doc = $doc])+ $metric,)+ }

        impl Metric {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$metric,)+];

            /// The name in the text format.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$metric => $name,)+ }
            }

            /// What it means.
            pub(crate) fn help(self) -> &'static str {
                match self { $(Self::$metric => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// What it shows.
            pub(super) fn value(self, reading: &Reading) -> Value {
                let read: fn(&Reading) -> Value = match self { $(Self::$metric => $value,)+ };
                read(reading)
            }
        }
    };
}

metrics! {
    /// Transactions that changed nodes.
    Commits = "stanzabus_commits_total", |read| Value::Number(read.engine.commits);
    /// Transactions that did not come through; their senders were told.
    CommitsFailed = "stanzabus_commits_failed_total", |read| Value::Number(read.engine.commits_failed);
    /// Events in committed transactions.
    CommittedEvents = "stanzabus_committed_events_total", |read| Value::Number(read.engine.committed_events);
    /// Items published, by what was answered: synced to disk, committed, or in memory.
    PublishedEvents = "stanzabus_published_events_total", |read| {
        let of_level = |level: Durability| (level.as_str(), read.engine.published(level));
        Value::Labelled("durability", Durability::ALL.map(of_level).to_vec())
    };
    /// Publishes with a request id that had been carried out before, and were answered as they were then.
    PublishesRepeated = "stanzabus_publishes_repeated_total", |read| Value::Number(read.engine.publishes_repeated);
    /// Time from the start of a transaction to the end of its sync.
    CommitSeconds = "stanzabus_commit_seconds", |read| Value::Seconds(read.engine.commit_us);
    /// Events of a committed transaction.
    BatchEvents = "stanzabus_batch_events", |read| Value::Sizes(read.engine.batch_events);
    /// Transactions that the store was asked to sync: batches, cursors and housekeeping.
    Syncs = "stanzabus_syncs_total", |read| Value::Number(read.engine.syncs);
    /// Transactions that moved durable subscriptions of services, of however many of them.
    ConsumerFlushes = "stanzabus_consumer_flushes_total", |read| Value::Number(read.engine.consumer_flushes);
    /// Durable subscriptions that were told of logs which other instances have moved, or may have.
    ConsumerLooks = "stanzabus_consumer_looks_total", |read| Value::Number(read.engine.consumer_looks);
    /// Events that filters of durable subscriptions were asked about: each once for all that have the same filter.
    ConsumerFilterings = "stanzabus_consumer_filterings_total", |read| Value::Number(read.engine.consumer_filterings);
    /// Transactions that moved push profiles.
    PushProfileMoves = "stanzabus_push_profile_moves_total", |read| Value::Number(read.engine.push_profile_moves);
    /// Pushes that came of events.
    PushProfileJobs = "stanzabus_push_profile_jobs_total", |read| Value::Number(read.engine.push_profile_jobs);
    /// Events for which there could be no push: they lack what the template needs, or retention took them first.
    PushProfileFailures = "stanzabus_push_profile_failures_total", |read| Value::Number(read.engine.push_profile_failures);
    /// Events that were written to dead-letter nodes.
    DeadLetters = "stanzabus_dead_letters_total", |read| Value::Number(read.engine.dead_letters);
    /// Requests that were begun to the destinations of durable subscriptions.
    OutboundRequests = "stanzabus_outbound_requests_total", |read| Value::Number(read.engine.outbound_requests);
    /// Events that such destinations have taken.
    OutboundEvents = "stanzabus_outbound_events_total", |read| Value::Number(read.engine.outbound_events);
    /// Requests that such destinations have not answered, or not as they should.
    OutboundFailures = "stanzabus_outbound_failures_total", |read| Value::Number(read.engine.outbound_failures);
    /// Events that destinations did not get, because their own sources have written them.
    OutboundPassed = "stanzabus_outbound_passed_total", |read| Value::Number(read.engine.outbound_passed);
    /// Events that were read from sources and published.
    SourcedEvents = "stanzabus_sourced_events_total", |read| Value::Number(read.engine.sourced_events);
    /// Times at which events had left their log before they could be brought to a destination.
    OutboundGaps = "stanzabus_outbound_gaps_total", |read| Value::Number(read.engine.outbound_gaps);
    /// Commands that wait for their commit.
    QueuedCommands = "stanzabus_queued_commands", |read| Value::Number(read.engine.queued_commands);
    /// Bytes of the commands that wait for their commit.
    QueuedBytes = "stanzabus_queued_bytes", |read| Value::Number(read.engine.queued_bytes);
    /// Commands refused because too many wait.
    RefusedBusy = "stanzabus_refused_busy_total", |read| Value::Number(read.engine.refused_busy);
    /// Commands refused because of a quota, by which: nodes, subscriptions, stored bytes or publishes, of one address, of one domain or in all.
    QuotaRefusals = "stanzabus_quota_refusals_total", |read| {
        let of_quota = |quota: Quota| (quota.as_str(), read.engine.refused_by(quota));
        Value::Labelled("quota", Quota::ALL.map(of_quota).to_vec())
    };
    /// Decisions made again because the node's rules had moved meanwhile.
    StaleDecisions = "stanzabus_stale_decisions_total", |read| Value::Number(read.engine.stale_decisions);
    /// Times that a node's rules were read from the store; low when the cache is big enough.
    FactsLoaded = "stanzabus_facts_loaded_total", |read| Value::Number(read.engine.facts_loaded);
    /// Bytes of committed events kept in memory for delivery and tails.
    RecentBytes = "stanzabus_recent_bytes", |read| Value::Number(read.recent_bytes as u64);
    /// Pages of the log read for delivery or tails.
    LogPagesRead = "stanzabus_log_pages_read_total", |read| Value::Number(read.engine.log_pages_read);
    /// Pages of the log read for delivery, because it had fallen behind what memory holds.
    Spills = "stanzabus_spills_total", |read| Value::Number(read.engine.spills);
    /// Events encoded as notifications: one encoding serves all recipients.
    NotificationEncodings = "stanzabus_notification_encodings_total", |read| Value::Number(read.encodings);
    /// Events encoded for readers over gRPC: one encoding serves all readers that keep up.
    GrpcEventsEncoded = "stanzabus_grpc_events_encoded_total", |read| Value::Number(read.grpc.events_encoded);
    /// Notifications handed to the XMPP link, repeats included.
    NotificationsSent = "stanzabus_notifications_sent_total", |read| Value::Number(read.engine.notifications_sent);
    /// Notifications handed to the XMPP link that had been before, after a lost stream or because they came back.
    Repeats = "stanzabus_repeats_total", |read| Value::Number(read.engine.repeats);
    /// Time from an event's commit to the proof that all its notifications were handed over; a sample.
    DeliverySeconds = "stanzabus_delivery_seconds", |read| Value::Seconds(read.engine.delivery_us);
    /// Delivery cursors written to the store.
    CursorMoves = "stanzabus_cursor_moves_total", |read| Value::Number(read.engine.cursor_moves);
    /// Nodes with events that are not handed over yet.
    NodesUndelivered = "stanzabus_nodes_undelivered", |read| Value::Number(read.engine.nodes_undelivered);
    /// Events that are not handed over yet, of all nodes that delivery has in memory.
    CursorLagEvents = "stanzabus_cursor_lag_events", |read| Value::Number(read.engine.lag_events);
    /// Events that are not handed over yet, of the node that is furthest behind.
    CursorLagEventsMax = "stanzabus_cursor_lag_events_max", |read| Value::Number(read.engine.lag_events_max);
    /// Notifications that came back and are sent again.
    BouncesRetried = "stanzabus_bounces_retried_total", |read| Value::Number(read.engine.bounces_retried);
    /// Notifications that came back because there is nobody any more.
    BouncesGone = "stanzabus_bounces_gone_total", |read| Value::Number(read.engine.bounces_gone);
    /// Notifications that came back for another reason of their subscriber's or its server's.
    BouncesFailing = "stanzabus_bounces_failing_total", |read| Value::Number(read.engine.bounces_failing);
    /// Notifications that came back and say nothing of their subscriber.
    BouncesIgnored = "stanzabus_bounces_ignored_total", |read| Value::Number(read.engine.bounces_ignored);
    /// Errors that claim to answer a notification that was not sent there.
    BouncesForged = "stanzabus_bounces_forged_total", |read| Value::Number(read.engine.bounces_forged);
    /// Subscriptions that are fed by themselves until they have caught up.
    LaggingSubscriptions = "stanzabus_lagging_subscriptions",
        |read| Value::Number(read.engine.lagging_subscriptions);
    /// Subscriptions that get nothing until their subscribers show up, counted once a minute.
    ParkedSubscriptions = "stanzabus_parked_subscriptions", |read| Value::Number(read.engine.parked_subscriptions);
    /// Looks into a shared store for what other instances have committed.
    DoorbellLooks = "stanzabus_doorbell_looks_total", |read| Value::Number(read.engine.doorbell_looks);
    /// Messages about subscriptions that nobody was told, because too many waited.
    NoticesDropped = "stanzabus_notices_dropped_total", |read| Value::Number(read.engine.notices_dropped);
    /// Nodes whose delivery stopped because the store cannot read them.
    NodesUnreadable = "stanzabus_nodes_unreadable_total", |read| Value::Number(read.engine.nodes_unreadable);
    /// Nodes of which so many events wait for delivery that publishers may have to wait.
    NodesUndeliveredFull = "stanzabus_nodes_undelivered_full", |read| Value::Number(read.engine.nodes_undelivered_full);
    /// Bytes of payload in the logs of all nodes, as last summed up in the background.
    StoredBytes = "stanzabus_stored_bytes", |read| Value::Number(read.engine.stored_bytes);
    /// Transactions of retention.
    RetentionSteps = "stanzabus_retention_steps_total", |read| Value::Number(read.engine.retention_steps);
    /// Requests whose repeats are not recognised any more, because their time is over.
    RequestsForgotten = "stanzabus_requests_forgotten_total", |read| Value::Number(read.engine.requests_forgotten);
    /// Events that have left their node's log.
    EventsTrimmed = "stanzabus_events_trimmed_total", |read| Value::Number(read.engine.events_trimmed);
    /// Items removed because their node keeps fewer than it did.
    ItemsEvicted = "stanzabus_items_evicted_total", |read| Value::Number(read.engine.items_evicted);
    /// Items removed because of their age.
    ItemsExpired = "stanzabus_items_expired_total", |read| Value::Number(read.engine.items_expired);
    /// Stretches of the logs of children that their collections have taken.
    FeedsMoved = "stanzabus_feeds_moved_total", |read| Value::Number(read.engine.feeds_moved);
    /// Nodes deleted because the one that they pointed at was.
    OrphansDeleted = "stanzabus_orphans_deleted_total", |read| Value::Number(read.engine.orphans_deleted);
    /// Subscriptions that have ended because their lease was over.
    LeasesEnded = "stanzabus_leases_ended_total", |read| Value::Number(read.engine.leases_ended);
    /// Temporary subscriptions that have ended because their subscribers had gone.
    TemporaryEnded = "stanzabus_temporary_subscriptions_ended_total", |read| Value::Number(read.engine.temporary_ended);
    /// Items removed after a purge.
    PurgedItemsRemoved = "stanzabus_purged_items_removed_total", |read| Value::Number(read.engine.purged_items_removed);
    /// Payloads of retracted items that were emptied in the log.
    PayloadsBlanked = "stanzabus_payloads_blanked_total", |read| Value::Number(read.engine.payloads_blanked);
    /// Whether the XMPP link is up.
    LinkUp = "stanzabus_link_up", |read| Value::Number(read.link_is_up.into());
    /// Accepted streams after the first one.
    LinkReconnects = "stanzabus_link_reconnects_total", |read| Value::Number(read.link.reconnects);
    /// Stanzas read from the XMPP server.
    LinkStanzasIn = "stanzabus_link_stanzas_in_total", |read| Value::Number(read.link.stanzas_in);
    /// Bytes read from the XMPP server.
    LinkBytesIn = "stanzabus_link_bytes_in_total", |read| Value::Number(read.link.bytes_in);
    /// Stanzas written to the XMPP server.
    LinkStanzasOut = "stanzabus_link_stanzas_out_total", |read| Value::Number(read.link.stanzas_out);
    /// Bytes written to the XMPP server.
    LinkBytesOut = "stanzabus_link_bytes_out_total", |read| Value::Number(read.link.bytes_out);
    /// Inbound stanzas that broke a limit.
    LinkRejected = "stanzabus_link_rejected_total", |read| Value::Number(read.link.rejected);
    /// Barriers written: pings whose answer proves what the server has taken.
    LinkBarriers = "stanzabus_link_barriers_total", |read| Value::Number(read.link.barriers);
    /// Barriers answered.
    LinkBarriersAnswered = "stanzabus_link_barriers_answered_total", |read| Value::Number(read.link.barriers_answered);
    /// Barriers of this stream that wait for their answer.
    LinkBarriersUnanswered = "stanzabus_link_barriers_unanswered",
        |read| Value::Number(read.link.barriers_unanswered as u64);
    /// Whether somebody else is attached to the server as our domain.
    LinkContested = "stanzabus_link_contested", |read| Value::Number(read.link.is_contested.into());
    /// Answers to barriers that are somebody else's.
    LinkForeignAnswers = "stanzabus_link_foreign_answers_total", |read| Value::Number(read.link.foreign_answers);
    /// Barriers whose answers went to somebody else.
    LinkSkippedAnswers = "stanzabus_link_skipped_answers_total", |read| Value::Number(read.link.skipped_answers);
    /// Bytes of the longest stanza that is written; the server may have shown that it takes less than configured.
    LinkStanzaBytesMax = "stanzabus_link_stanza_bytes_max", |read| Value::Number(read.link.stanza_bytes_max as u64);
    /// Stanzas not sent because the server ends the stream on such long ones.
    LinkPutAside = "stanzabus_link_put_aside_total", |read| Value::Number(read.link.put_aside);
    /// Bytes of stanzas that were read and wait for their turn.
    LinkInboundBytes = "stanzabus_link_inbound_bytes", |read| Value::Number(read.link.inbound_bytes as u64);
    /// Replies that wait to be written.
    LinkReplyLaneStanzas = "stanzabus_link_reply_lane_stanzas",
        |read| Value::Number(read.link.reply_lane_stanzas as u64);
    /// Bytes of replies that wait to be written.
    LinkReplyLaneBytes = "stanzabus_link_reply_lane_bytes",
        |read| Value::Number(read.link.reply_lane_bytes as u64);
    /// Notifications that wait to be written.
    LinkNotificationLaneStanzas = "stanzabus_link_notification_lane_stanzas",
        |read| Value::Number(read.link.notification_lane_stanzas as u64);
    /// Bytes of notifications that wait to be written.
    LinkNotificationLaneBytes = "stanzabus_link_notification_lane_bytes",
        |read| Value::Number(read.link.notification_lane_bytes as u64);
    /// Requests over XMPP that wait or are under way.
    XmppRequests = "stanzabus_xmpp_requests", |read| Value::Number(read.requests.requests as u64);
    /// Bytes of them, about.
    XmppRequestsBytes = "stanzabus_xmpp_requests_bytes", |read| Value::Number(read.requests.bytes as u64);
    /// Bytes of answers to them that wait for the link.
    XmppAnswersBytes = "stanzabus_xmpp_answers_bytes", |read| Value::Number(read.requests.answers_bytes as u64);
    /// Attempts to push, by provider, account, category (what became of the job) and the provider's reason.
    Pushes = "stanzabus_pushes_total", |read| read.pushes.outcomes();
    /// Pushes that came in, by how (xmpp: from XMPP servers, web: over HTTP) and what came of it.
    PushesIn = "stanzabus_pushes_in_total", |read| read.pushes.taken_in();
    /// Pushes that are under way.
    PushInFlight = "stanzabus_push_in_flight", |read| read.pushes.by_account(|it| it.in_flight as u64);
    /// Pushes that may be under way, as far as the provider keeps up.
    PushInFlightLimit = "stanzabus_push_in_flight_limit",
        |read| read.pushes.by_account(|it| it.in_flight_limit as u64);
    /// Whether the account has credentials that can be read; without, its pushes wait.
    PushAccountUsable = "stanzabus_push_account_usable", |read| read.pushes.by_account(|it| it.is_usable.into());
    /// Whether the provider refuses the account's credentials, or gives out no token for them now; its pushes wait, and one at a
    /// time tries again.
    PushAccountRefused = "stanzabus_push_account_refused",
        |read| read.pushes.by_account(|it| it.is_in_trouble.into());
    /// For how long the account's present token still counts; it is renewed before.
    PushCredentialsSeconds = "stanzabus_push_credentials_end_in_seconds",
        |read| read.pushes.credentials_end_in_seconds();
    /// Push jobs that wait or are under way, as last counted in the background.
    PushQueued = "stanzabus_push_queued", |read| read.pushes.queued();
    /// How long the oldest of them has been waiting.
    PushOldestSeconds = "stanzabus_push_oldest_seconds", |read| read.pushes.oldest_seconds();
    /// What of the daemon's memory is in RAM; 0 where the system does not tell.
    ResidentBytes = "process_resident_memory_bytes", |read| Value::Number(read.resident_bytes);
}
