//! `compose.yaml` as far as it uses the Compose specification: a key that is not here is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComposeFile {
    /// The project.
    pub name: String,
    /// The Dockerfile that all services share, each with a target of its own.
    #[serde(rename = "x-images")]
    pub images: String,
    /// What runs.
    pub services: BTreeMap<String, Service>,
    /// Where secrets come from.
    pub secrets: BTreeMap<String, SecretSource>,
    /// What stays when containers go.
    pub volumes: BTreeMap<String, Volume>,
}

/// `services.NAME`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// How its image is made.
    pub build: Build,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Variables.
    pub environment: BTreeMap<String, String>,
    /// Names of secrets, which lie in `/run/secrets`.
    pub secrets: Vec<String>,
    /// `VOLUME:PATH`.
    #[serde(default)]
    pub volumes: Vec<String>,
    /// `ADDRESS:PORT:PORT`.
    #[serde(default)]
    pub ports: Vec<String>,
    /// Services that are healthy before this one starts.
    #[serde(default)]
    pub depends_on: BTreeMap<String, Dependency>,
    /// When it counts as healthy.
    pub healthcheck: HealthCheck,
    /// When it is started again.
    pub restart: String,
    /// How it is told to stop.
    #[serde(default = "sigterm")]
    pub stop_signal: String,
    /// How long it may take to stop.
    pub stop_grace_period: String,
    /// Room in `/dev/shm`.
    pub shm_size: Option<String>,
}

/// `build`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The folder that is sent to the builder.
    pub context: String,
    /// The stage.
    pub target: String,
    /// The Dockerfile.
    pub dockerfile_inline: String,
}

/// `depends_on.NAME`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// What is waited for.
    pub condition: String,
}

/// `healthcheck`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// `CMD`, then program and arguments.
    pub test: Vec<String>,
    /// Between two checks.
    pub interval: String,
    /// For one check.
    pub timeout: String,
    /// Failures in a row that count.
    pub retries: u32,
    /// In which failures do not count.
    pub start_period: String,
}

/// `secrets.NAME`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSource {
    /// A file beside `compose.yaml`.
    pub file: PathBuf,
}

/// `volumes.NAME`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// What keeps it, when it is not Docker's own.
    pub driver: Option<String>,
}

impl ComposeFile {
    /// Reads the `compose.yaml` of this repository.
    ///
    /// # Errors
    /// When it is no YAML, or has a key that this harness does not know.
    pub fn read() -> Result<Self> {
        Self::parse(&fs::read_to_string(super::root().join("compose.yaml"))?)
    }

    /// Reads the text of one.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str) -> Result<Self> {
        serde_saphyr::from_str(text).context("compose.yaml")
    }

    /// The names of the services, each behind those that it depends on.
    ///
    /// # Panics
    /// When they depend on each other in a circle, or on one that is not there.
    pub fn start_order(&self) -> Vec<String> {
        let mut order: Vec<String> = Vec::new();
        while order.len() < self.services.len() {
            let next = self.services.iter().find(|(name, service)| {
                !order.contains(name) && service.depends_on.keys().all(|needed| order.contains(needed))
            });
            order.push(next.expect("an order in which the services can start").0.clone());
        }
        order
    }
}

impl Service {
    /// How long it may take to stop.
    ///
    /// # Errors
    /// When it is not written in whole seconds.
    pub fn stop_grace(&self) -> Result<Duration> {
        seconds(&self.stop_grace_period)
    }
}

impl HealthCheck {
    /// For how long a check may fail before the service counts as unhealthy.
    ///
    /// # Errors
    /// When a time is not written in whole seconds.
    pub fn patience(&self) -> Result<Duration> {
        let once = seconds(&self.interval)? + seconds(&self.timeout)?;
        Ok(seconds(&self.start_period)? + once * self.retries)
    }

    /// How long one check may take.
    ///
    /// # Errors
    /// When it is not written in whole seconds.
    pub fn timeout(&self) -> Result<Duration> {
        seconds(&self.timeout)
    }
}

/// A duration of the form `20s`.
fn seconds(text: &str) -> Result<Duration> {
    let number = text.strip_suffix('s').and_then(|number| number.parse().ok());
    number.map(Duration::from_secs).with_context(|| format!("{text:?} is no whole number of seconds"))
}

fn sigterm() -> String {
    "SIGTERM".to_owned()
}
