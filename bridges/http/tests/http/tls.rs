//! What is encrypted, and who is known by a certificate.

use std::net::Ipv4Addr;
use std::sync::Arc;

use bridge_http::HttpSettings;
use bus_admission::{CertificateName, Credentials, TlsIdentity, TlsProtocol, TlsServer};
use bus_engine::Settings;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::rig::{DOMAIN, Rig, credentials, soon};

/// An authority and a certificate of it, for this name.
fn signed(authority: &CertifiedIssuer<'static, KeyPair>, name: &str) -> (CertificateDer<'static>, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap().der().clone(), key)
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

#[tokio::test]
async fn a_certificate_stands_for_a_principal_over_tls() {
    let authority = authority();
    let (certificate, key) = signed(&authority, "bus.example.org");
    let (authority_pem, certificate_pem, key_pem) = (authority.pem(), pem(&certificate), key.serialize_pem());
    let identity = TlsIdentity {
        certificates_pem: certificate_pem.as_bytes(),
        key_pem: key_pem.as_bytes(),
        client_authorities_pem: Some(authority_pem.as_bytes()),
        client_certificate_is_optional: false,
    };
    let tls = TlsServer::new(identity, TlsProtocol::Http1).unwrap();
    let http = HttpSettings { tls: Some(Arc::new(tls)), ..HttpSettings::default() };
    let rig = Rig::start_as(Settings::default(), http).await;
    rig.create("orders").await;
    let carol = CertificateName::new("carol", DOMAIN, "carol.example.org").unwrap();
    rig.credentials.replace(Credentials { certificates: vec![carol], ..credentials() });

    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let forwarded = "Authorization: Bearer \r\n";
    for (name, authorization, expected) in [
        ("carol.example.org", "", "HTTP/1.1 404"),
        ("carol.example.org", forwarded, "HTTP/1.1 401"),
        ("dave.example.org", "", "HTTP/1.1 401"),
    ] {
        let (certificate, key) = signed(&authority, name);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let mut client = builder
            .with_root_certificates(roots.clone())
            .with_client_auth_cert(vec![certificate], key)
            .unwrap();
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, rig.port)).await.unwrap();
        let domain = "bus.example.org".try_into().unwrap();
        let mut stream = TlsConnector::from(Arc::new(client)).connect(domain, tcp).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let request = format!("GET /v1/nodes/orders/items/x HTTP/1.1\r\nHost: x\r\n{authorization}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; expected.len()];
        soon(stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), expected, "{name} {authorization}");
    }

    let mut plain = TcpStream::connect((Ipv4Addr::LOCALHOST, rig.port)).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // An alert of TLS, or nothing: no HTTP.
    let _ = soon(plain.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}
