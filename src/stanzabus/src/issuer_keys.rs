//! The keys of issuers that publish them: brought into their files, from where they are read like any others. So there is one
//! way for keys to come in, and a restart while an issuer is away shuts nobody out.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bus_admission::JwtIssuer;
use futures::future::join_all;
use outbound_http::{Client, Refused, Request, SendError};
use thiserror::Error;
use tokio::time::sleep;

use crate::config::{ConfigError, KeySource, Loaded};
use crate::reload::Replaceable;

/// How long keys may be out of date when nobody shows a token of newer ones.
const REFRESH_INTERVAL: Duration = Duration::from_mins(5);
/// How long nothing is asked after something was: anybody can show a token of a key that there is not.
const PAUSE: Duration = Duration::from_secs(5);

/// Brings keys, by requests like all that leave the daemon.
pub(crate) struct IssuerKeys(Client);

/// Why there are no newer keys.
#[derive(Debug, Error)]
enum KeysError {
    #[error(transparent)]
    Guard(#[from] Refused),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("the answer is {0}, not 200")]
    Status(u16),
    #[error("the answer {0}")]
    Keys(String),
    #[error("cannot write {}: {source}", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
}

impl IssuerKeys {
    /// # Errors
    /// When `[outbound]` is wrong.
    pub(crate) fn new(loaded: &Loaded) -> Result<Self, ConfigError> {
        Ok(Self(loaded.config.outbound.client(&loaded.folder)?))
    }

    /// Brings all of them now, and again when they may have changed.
    pub(crate) async fn run(&self, replaceable: &Replaceable) -> Infallible {
        let mut sources = replaceable.key_sources.subscribe();
        // Whose keys could not be had; that is told once.
        let mut missing: Vec<String> = Vec::new();
        loop {
            let wanted = sources.borrow_and_update().clone();
            let brought = join_all(wanted.iter().map(|source| self.bring(source))).await;
            let mut failed = Vec::new();
            for (KeySource { issuer, url, .. }, result) in wanted.into_iter().zip(brought) {
                let Err(error) = result else { continue };
                if !missing.contains(&issuer) {
                    tracing::error!(issuer, url, %error, "the keys of an issuer stay as they were");
                }
                failed.push(issuer);
            }
            missing = failed;
            let pause = async {
                sleep(PAUSE).await;
                tokio::select! {
                    () = sleep(REFRESH_INTERVAL), if missing.is_empty() => {}
                    () = replaceable.credentials.unknown_key() => {}
                    () = sleep(PAUSE), if !missing.is_empty() => {}
                }
            };
            tokio::select! {
                () = pause => {}
                // Whoever replaces them lives as long as this.
                _ = sources.changed() => sources.mark_changed(),
            }
        }
    }

    async fn bring(&self, source: &KeySource) -> Result<(), KeysError> {
        let target = self.0.guard().check_url(&source.url)?;
        let answer = self.0.send(&Request::get(target)).await?;
        if answer.status.as_u16() != 200 {
            return Err(KeysError::Status(answer.status.as_u16()));
        }
        let keys = std::str::from_utf8(&answer.body).map_err(|error| KeysError::Keys(error.to_string()))?;
        JwtIssuer::check_keys(keys).map_err(KeysError::Keys)?;
        let file = &source.file;
        if fs::read_to_string(file).is_ok_and(|known| known == keys) {
            return Ok(());
        }
        write_whole(file, keys).map_err(|source| KeysError::Unwritable { path: file.clone(), source })?;
        tracing::info!(issuer = source.issuer, file = %file.display(), "an issuer has other keys");
        Ok(())
    }
}

/// Whoever reads it finds the old text or the new one, also after a loss of power.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}
