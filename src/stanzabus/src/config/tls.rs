use std::fs;
use std::path::{Path, PathBuf};

use bus_admission::{TlsError, TlsIdentity, TlsProtocol, TlsServer};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::ConfigError;

/// `[grpc.tls]` and `[http.tls]`: what a service shows its clients. All files are PEM, and are read anew when they change.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsConfig {
    /// A file with the daemon's certificate and, behind it, those of the authorities between it and one that clients
    /// know.
    certificate_file: PathBuf,
    /// A file with the private key of the certificate.
    key_file: PathBuf,
    /// A file with the authorities that sign the certificates of clients. With it, clients must show one.
    #[serde(default)]
    client_authorities_file: Option<PathBuf>,
    /// Whether clients may come without a certificate all the same, and show a token.
    #[serde(default)]
    client_certificate_is_optional: bool,
}

/// Whose TLS it is: what is spoken in it, and the names of its keys.
pub(crate) struct TlsSection {
    protocol: TlsProtocol,
    name: &'static str,
    certificate_file: &'static str,
    key_file: &'static str,
    client_authorities_file: &'static str,
    client_certificate_is_optional: &'static str,
}

/// `[grpc.tls]`
pub(crate) const GRPC: TlsSection = TlsSection {
    protocol: TlsProtocol::Http2,
    name: "grpc.tls",
    certificate_file: "grpc.tls.certificate_file",
    key_file: "grpc.tls.key_file",
    client_authorities_file: "grpc.tls.client_authorities_file",
    client_certificate_is_optional: "grpc.tls.client_certificate_is_optional",
};

/// `[http.tls]`
pub(crate) const HTTP: TlsSection = TlsSection {
    protocol: TlsProtocol::Http1,
    name: "http.tls",
    certificate_file: "http.tls.certificate_file",
    key_file: "http.tls.key_file",
    client_authorities_file: "http.tls.client_authorities_file",
    client_certificate_is_optional: "http.tls.client_certificate_is_optional",
};

/// The files' contents.
struct TlsFiles {
    certificates: Vec<u8>,
    key: Vec<u8>,
    client_authorities: Option<Vec<u8>>,
}

impl TlsConfig {
    /// What is to be served.
    pub(crate) fn server(&self, section: &TlsSection, folder: &Path) -> Result<TlsServer, ConfigError> {
        let files = self.read(section, folder)?;
        TlsServer::new(self.identity(&files), section.protocol).map_err(|error| unusable(section, &error))
    }

    /// Puts what the files hold now in the place of what is served.
    pub(crate) fn replace(
        &self,
        section: &TlsSection,
        folder: &Path,
        server: &TlsServer,
    ) -> Result<(), ConfigError> {
        let files = self.read(section, folder)?;
        server.replace(self.identity(&files)).map_err(|error| unusable(section, &error))
    }

    /// The files.
    pub(crate) fn paths(&self, folder: &Path) -> Vec<PathBuf> {
        let files =
            [Some(&self.certificate_file), Some(&self.key_file), self.client_authorities_file.as_ref()];
        files.into_iter().flatten().map(|file| folder.join(file)).collect()
    }

    fn identity<'a>(&self, files: &'a TlsFiles) -> TlsIdentity<'a> {
        TlsIdentity {
            certificates_pem: &files.certificates,
            key_pem: &files.key,
            client_authorities_pem: files.client_authorities.as_deref(),
            client_certificate_is_optional: self.client_certificate_is_optional,
        }
    }

    fn read(&self, section: &TlsSection, folder: &Path) -> Result<TlsFiles, ConfigError> {
        let authorities = self.client_authorities_file.as_ref();
        if authorities.is_none() && self.client_certificate_is_optional {
            let message = format!("says nothing without {}; remove it", section.client_authorities_file);
            return Err(ConfigError::invalid(section.client_certificate_is_optional, message));
        }
        let client_authorities = authorities
            .map(|file| read_pem(section.client_authorities_file, &folder.join(file)))
            .transpose()?;
        Ok(TlsFiles {
            certificates: read_pem(section.certificate_file, &folder.join(&self.certificate_file))?,
            key: read_pem(section.key_file, &folder.join(&self.key_file))?,
            client_authorities,
        })
    }
}

/// The content of a file.
pub(super) fn read_pem(key: &'static str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    fs::read(path).map_err(|error| {
        let message = format!(
            "cannot read {}: {error}; it must be readable by the user who runs stanzabus",
            path.display()
        );
        ConfigError::invalid(key, message)
    })
}

fn unusable(section: &TlsSection, error: &TlsError) -> ConfigError {
    ConfigError::invalid(section.name, error.to_string())
}
