//! The configuration: one TOML file, each key also as an environment variable, every mistake named.
//!
//! [`load`] reads the file and finds what no key or type explains away. What a value means is checked by its section
//! when it is asked for, so that a client command needs neither the secret nor a right to read it; [`Loaded::check`]
//! asks for everything, as the daemon does.

mod access;
mod contacts;
mod environment;
mod error;
mod grpc;
mod http;
mod keys;
mod limits;
mod log;
mod outbound;
mod push;
mod secret_file;
mod store;
mod tls;
mod xmpp;

use std::fs;
use std::path::{Path, PathBuf};

use bus_admission::Credentials;
use jid::BareJid;
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use environment::{manager_variables, user_password};
pub(crate) use error::ConfigError;
pub(crate) use grpc::{ClientTls, GrpcConfig, KeySource, ListedToken, TokenList};
pub(crate) use log::{LogConfig, LogFormat};
pub(crate) use push::{ConfiguredAccount, PushConnections, PushCredentials, key as push_key};
pub(crate) use store::{StoreAddress, holds_password, parse_store_url};
pub(crate) use xmpp::parent_domain;

use access::AccessConfig;
use contacts::ContactsConfig;
use http::HttpConfig;
use keys::KnownKeys;
use limits::LimitsConfig;
use outbound::OutboundConfig;
use push::PushConfig;
use store::StoreConfig;
use xmpp::XmppConfig;

/// The file `stanzabus.toml`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The XMPP server and our place at it.
    pub(crate) xmpp: XmppConfig,
    /// Who may create nodes.
    #[serde(default)]
    pub(crate) access: AccessConfig,
    /// Whom to ask about the service.
    #[serde(default)]
    pub(crate) contacts: ContactsConfig,
    /// Where events are kept.
    #[serde(default)]
    pub(crate) store: StoreConfig,
    /// The gRPC service.
    #[serde(default)]
    pub(crate) grpc: GrpcConfig,
    /// Metrics and health, and the HTTP API.
    #[serde(default)]
    pub(crate) http: HttpConfig,
    /// What is sent to addresses that callers name.
    #[serde(default)]
    pub(crate) outbound: OutboundConfig,
    /// Pushes to devices.
    #[serde(default)]
    pub(crate) push: PushConfig,
    /// Every bound.
    #[serde(default)]
    pub(crate) limits: LimitsConfig,
    /// The log, on standard error.
    #[serde(default)]
    pub(crate) log: LogConfig,
}

/// A configuration and where it was found.
pub(crate) struct Loaded {
    /// What it says.
    pub(crate) config: Config,
    /// The file's folder, from which relative paths count.
    pub(crate) folder: PathBuf,
}

/// Reads the file, lets the environment override it, and checks keys and types.
pub(crate) fn load(path: &Path) -> Result<Loaded, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let config = read(path, &text, environment::variables())?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    Ok(Loaded { config, folder })
}

impl Loaded {
    /// Looks at every value, as the daemon will.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.check_all_but_secret()?;
        self.config.store.address_with_password(&self.folder)?;
        self.config.grpc.tls_server(&self.folder)?;
        self.config.http.tls_server(&self.folder)?;
        self.config.outbound.client(&self.folder)?;
        self.config.xmpp.secret(&self.folder).map(drop)
    }

    /// Who may call over gRPC and HTTP.
    pub(crate) fn credentials(&self) -> Result<Credentials, ConfigError> {
        match self.credentials_beside(&Credentials::default())? {
            (credentials, None) => Ok(credentials),
            (_, Some(error)) => Err(error),
        }
    }

    /// The same, beside those in force: of an issuer whose keys cannot be read, these stay, and it is said what is wrong.
    pub(crate) fn credentials_beside(
        &self,
        in_force: &Credentials,
    ) -> Result<(Credentials, Option<ConfigError>), ConfigError> {
        let Config { xmpp, access, grpc, .. } = &self.config;
        let creator_domains = access.creator_domains()?.into_iter().collect();
        grpc.credentials(&self.folder, &xmpp.domain()?, xmpp.admins()?, &creator_domains, in_force)
    }

    /// The issuers whose keys the daemon has to bring.
    pub(crate) fn key_sources(&self) -> Vec<KeySource> {
        self.config.grpc.key_sources(&self.folder)
    }

    /// Looks at every value but the secrets, which not everybody may read.
    pub(crate) fn check_all_but_secret(&self) -> Result<(), ConfigError> {
        let Config { xmpp, access, contacts, store, grpc, http, outbound, push, limits, log } = &self.config;
        xmpp.domain()?;
        xmpp.host()?;
        xmpp.tls(&self.folder)?;
        xmpp.admins()?;
        access.creator_domains()?;
        contacts.contacts()?;
        store.address(&self.folder)?;
        grpc.listen()?;
        self.credentials()?;
        http.listen()?;
        http.api_listen()?;
        http.public_url()?;
        outbound.principals(&xmpp.domain()?)?;
        let guard = outbound.guard()?;
        for source in grpc.key_sources(&self.folder) {
            guard
                .check_url(&source.url)
                .map_err(|error| ConfigError::invalid("grpc.jwt", format!("jwks_url: {error}")))?;
        }
        outbound.origin(&xmpp.domain()?)?;
        outbound.callback_url()?;
        push.check(&self.folder, &xmpp.domain()?, xmpp.host()?)?;
        limits.check()?;
        log.filter()?;
        Ok(())
    }
}

/// The text of `schemas/config.schema.json`.
#[cfg(test)]
pub(crate) fn schema_text() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Config)).expect("a schema is JSON");
    text.push('\n');
    text
}

fn read(
    path: &Path,
    text: &str,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let mut table: toml::Table =
        toml::from_str(text).map_err(|error| ConfigError::syntax(path, text, &error))?;
    let keys = KnownKeys::of_schema(schemars::schema_for!(Config).as_value());
    keys.check(path, &table)?;
    environment::merge(&mut table, &keys, variables)?;
    toml::Value::Table(table).try_into().map_err(|error| ConfigError::value(path, &error))
}

/// A domain, normalised like every JID.
fn parse_domain(key: &'static str, text: &str) -> Result<BareJid, ConfigError> {
    BareJid::new(text)
        .ok()
        .filter(|jid| jid.node().is_none())
        .ok_or_else(|| ConfigError::invalid(key, format!("{text:?} is not a domain")))
}

#[cfg(test)]
mod tests;
