use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use bridge_grpc::{AccessToken, check_address, token_sha256_hex};
use jid::BareJid;
use schemars::JsonSchema;
use serde::Deserialize;

use super::ConfigError;

/// `[grpc]`: the gRPC service.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct GrpcConfig {
    /// Where to listen, as `address:port`.
    listen: String,
    /// A file with the token that this command line sends, in its first line.
    client_token_file: PathBuf,
    /// Whether tokens and events may cross a network in the clear, because `listen` is not on loopback.
    allow_plaintext_beyond_loopback: bool,
    /// The tokens that are accepted.
    tokens: Vec<TokenConfig>,
}

/// `[[grpc.tokens]]`: one who may call.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenConfig {
    /// Who calls with the token; counts as the JID `principal@<component domain>`.
    principal: String,
    /// The SHA-256 of the token, in hexadecimal; the token itself is not kept.
    sha256: String,
}

impl Default for GrpcConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:50051".to_owned(),
            client_token_file: "stanzabus.token".into(),
            allow_plaintext_beyond_loopback: false,
            tokens: Vec::new(),
        }
    }
}

impl GrpcConfig {
    /// Where the daemon listens.
    pub(crate) fn listen(&self) -> Result<SocketAddr, ConfigError> {
        let address = parse_listen("grpc.listen", &self.listen)?;
        check_address(address, self.allow_plaintext_beyond_loopback)
            .map_err(|error| ConfigError::invalid("grpc.listen", error.to_string()))?;
        Ok(address)
    }

    /// Where a client on this machine finds the daemon.
    pub(crate) fn client_address(&self) -> Result<SocketAddr, ConfigError> {
        let mut address = parse_listen("grpc.listen", &self.listen)?;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        Ok(address)
    }

    /// The token that this command line sends.
    pub(crate) fn client_token(&self, folder: &Path) -> Result<String, ConfigError> {
        let path = folder.join(&self.client_token_file);
        let text = fs::read_to_string(&path).map_err(|error| {
            let message = format!(
                "cannot read {}: {error}; put a token there whose SHA-256 is in grpc.tokens, as `stanzabus init` does",
                path.display()
            );
            ConfigError::invalid("grpc.client_token_file", message)
        })?;
        let token = text.lines().next().unwrap_or_default().trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = format!("{} holds no token: one word of visible ASCII characters", path.display());
            return Err(ConfigError::invalid("grpc.client_token_file", message));
        }
        Ok(token.to_owned())
    }

    /// For whom a token stands, if it is listed.
    pub(crate) fn principal_of(&self, token: &str) -> Option<&str> {
        let sha256 = token_sha256_hex(token);
        let listed = self.tokens.iter().find(|listed| listed.sha256.eq_ignore_ascii_case(&sha256));
        listed.map(|listed| listed.principal.as_str())
    }

    /// Whether tokens and events may cross a network in the clear.
    pub(crate) fn allows_plaintext_beyond_loopback(&self) -> bool {
        self.allow_plaintext_beyond_loopback
    }

    /// The tokens that the daemon accepts.
    pub(crate) fn tokens(&self, domain: &BareJid) -> Result<Vec<AccessToken>, ConfigError> {
        let parse = |token: &TokenConfig| AccessToken::new(&token.principal, domain.as_str(), &token.sha256);
        let tokens: Result<_, _> = self.tokens.iter().map(parse).collect();
        tokens.map_err(|error| ConfigError::invalid("grpc.tokens", error.to_string()))
    }
}

/// Reads `address:port`; names are not resolved, because they may come to mean another machine.
pub(super) fn parse_listen(key: &'static str, text: &str) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| {
        let message = format!(
            "{text:?} is not an address to listen on; write for example 127.0.0.1:50051 or [::1]:50051"
        );
        ConfigError::invalid(key, message)
    })
}
