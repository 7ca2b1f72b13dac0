use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::SettingsError;

/// TLS 1.2 or newer, with the machine's authorities and those given; HTTP/2 is asked for before HTTP/1.1.
pub(crate) fn config(authorities_pem: Option<&[u8]>) -> Result<Arc<ClientConfig>, SettingsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(SettingsError::Tls)?;
    let mut config = builder.with_root_certificates(authorities(authorities_pem)?).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn authorities(pem: Option<&[u8]>) -> Result<RootCertStore, SettingsError> {
    let mut roots = RootCertStore::empty();
    // A certificate that cannot be read is one authority less, no more.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let Some(pem) = pem else { return Ok(roots) };
    let given: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(SettingsError::Certificates)?;
    if given.is_empty() {
        return Err(SettingsError::NoCertificate);
    }
    for certificate in given {
        roots.add(certificate).map_err(SettingsError::Authority)?;
    }
    Ok(roots)
}
