//! The use cases of the bus: facts, decision, group commit, reply, delivery.
//!
//! * [`Engine`] is what legs call. Commands ([`Command`]) change nodes and are answered once they are on disk;
//!   queries read.
//! * [`committer`] takes what queued up while the last commit was in flight and writes it in one transaction. It is
//!   a state machine without I/O; `transact` carries a batch out on a store.
//! * [`dispatcher`] hands committed events to a [`NotificationSink`] and moves the delivery cursors. It is a state
//!   machine without I/O as well, and pulls: from memory while it keeps up, from the log when it does not.
//! * `retention` takes away what nodes need not keep, in bounded steps, beside everything else.
//! * [`PresenceTable`] knows who is available, as far as a leg is told; `presence_effects` does what follows from it.
//! * A [`ConsumerSession`] reads a durable subscription of a service, with acknowledgements, retries and dead letters.
//! * A [`Carrier`] of a bridge brings the events of such a subscription to a destination that it names.
//! * A [`SourceReader`] of a bridge reads services of users into nodes.
//! * [`Pushes`] keeps devices and brings durable push jobs to them, through the [`PushSink`]s of a bridge.
//! * [`PushProfiles`] make push jobs of events, for who would not get them otherwise.
//! * [`Tail`] is a reader of one node's log for the other legs; [`ArchiveQuery`] asks for pages of one.
//!
//! Time, ids and randomness come in through [`Clock`] and [`IdSource`].

mod advisories;
mod archive;
mod clock;
mod command;
pub mod committer;
mod consumers;
pub mod dispatcher;
mod doorbell;
mod encoded;
mod engine;
mod entities;
mod epochs;
mod facts_cache;
mod feeds;
mod histogram;
mod idempotency;
mod ids;
mod known_heads;
mod leases;
mod live_readers;
mod notices;
mod options;
mod orphans;
mod outage;
mod outbound;
mod payload;
mod pending;
mod presence;
mod presence_effects;
mod presence_uses;
mod publish_rates;
mod pulse;
mod push;
mod push_profiles;
mod queries;
mod recent;
mod retention;
mod rosters;
mod settings;
mod sources;
mod statistics;
mod tail;
mod transact;

/// What the drivers are made of besides the state machines: for a simulator that runs all of it step by step.
pub mod parts {
    pub use crate::dispatcher::{Mail, Mailbox};
    pub use crate::epochs::ProcessEpoch;
    pub use crate::facts_cache::{BeforeRead, FactsCache};
    pub use crate::known_heads::KnownHeads;
    pub use crate::recent::RecentEvents;
    pub use crate::transact::{Commit, CommittedNode, Sources, Written, write};
}

pub use advisories::{Advisory, AdvisoryAbout, AdvisoryFrame, AdvisoryReader};
pub use archive::{ArchiveEnds, ArchiveListing, ArchivePlace, ArchiveQuery};
pub use bus_store::{
    DevicePreferences, EntityAffiliation, EntitySubscription, FoundInlet, JobRecord, PushQueue, PushStore,
    SubscriptionKey,
};
pub use clock::{Clock, IdSource, SystemClock, SystemIds};
pub use command::{Command, Created, LastItem, Outcome, Published, Verb};
pub use consumers::{
    Backlog, BacklogOfNode, ConsumerFrame, ConsumerList, ConsumerSession, Credit, DeadLetterEntry, Delivered,
    LeaseOutcome, LeaseReport,
};
pub use dispatcher::{Bounce, Delivery, DeliveryInput, DeliveryNode, HandOff, NotificationSink, SinkFull};
pub use encoded::EncodedEvents;
pub use engine::{Engine, EngineParts};
pub use entities::EntityPage;
pub use histogram::{HISTOGRAM_BOUNDS, HistogramSnapshot};
pub use idempotency::{NotOneCloudEvent, once, once_per_cloud_event};
pub use ids::{EventIds, EventRef, MessageRef};
pub use notices::{Notice, NoticeAbout};
pub use outbound::{Agreement, Brought, Carrier, Condition, Verdict};
pub use payload::{payload_from_element, payload_from_text};
pub use presence::{
    Availability, AvailableResource, HeardPresence, PresenceChange, PresenceTable, WantedPresence,
};
pub use push::{
    IncomingPush, JobFilter, Push, PushAccount, PushCount, PushError, PushFact, PushFactKind, PushFeedback,
    PushGauges, PushInCount, PushLimits, PushOrder, PushOutcome, PushSettings, PushSink, PushTargets, Pushes,
    QueuedPush, Registration, Unfit,
};
pub use push_profiles::{ProfileList, PushProfileError, PushProfiles};
pub use queries::{ItemListing, NodeList, NodeView, Relatives};
pub use rosters::{RosterAccess, RosterLook, Rosters};
pub use settings::{EngineLimits, Settings};
pub use sources::{NewSource, SourceBatch, SourceList, SourceReader, SourceStream, SourceTrouble, Sourced};
pub use statistics::{Statistics, StatisticsSnapshot};
pub use tail::{Tail, TailFrame, TailStart};
