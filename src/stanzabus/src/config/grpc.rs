mod client_tls;
mod jwt;
mod token_list;

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use bus_admission::{AccessToken, CertificateName, Credentials, TlsServer, check_address, token_sha256_hex};
use jid::BareJid;
use schemars::JsonSchema;
use serde::Deserialize;

use super::ConfigError;
use super::tls::{self, TlsConfig};

pub(crate) use client_tls::ClientTls;
pub(crate) use token_list::{ListedToken, TokenList};

use client_tls::ClientTlsConfig;
use jwt::JwtConfig;
pub(crate) use jwt::KeySource;

/// `[grpc]`: the gRPC service.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct GrpcConfig {
    /// Where to listen, as `address:port`.
    listen: String,
    /// A file with the token that this command line sends, in its first line.
    client_token_file: PathBuf,
    /// How this command line talks TLS with the daemon, when `tls` is given.
    client_tls: ClientTlsConfig,
    /// Whether tokens and events may cross a network in the clear, because `listen` is not on loopback and there is no
    /// `tls`.
    allow_plaintext_beyond_loopback: bool,
    /// With it, the service talks TLS, and nothing else.
    tls: Option<TlsConfig>,
    /// The tokens that are accepted.
    tokens: Vec<TokenConfig>,
    /// A file with more of them, which `stanzabus token` keeps. Changes count at once.
    tokens_file: PathBuf,
    /// The certificates of clients that stand for a principal, without a token.
    certificates: Vec<CertificateConfig>,
    /// Who else may say who a caller is: issuers of signed tokens.
    jwt: Vec<JwtConfig>,
}

/// `[[grpc.tokens]]`: one who may call.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenConfig {
    /// Who calls with the token; counts as the JID `principal@<component domain>`.
    principal: String,
    /// The SHA-256 of the token, in hexadecimal; the token itself is not kept.
    sha256: String,
    /// Until when it counts, as in RFC 3339: 2030-01-31T12:00:00Z.
    #[serde(default)]
    expires: Option<String>,
}

/// `[[grpc.certificates]]`: one who may call without a token.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CertificateConfig {
    /// Who calls; counts as the JID `principal@<component domain>`.
    principal: String,
    /// A subject alternative name of the client's certificate: a DNS name or a URI, exactly.
    name: String,
}

impl Default for GrpcConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:50051".to_owned(),
            client_token_file: "stanzabus.token".into(),
            client_tls: ClientTlsConfig::default(),
            allow_plaintext_beyond_loopback: false,
            tls: None,
            tokens: Vec::new(),
            tokens_file: "stanzabus.tokens".into(),
            certificates: Vec::new(),
            jwt: Vec::new(),
        }
    }
}

impl GrpcConfig {
    /// Where the daemon listens.
    pub(crate) fn listen(&self) -> Result<SocketAddr, ConfigError> {
        let address = parse_listen("grpc.listen", &self.listen)?;
        check_address("gRPC", "grpc", address, self.tls.is_some() || self.allow_plaintext_beyond_loopback)
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
                "cannot read {}: {error}; put a token there whose SHA-256 is in grpc.tokens, as `stanzabus init` does, or one of `stanzabus token create`",
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
    pub(crate) fn principal_of(&self, folder: &Path, token: &str) -> Result<Option<String>, ConfigError> {
        let sha256 = token_sha256_hex(token);
        let listed = self.all_tokens(folder)?.into_iter().find(|it| it.sha256.eq_ignore_ascii_case(&sha256));
        Ok(listed.map(|listed| listed.principal))
    }

    /// Whether tokens and events may cross a network in the clear.
    pub(crate) fn allows_plaintext_beyond_loopback(&self) -> bool {
        self.allow_plaintext_beyond_loopback
    }

    /// What the service shows its clients, if it talks TLS.
    pub(crate) fn tls_server(&self, folder: &Path) -> Result<Option<TlsServer>, ConfigError> {
        self.tls.as_ref().map(|it| it.server(&tls::GRPC, folder)).transpose()
    }

    /// Puts what the files hold now in the place of what is served.
    pub(crate) fn replace_tls(&self, folder: &Path, server: &TlsServer) -> Result<(), ConfigError> {
        self.tls.as_ref().map_or(Ok(()), |it| it.replace(&tls::GRPC, folder, server))
    }

    /// How this command line talks TLS with the daemon; `None` if it does not.
    pub(crate) fn client_tls(&self, folder: &Path) -> Result<Option<ClientTls>, ConfigError> {
        self.tls.as_ref().map(|_| self.client_tls.read(folder)).transpose()
    }

    /// The files whose change is to be noticed while the daemon runs.
    pub(crate) fn watched_files(&self, folder: &Path) -> Vec<PathBuf> {
        let tls = self.tls.iter().flat_map(|tls| tls.paths(folder));
        let keys = self.jwt.iter().map(|issuer| issuer.path(folder));
        tls.chain([self.tokens_path(folder)]).chain(keys).collect()
    }

    /// The issuers whose keys the daemon has to bring.
    pub(crate) fn key_sources(&self, folder: &Path) -> Vec<KeySource> {
        self.jwt.iter().filter_map(|issuer| issuer.source(folder)).collect()
    }

    /// The file of tokens that `stanzabus token` keeps.
    pub(crate) fn tokens_path(&self, folder: &Path) -> PathBuf {
        folder.join(&self.tokens_file)
    }

    /// Who may call. Of an issuer whose keys cannot be read those in force stay, if there are any, and what is wrong is said
    /// beside: everything else counts as it is listed now, so that a token that was revoked does not live on with it.
    pub(crate) fn credentials(
        &self,
        folder: &Path,
        domain: &BareJid,
        admins: Vec<BareJid>,
        creator_domains: &HashSet<BareJid>,
        in_force: &Credentials,
    ) -> Result<(Credentials, Option<ConfigError>), ConfigError> {
        let mut issuers = Vec::with_capacity(self.jwt.len());
        let mut unreadable = None;
        for issuer in &self.jwt {
            match issuer.read(folder, domain, creator_domains) {
                Ok(read) => issuers.push(read),
                Err(error) => {
                    match (issuer.of_now(in_force), issuer.without_keys(domain, creator_domains)) {
                        (Some(of_now), _) => issuers.push(of_now.clone()),
                        // They are brought soon.
                        (None, Some(issuer)) => {
                            issuers.push(issuer);
                            continue;
                        }
                        (None, None) => {}
                    }
                    unreadable.get_or_insert(error);
                }
            }
        }
        let domain = domain.as_str();
        let token = |listed: ListedToken| -> Result<AccessToken, ConfigError> {
            let token = AccessToken::new(&listed.principal, domain, &listed.sha256);
            let token = token.map_err(|error| ConfigError::invalid("grpc.tokens", error.to_string()))?;
            Ok(match listed.expires_at_ms()? {
                Some(at_ms) => token.expiring(at_ms),
                None => token,
            })
        };
        let certificate = |listed: &CertificateConfig| {
            CertificateName::new(&listed.principal, domain, &listed.name)
                .map_err(|error| ConfigError::invalid("grpc.certificates", error.to_string()))
        };
        let credentials = Credentials {
            tokens: self.all_tokens(folder)?.into_iter().map(token).collect::<Result<_, _>>()?,
            certificates: self.certificates.iter().map(certificate).collect::<Result<_, _>>()?,
            issuers,
            admins,
        };
        Ok((credentials, unreadable))
    }

    /// The tokens of the configuration itself.
    pub(crate) fn configured_tokens(&self) -> impl Iterator<Item = ListedToken> {
        self.tokens.iter().map(|token| ListedToken {
            principal: token.principal.clone(),
            sha256: token.sha256.clone(),
            created: String::new(),
            expires: token.expires.clone(),
        })
    }

    fn all_tokens(&self, folder: &Path) -> Result<Vec<ListedToken>, ConfigError> {
        let listed = TokenList::read(&self.tokens_path(folder))?;
        Ok(self.configured_tokens().chain(listed.tokens).collect())
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
