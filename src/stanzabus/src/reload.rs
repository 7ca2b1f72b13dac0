//! Credentials and certificates that change while the daemon runs.

use std::convert::Infallible;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bus_admission::{CredentialsInForce, TlsServer};
use bus_engine::{AdvisoryAbout, Engine};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::{self, ConfigError, KeySource, Loaded};
use crate::failure::Failure;
use crate::push::PushParts;

/// How long a changed file may go unnoticed.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What can be replaced.
#[derive(Clone)]
pub(crate) struct Replaceable {
    pub(crate) credentials: CredentialsInForce,
    pub(crate) tls: Option<Arc<TlsServer>>,
    pub(crate) http_tls: Option<Arc<TlsServer>>,
    pub(crate) push: PushParts,
    /// Where keys of issuers are published.
    pub(crate) key_sources: Arc<watch::Sender<Vec<KeySource>>>,
}

/// A file as it was when it was last looked at: which one, its length, and when its content and who may read it were
/// changed. `None` if it was not there.
type Seen = Option<(u64, u64, SystemTime, i64, i64)>;

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
    pub(crate) async fn run(mut self, replaceable: Replaceable, engine: &Engine) -> Infallible {
        let mut ticks = interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // What could not be used is tried again: files are changed one after the other. It is told once.
        let mut has_failed = false;
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    let now = look(&self.loaded);
                    if now == self.seen && !has_failed {
                        continue;
                    }
                    has_failed &= now == self.seen;
                    self.seen = now;
                }
                _ = self.hang_up.recv() => match config::load(&self.path) {
                    // The rest takes a restart.
                    Ok(read) => {
                        self.loaded.config.grpc = read.config.grpc;
                        self.loaded.config.push = read.config.push;
                        replaceable.key_sources.send_replace(self.loaded.key_sources());
                        has_failed = false;
                    }
                    Err(error) => {
                        tracing::error!(%error, "the configuration cannot be used and stays as it was");
                        continue;
                    }
                },
            }
            let was_told = has_failed;
            has_failed = false;
            for replace in [replace_credentials, replace_tls, replace_http_tls, replace_push_credentials] {
                let replaced = replace(&self.loaded, &replaceable);
                if let Err(error) = replaced {
                    has_failed = true;
                    if !was_told {
                        tracing::error!(%error, "tokens or certificates stay as they were");
                        let cause = AdvisoryAbout::cause(&error);
                        engine.advise(AdvisoryAbout::CredentialsUnusable { cause });
                    }
                }
            }
            if !has_failed {
                tracing::info!("tokens and certificates are read anew");
            }
        }
    }
}

/// All lists or none, but for the keys of an issuer: they come from others, and must not hold up what is revoked here.
fn replace_credentials(loaded: &Loaded, replaceable: &Replaceable) -> Result<(), ConfigError> {
    let (credentials, unreadable) = loaded.credentials_beside(&replaceable.credentials.now())?;
    replaceable.credentials.replace(credentials);
    unreadable.map_or(Ok(()), Err)
}

/// The certificate with its key, or neither.
fn replace_tls(loaded: &Loaded, replaceable: &Replaceable) -> Result<(), ConfigError> {
    replaceable.tls.as_ref().map_or(Ok(()), |tls| loaded.config.grpc.replace_tls(&loaded.folder, tls))
}

/// The same, for the HTTP API.
fn replace_http_tls(loaded: &Loaded, replaceable: &Replaceable) -> Result<(), ConfigError> {
    replaceable.http_tls.as_ref().map_or(Ok(()), |tls| loaded.config.http.replace_tls(&loaded.folder, tls))
}

/// Each account's by itself.
fn replace_push_credentials(loaded: &Loaded, replaceable: &Replaceable) -> Result<(), ConfigError> {
    replaceable.push.credentials.replace(loaded, &replaceable.push.pushes)
}

fn look(loaded: &Loaded) -> Vec<Seen> {
    let seen = |path: &Path| -> Seen {
        let metadata = std::fs::metadata(path).ok()?;
        let (changed, changed_ns) = (metadata.ctime(), metadata.ctime_nsec());
        Some((metadata.ino(), metadata.len(), metadata.modified().ok()?, changed, changed_ns))
    };
    let config = &loaded.config;
    let folder = &loaded.folder;
    let files = [
        config.grpc.watched_files(folder),
        config.http.watched_files(folder),
        config.push.watched_files(folder),
    ];
    let files = files.concat();
    files.iter().map(|path| seen(path)).collect()
}
