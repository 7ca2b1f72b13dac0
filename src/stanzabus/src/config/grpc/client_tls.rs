use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::tls::read_pem;
use crate::config::ConfigError;

/// `[grpc.client_tls]`: whom this command line trusts, and what it shows. All files are PEM.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClientTlsConfig {
    /// A file with the authorities that the daemon's certificate may be signed by; without it, those of this machine.
    authorities_file: Option<PathBuf>,
    /// The name that the daemon's certificate is for, when it is not the address of `listen`.
    name: Option<String>,
    /// A file with a certificate of its own, where the daemon wants one.
    certificate_file: Option<PathBuf>,
    /// A file with the private key of that certificate.
    key_file: Option<PathBuf>,
}

/// The files' contents.
#[derive(Debug, Clone)]
pub(crate) struct ClientTls {
    /// Authorities to trust instead of this machine's.
    pub(crate) authorities_pem: Option<Vec<u8>>,
    /// The name that the certificate has to be for.
    pub(crate) name: Option<String>,
    /// The client's certificate and its key.
    pub(crate) identity_pem: Option<(Vec<u8>, Vec<u8>)>,
}

impl ClientTlsConfig {
    pub(super) fn read(&self, folder: &Path) -> Result<ClientTls, ConfigError> {
        let read = |key, file: &PathBuf| read_pem(key, &folder.join(file));
        let identity_pem = match (&self.certificate_file, &self.key_file) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((
                read("grpc.client_tls.certificate_file", certificate)?,
                read("grpc.client_tls.key_file", key)?,
            )),
            _ => {
                let message = "certificate_file and key_file belong together; give both, or none";
                return Err(ConfigError::invalid("grpc.client_tls", message));
            }
        };
        let authorities = self.authorities_file.as_ref();
        Ok(ClientTls {
            authorities_pem: authorities
                .map(|file| read("grpc.client_tls.authorities_file", file))
                .transpose()?,
            name: self.name.clone(),
            identity_pem,
        })
    }
}
