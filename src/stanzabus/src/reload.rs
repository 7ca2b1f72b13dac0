//! Credentials and certificates that change while the daemon runs.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bridge_grpc::{CredentialsInForce, TlsServer};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use crate::config::{self, ConfigError, Loaded};
use crate::failure::Failure;

/// How long a changed file may go unnoticed.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What can be replaced.
#[derive(Clone)]
pub(crate) struct Replaceable {
    pub(crate) credentials: CredentialsInForce,
    pub(crate) tls: Option<Arc<TlsServer>>,
}

/// A file as it was when it was last looked at; `None` if it was not there.
type Seen = Option<(SystemTime, u64)>;

/// Notices what changes. Made before anything is read, so that nothing is missed.
pub(crate) struct Reloading {
    path: PathBuf,
    loaded: Loaded,
    seen: Vec<Seen>,
    hang_up: Signal,
}

impl Reloading {
    /// Looks for the first time, and listens for SIGHUP from now on.
    pub(crate) fn prepare(path: &Path) -> Result<Self, Failure> {
        let loaded = config::load(path)?;
        let hang_up = signal(SignalKind::hangup());
        let hang_up = hang_up.map_err(|source| Failure::System { what: "cannot handle signals", source })?;
        Ok(Self { path: path.to_owned(), seen: look(&loaded), loaded, hang_up })
    }

    /// Reads tokens, certificates and keys anew when one of their files changes, and at SIGHUP also the lists in the
    /// configuration. What cannot be read or used is told, and changes nothing.
    pub(crate) async fn run(mut self, replaceable: Replaceable) -> Infallible {
        let mut ticks = interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    let now = look(&self.loaded);
                    if now == self.seen {
                        continue;
                    }
                    self.seen = now;
                }
                _ = self.hang_up.recv() => match config::load(&self.path) {
                    Ok(read) => self.loaded = read,
                    Err(error) => {
                        tracing::error!(%error, "the configuration cannot be used and stays as it was");
                        continue;
                    }
                },
            }
            match replace(&self.loaded, &replaceable) {
                Ok(()) => tracing::info!("tokens and certificates are read anew"),
                Err(error) => tracing::error!(%error, "tokens and certificates stay as they were"),
            }
        }
    }
}

/// First what may be refused, then all of it.
fn replace(loaded: &Loaded, replaceable: &Replaceable) -> Result<(), ConfigError> {
    let credentials = loaded.credentials()?;
    if let Some(tls) = &replaceable.tls {
        loaded.config.grpc.replace_tls(&loaded.folder, tls)?;
    }
    replaceable.credentials.replace(credentials);
    Ok(())
}

fn look(loaded: &Loaded) -> Vec<Seen> {
    let seen = |path: &Path| -> Seen {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    loaded.config.grpc.watched_files(&loaded.folder).iter().map(|path| seen(path)).collect()
}
