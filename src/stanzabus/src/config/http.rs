use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bus_admission::{TlsServer, check_address};
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::ConfigError;
use super::grpc::parse_listen;
use super::tls::{self, TlsConfig};

/// `[http]`: metrics and health, and the HTTP API.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HttpConfig {
    /// Where to listen for `/metrics`, `/livez` and `/readyz`, as `address:port`.
    listen: String,
    /// Where to listen for the HTTP API (CloudEvents in and out), as `address:port`; it is not served without. Its callers
    /// are those of `grpc.tokens`, `grpc.tokens_file` and `grpc.certificates`.
    api_listen: Option<String>,
    /// What the API is called from outside, as an http or https URL: what stands in front of the addresses that users give to
    /// application servers (Web Push, `UnifiedPush`). There are none without it.
    public_url: Option<String>,
    /// Whether tokens and events may cross a network in the clear, because `api_listen` is not on loopback and there is no
    /// `tls`.
    allow_plaintext_beyond_loopback: bool,
    /// With it, the API talks TLS, and nothing else. Metrics and health stay as they are.
    tls: Option<TlsConfig>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:9464".to_owned(),
            api_listen: None,
            public_url: None,
            allow_plaintext_beyond_loopback: false,
            tls: None,
        }
    }
}

impl HttpConfig {
    /// Where the daemon listens for probes.
    pub(crate) fn listen(&self) -> Result<SocketAddr, ConfigError> {
        parse_listen("http.listen", &self.listen)
    }

    /// Where the daemon listens for the API, if it serves it.
    pub(crate) fn api_listen(&self) -> Result<Option<SocketAddr>, ConfigError> {
        let Some(text) = &self.api_listen else { return Ok(None) };
        let address = parse_listen("http.api_listen", text)?;
        check_address("HTTP", "http", address, self.tls.is_some() || self.allow_plaintext_beyond_loopback)
            .map_err(|error| ConfigError::invalid("http.api_listen", error.to_string()))?;
        Ok(Some(address))
    }

    /// What the API is called from outside.
    pub(crate) fn public_url(&self) -> Result<Option<Url>, ConfigError> {
        let Some(text) = &self.public_url else { return Ok(None) };
        let is_plain = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && (url.query(), url.fragment(), url.username(), url.password()) == (None, None, "", None)
        };
        let url = Url::parse(text).ok().filter(is_plain).ok_or_else(|| {
            let message = format!("{text:?} is not an http or https URL without a query");
            ConfigError::invalid("http.public_url", message)
        })?;
        if self.api_listen.is_none() {
            let message = "nothing is served there without http.api_listen";
            return Err(ConfigError::invalid("http.public_url", message));
        }
        Ok(Some(url))
    }

    /// Whether tokens and events may cross a network in the clear.
    pub(crate) fn allows_plaintext_beyond_loopback(&self) -> bool {
        self.allow_plaintext_beyond_loopback
    }

    /// What the API shows its clients, if it talks TLS.
    pub(crate) fn tls_server(&self, folder: &Path) -> Result<Option<TlsServer>, ConfigError> {
        self.tls.as_ref().map(|it| it.server(&tls::HTTP, folder)).transpose()
    }

    /// Puts what the files hold now in the place of what is served.
    pub(crate) fn replace_tls(&self, folder: &Path, server: &TlsServer) -> Result<(), ConfigError> {
        self.tls.as_ref().map_or(Ok(()), |it| it.replace(&tls::HTTP, folder, server))
    }

    /// The files whose change is to be noticed while the daemon runs.
    pub(crate) fn watched_files(&self, folder: &Path) -> Vec<PathBuf> {
        self.tls.iter().flat_map(|tls| tls.paths(folder)).collect()
    }
}
