use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bridge_grpc::v1;
use bus_engine::{IdSource as _, SystemIds};

use crate::cli::GrpcBenchArguments;
use crate::client::connect_grpc;
use crate::client::grpc::GrpcClient;
use crate::config;
use crate::failure::Failure;

/// The daemon that is measured, and with what.
pub(super) struct Target {
    pub(super) client: GrpcClient,
    pub(super) config: PathBuf,
    /// Where the daemon tells its metrics.
    pub(super) metrics: SocketAddr,
    pub(super) events: u64,
    pub(super) payload: String,
    /// The nodes that were made.
    nodes: Mutex<Vec<String>>,
}

/// A node of the benchmark's own.
pub(super) struct BenchNode {
    pub(super) name: String,
}

impl Target {
    pub(super) async fn connect(config: &Path, arguments: &GrpcBenchArguments) -> Result<Self, Failure> {
        let empty = "<p xmlns='urn:b'></p>";
        let text = "x".repeat(arguments.payload_bytes.saturating_sub(empty.len()));
        Ok(Self {
            client: connect_grpc(config).await?,
            config: config.to_owned(),
            metrics: config::load(config)?.config.http.listen()?,
            events: arguments.events,
            payload: empty.replace("><", &format!(">{text}<")),
            nodes: Mutex::default(),
        })
    }

    /// Makes a node that nobody else knows, which stays until all are removed.
    pub(super) async fn node(&self, durability: v1::Durability) -> Result<BenchNode, Failure> {
        let name = format!("bench {:032x}", u128::from_be_bytes(SystemIds.random_bytes()));
        let config = v1::NodeConfig {
            durability: durability.into(),
            items_max: Some(u32::MAX),
            history_events_max: Some(0),
            history_bytes_max: Some(0),
            ..v1::NodeConfig::default()
        };
        let request = v1::CreateNodeRequest {
            name: name.clone(),
            config: Some(config),
            ..v1::CreateNodeRequest::default()
        };
        self.client.create(request).await?;
        self.nodes.lock().expect("nothing panics under it").push(name.clone());
        Ok(BenchNode { name })
    }

    /// Removes all nodes, when nothing is measured any more: the daemon sweeps their events out of the store behind that.
    pub(super) async fn remove_nodes(&self) -> Result<(), Failure> {
        let names = std::mem::take(&mut *self.nodes.lock().expect("nothing panics under it"));
        for name in names {
            self.client.delete(&name, None).await?;
        }
        Ok(())
    }

    /// The next event to be published.
    pub(super) fn event(&self) -> v1::NewEvent {
        v1::NewEvent { item_id: None, payload: Some(v1::new_event::Payload::Xml(self.payload.clone())) }
    }
}

impl BenchNode {
    /// A name for one of its durable subscriptions.
    pub(super) fn subscription_name(&self, number: usize) -> String {
        format!("{}-{number}", self.name.replace(' ', "-"))
    }
}
