//! The metrics in one place. Values are read when somebody asks; nothing is counted twice.

mod family;
mod process;
mod pushes;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use bridge_grpc::{GrpcStatistics, GrpcStatisticsSnapshot};
use bus_engine::{Engine, Pushes, StatisticsSnapshot};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Registry, TextEncoder};
use xmpp_component::{Link, LinkState, LinkStatistics};
use xmpp_pubsub::{NotificationCounters, RequestGauges, RequestLoad};

pub(crate) use table::Metric;

use pushes::PushReading;

/// Where the values are.
pub(crate) struct Sources {
    /// Commits and delivery.
    pub(crate) engine: Engine,
    /// The XMPP link.
    pub(crate) link: Link,
    /// Encodings.
    pub(crate) notifications: Arc<NotificationCounters>,
    /// What the gRPC leg counts.
    pub(crate) grpc: Arc<GrpcStatistics>,
    /// Requests over XMPP.
    pub(crate) requests: Arc<RequestGauges>,
    /// Pushes to devices.
    pub(crate) pushes: Pushes,
}

/// All of them at one moment.
struct Reading {
    engine: StatisticsSnapshot,
    link: LinkStatistics,
    link_is_up: bool,
    encodings: u64,
    grpc: GrpcStatisticsSnapshot,
    recent_bytes: usize,
    requests: RequestLoad,
    pushes: PushReading,
    resident_bytes: u64,
}

impl Sources {
    fn read(&self) -> Reading {
        Reading {
            engine: self.engine.statistics().snapshot(),
            link: self.link.statistics(),
            link_is_up: matches!(self.link.state(), LinkState::Up { .. }),
            encodings: self.notifications.encodings(),
            grpc: self.grpc.snapshot(),
            recent_bytes: self.engine.recent_bytes(),
            requests: self.requests.get(),
            pushes: PushReading::of(&self.pushes, self.engine.now_ms()),
            resident_bytes: process::resident_bytes(),
        }
    }
}

/// What `/metrics` shows.
pub(crate) struct Metrics(Registry);

impl Metrics {
    /// Reads from these sources.
    ///
    /// # Errors
    /// Two metrics share a name; a test finds that earlier.
    pub(crate) fn new(sources: Sources) -> prometheus::Result<Self> {
        let descriptions = Metric::ALL.iter().map(|metric| {
            Desc::new(metric.name().to_owned(), metric.help().to_owned(), Vec::new(), HashMap::new())
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
        let reading = self.sources.read();
        // What has no sample is left out: the text format knows no empty families.
        let families = Metric::ALL.iter().map(|metric| family::of(*metric, &reading));
        families.filter(|family| !family.get_metric().is_empty()).collect()
    }
}
