use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use super::ConfigError;
use super::grpc::parse_listen;

/// `[http]`: metrics and health.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HttpConfig {
    /// Where to listen for `/metrics`, `/livez` and `/readyz`, as `address:port`.
    listen: String,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9464".to_owned() }
    }
}

impl HttpConfig {
    /// Where the daemon listens.
    pub(crate) fn listen(&self) -> Result<SocketAddr, ConfigError> {
        parse_listen("http.listen", &self.listen)
    }
}
