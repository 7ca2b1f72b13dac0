//! `stanzabus token`: the tokens of gRPC callers, in a file of their own that the daemon reads when it changes.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bus_admission::{AccessToken, token_sha256_hex};
use bus_engine::{Clock as _, SystemClock};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::cli::TokenCommand;
use crate::client::output;
use crate::config::{self, ListedToken, Loaded, TokenList};
use crate::failure::Failure;
use crate::init::{random_hex, write};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// So many digits of a token's hash name it.
const ID_DIGITS: usize = 12;

/// What is printed of a token.
#[derive(Serialize)]
struct TokenLine<'a> {
    id: &'a str,
    principal: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<&'a str>,
    /// Whether it counts no longer.
    is_expired: bool,
    /// Where it is listed: only those of the file can be revoked here.
    listed_in: &'static str,
}

/// `stanzabus token …`
pub(crate) fn run(path: &Path, command: TokenCommand) -> Result<(), Failure> {
    let loaded = config::load(path)?;
    match command {
        TokenCommand::Create { principal, expires_days } => create(&loaded, &principal, expires_days),
        TokenCommand::List => list(&loaded),
        TokenCommand::Revoke { id } => revoke(&loaded, &id),
    }
}

/// Prints the token: nobody can ever print it again.
fn create(loaded: &Loaded, principal: &str, expires_days: Option<u32>) -> Result<(), Failure> {
    let domain = loaded.config.xmpp.domain()?;
    let token = random_hex();
    let sha256 = token_sha256_hex(&token);
    AccessToken::new(principal, domain.as_str(), &sha256)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let now_ms = SystemClock.now_ms();
    let listed = ListedToken {
        principal: principal.to_owned(),
        sha256,
        created: moment_text(now_ms),
        expires: expires_days.map(|days| moment_text(now_ms + i64::from(days) * DAY_MS)),
    };
    change(loaded, |list| {
        list.tokens.push(listed.clone());
        Ok(())
    })?;
    output::status(&format!(
        "a token of {principal}@{domain}; it is shown only here, and `stanzabus token revoke {}` ends it",
        id_of(&listed)
    ));
    output::print_line(&token)
}

fn list(loaded: &Loaded) -> Result<(), Failure> {
    let path = loaded.config.grpc.tokens_path(&loaded.folder);
    let of_file = TokenList::read(&path)?.tokens;
    let of_configuration: Vec<_> = loaded.config.grpc.configured_tokens().collect();
    let now_ms = SystemClock.now_ms();
    for (tokens, listed_in) in [(&of_configuration, "configuration"), (&of_file, "file")] {
        for token in tokens {
            output::print_json(&TokenLine {
                id: id_of(token),
                principal: &token.principal,
                created: Some(&*token.created).filter(|created| !created.is_empty()),
                expires: token.expires.as_deref(),
                is_expired: token.expires_at_ms()?.is_some_and(|at_ms| at_ms <= now_ms),
                listed_in,
            })?;
        }
    }
    Ok(())
}

fn revoke(loaded: &Loaded, id: &str) -> Result<(), Failure> {
    let is_meant = |token: &ListedToken| {
        id.len() >= ID_DIGITS && token.sha256.to_ascii_lowercase().starts_with(&id.to_ascii_lowercase())
    };
    let principal = change(loaded, |list| {
        let Some(at) = list.tokens.iter().position(is_meant) else {
            let is_configured = loaded.config.grpc.configured_tokens().any(|token| is_meant(&token));
            return Err(Failure::Usage(if is_configured {
                format!("{id} is listed in the configuration; remove it from [[grpc.tokens]] there")
            } else {
                format!("no token has the id {id}; `stanzabus token list` shows them")
            }));
        };
        Ok(list.tokens.remove(at).principal)
    })?;
    output::status(&format!("revoked a token of {principal}"));
    Ok(())
}

/// Changes the file as a whole: another `token` command waits, and the daemon sees either text.
fn change<T>(
    loaded: &Loaded,
    changed: impl FnOnce(&mut TokenList) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let path = loaded.config.grpc.tokens_path(&loaded.folder);
    let _locked = lock(beside(&path, ".lock"))?;
    let mut list = TokenList::read(&path)?;
    let answer = changed(&mut list)?;
    let new = beside(&path, ".new");
    // Hashes are no secret, and whoever runs the daemon has to read them, whoever runs this.
    write(&new, &list.text(), 0o644, true)?;
    let replaced = sync(&new).and_then(|()| fs::rename(&new, &path)).and_then(|()| sync(folder_of(&path)));
    replaced.map_err(|source| Failure::Unwritable { path, source })?;
    Ok(answer)
}

/// Held until it is dropped.
fn lock(path: PathBuf) -> Result<File, Failure> {
    // Somebody else's will do.
    let opened = File::open(&path).or_else(|_| File::create(&path));
    let locked = opened.and_then(|file| file.lock().map(|()| file));
    locked.map_err(|source| Failure::Unwritable { path, source })
}

/// Has a revoked token stay revoked, whatever happens to the machine.
fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn id_of(token: &ListedToken) -> &str {
    token.sha256.get(..ID_DIGITS).unwrap_or(&token.sha256)
}

fn moment_text(at_ms: i64) -> String {
    let moment: DateTime<Utc> = DateTime::from_timestamp_millis(at_ms).unwrap_or_default();
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}
