use std::io;
use std::sync::Arc;

use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, CertificateError, ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, rustls::pki_types};

use crate::DownReason;

/// Whom a link over TLS trusts, and what its certificate must be for.
#[derive(Debug, Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// Why there is nothing to check a certificate against.
#[derive(Debug, Error)]
pub enum TlsError {
    /// Neither a host name nor an IP address.
    #[error("{0:?} is no name that a certificate could be for")]
    Name(String),
    /// The text is no PEM, or what it holds is no certificate.
    #[error("the text has no certificate in PEM that can be read: {0}")]
    Pem(#[source] pki_types::pem::Error),
    /// A certificate of it cannot stand for a certificate authority.
    #[error("a certificate of it cannot be trusted as an authority: {0}")]
    Authority(#[source] rustls::Error),
    /// The text is empty.
    #[error("the text has no certificate in PEM")]
    Empty,
    /// This machine trusts nobody, and no authority was given.
    #[error("this machine has no list of certificate authorities, and none is given")]
    NoAuthority,
    /// Never seen; the protocol versions are the library's own.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[source] rustls::Error),
}

impl TlsClient {
    /// Trusts this machine's certificate authorities and those in `authorities_pem`. The server's certificate must be
    /// for `name` (RFC 6125: a subject alternative name; the common name does not count).
    pub fn new(name: &str, authorities_pem: Option<&[u8]>) -> Result<Self, TlsError> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name(name.to_owned()))?;
        let mut roots = RootCertStore::empty();
        // A certificate that cannot be read is one authority less, no more.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(pem) = authorities_pem {
            add_authorities(&mut roots, pem)?;
        }
        if roots.is_empty() {
            return Err(TlsError::NoAuthority);
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), name })
    }

    pub(crate) async fn connect(&self, socket: TcpStream) -> Result<TlsStream<TcpStream>, DownReason> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(self.name.clone(), socket).await.map_err(|error| self.explain(error))
    }

    fn explain(&self, error: io::Error) -> DownReason {
        let tls_error = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls_error.cloned() {
            Some(rustls::Error::InvalidCertificate(problem)) => {
                DownReason::CertificateRefused { name: self.name.to_str().into_owned(), problem }
            }
            _ => DownReason::NoTls(error),
        }
    }
}

fn add_authorities(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), TlsError> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(TlsError::Pem)?).map_err(TlsError::Authority)?;
        count += 1;
    }
    if count == 0 { Err(TlsError::Empty) } else { Ok(()) }
}

/// How a certificate that was refused can be replaced by one that is not.
pub(crate) fn certificate_advice(error: &CertificateError) -> &'static str {
    match error {
        // Of a bad signature: an authority of the same name, but not the same.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the certificate is signed by nobody whom this machine trusts: name the file with the authority's own \
             certificate in xmpp.ca_file"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "connect to a name that the certificate is for, or give that name in xmpp.tls_name"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "renew the XMPP server's certificate; if it is new, look at this machine's clock"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "look at this machine's clock"
        }
        _ => {
            "give the XMPP server a certificate that an authority has signed for its name; a certificate that signs \
             itself must not be the authority and the server's own at once"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_authority_is_refused_when_it_is_given() {
        let refused = |pem: &[u8]| TlsClient::new("xmpp.example.org", Some(pem)).map(drop).unwrap_err();
        assert!(matches!(refused(b""), TlsError::Empty));
        assert!(matches!(refused(b"no PEM"), TlsError::Empty));
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(refused(broken), TlsError::Authority(_)));
        let cut = b"-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(matches!(refused(cut), TlsError::Pem(_)));
    }

    #[test]
    fn a_certificate_can_be_for_a_host_or_an_address() {
        for name in ["", "a b", "-"] {
            let refused = TlsClient::new(name, None).map(drop).unwrap_err();
            assert!(matches!(refused, TlsError::Name(_)), "{name}: {refused}");
        }
    }
}
