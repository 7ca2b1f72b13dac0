use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;
use webpki::EndEntityCert;

/// What the server shows its clients, and whose certificates it asks of them. It may be replaced while it serves.
#[derive(Debug)]
pub struct TlsServer {
    config: RwLock<Arc<ServerConfig>>,
    protocol: TlsProtocol,
}

/// What is spoken inside of TLS (ALPN, RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsProtocol {
    /// HTTP/2, as gRPC does.
    Http2,
    /// HTTP/1.1.
    Http1,
}

/// What TLS is made of, in PEM.
#[derive(Clone, Copy)]
pub struct TlsIdentity<'a> {
    /// The server's certificate, and behind it those of the authorities between it and one that clients know.
    pub certificates_pem: &'a [u8],
    /// Its private key.
    pub key_pem: &'a [u8],
    /// The authorities that sign clients' certificates; without them, none is asked for.
    pub client_authorities_pem: Option<&'a [u8]>,
    /// Whether a client may come without a certificate, and show a token only.
    pub client_certificate_is_optional: bool,
}

/// Why TLS cannot be served.
#[derive(Debug, Error)]
pub enum TlsError {
    /// What should be certificates cannot be read.
    #[error("the text has no certificate in PEM that can be read: {0}")]
    Certificates(#[source] pem::Error),
    /// There is no certificate.
    #[error("the text has no certificate in PEM")]
    NoCertificate,
    /// What should be a key cannot be read.
    #[error("the text has no private key in PEM that can be read: {0}")]
    Key(#[source] pem::Error),
    /// A certificate of clients' authorities cannot be one.
    #[error("a certificate of the clients' authorities cannot be trusted as one: {0}")]
    Authority(#[source] rustls::Error),
    /// The clients' authorities cannot be used.
    #[error("the clients' authorities cannot be used: {0}")]
    Authorities(#[source] VerifierBuilderError),
    /// Most likely, the key is not that of the certificate.
    #[error("the certificate and the private key cannot be used together: {0}")]
    Identity(#[source] rustls::Error),
}

impl TlsServer {
    /// Reads all of it.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn new(identity: TlsIdentity<'_>, protocol: TlsProtocol) -> Result<Self, TlsError> {
        Ok(Self { config: RwLock::new(config(identity, protocol)?), protocol })
    }

    /// Shows new connections this from now on. On an error, all stays as it is.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn replace(&self, identity: TlsIdentity<'_>) -> Result<(), TlsError> {
        let config = config(identity, self.protocol)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(crate) async fn accept(&self, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        TlsAcceptor::from(config).accept(socket).await
    }
}

/// The subject alternative names of the certificate that the client has shown; `None` without one.
pub(crate) fn certificate_names(stream: &TlsStream<TcpStream>) -> Option<Arc<[String]>> {
    let (_, session) = stream.get_ref();
    let certificate = EndEntityCert::try_from(session.peer_certificates()?.first()?).ok()?;
    let names = certificate.valid_dns_names().chain(certificate.valid_uri_names());
    Some(names.map(str::to_owned).collect())
}

fn config(identity: TlsIdentity<'_>, protocol: TlsProtocol) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Identity)?;
    let builder = match identity.client_authorities_pem {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(authorities(pem)?, provider);
            let is_optional = identity.client_certificate_is_optional;
            let verifier = if is_optional { verifier.allow_unauthenticated() } else { verifier };
            builder.with_client_cert_verifier(verifier.build().map_err(TlsError::Authorities)?)
        }
    };
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem).map_err(TlsError::Key)?;
    let chain = certificates(identity.certificates_pem)?;
    let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Identity)?;
    config.alpn_protocols = vec![match protocol {
        TlsProtocol::Http2 => b"h2".to_vec(),
        TlsProtocol::Http1 => b"http/1.1".to_vec(),
    }];
    if identity.client_authorities_pem.is_some() {
        // Who resumes a session is not looked at again, though its certificate may have ended since.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Arc::new(config))
}

fn authorities(pem: &[u8]) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(TlsError::Authority)?;
    }
    Ok(Arc::new(roots))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(TlsError::Certificates)?;
    if found.is_empty() { Err(TlsError::NoCertificate) } else { Ok(found) }
}
