//! What is encrypted, and who is known by a certificate.

use std::sync::Arc;

use bridge_grpc::v1::nodes_client::NodesClient;
use bridge_grpc::{
    CertificateName, Credentials, CredentialsInForce, GrpcSettings, TlsIdentity, TlsProtocol, TlsServer, v1,
};
use bus_engine::Settings;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};

use crate::rig::{ALICE, DOMAIN, Rig, SendToken, credentials, expect_refusal, grpc_settings};

/// An authority, in PEM.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, in PEM.
struct Signed {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn sign(&self, names: Vec<SanType>) -> Signed {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names;
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Signed { certificate, key: key.serialize_pem() }
    }

    fn sign_server(&self) -> Signed {
        self.sign(vec![SanType::DnsName("bus.example.org".try_into().unwrap())])
    }
}

impl Signed {
    fn server<'a>(&'a self, client_authority: Option<&'a Authority>) -> TlsIdentity<'a> {
        TlsIdentity {
            certificates_pem: self.certificate.as_bytes(),
            key_pem: self.key.as_bytes(),
            client_authorities_pem: client_authority.map(|authority| authority.pem.as_bytes()),
            client_certificate_is_optional: false,
        }
    }
}

async fn start(identity: TlsIdentity<'_>, certificates: Vec<CertificateName>) -> (Rig, Arc<TlsServer>) {
    let tls = Arc::new(TlsServer::new(identity, TlsProtocol::Http2).unwrap());
    let credentials = CredentialsInForce::new(Credentials { certificates, ..credentials() });
    let grpc = GrpcSettings { credentials, tls: Some(Arc::clone(&tls)), ..grpc_settings() };
    (Rig::start_as(Settings::default(), grpc).await, tls)
}

/// Lists nodes over a connection of its own.
async fn list(
    rig: &Rig,
    trusted: &Authority,
    shown: Option<&Signed>,
    token: Option<&'static str>,
) -> Result<(), Status> {
    let mut tls = ClientTlsConfig::new().domain_name("bus.example.org");
    tls = tls.ca_certificate(Certificate::from_pem(&trusted.pem));
    if let Some(Signed { certificate, key }) = shown {
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    let endpoint = Endpoint::from_shared(format!("https://{}", rig.address)).unwrap();
    let channel = endpoint.tls_config(tls).unwrap().connect_lazy();
    let request = v1::ListNodesRequest::default();
    let listed = match token {
        Some(token) => NodesClient::with_interceptor(channel, SendToken(token)).list_nodes(request).await,
        None => NodesClient::new(channel).list_nodes(request).await,
    };
    listed.map(drop)
}

#[tokio::test]
async fn a_server_with_a_certificate_talks_tls_to_those_who_trust_it_and_to_nobody_else() {
    let authority = Authority::new();
    let (rig, _) = start(authority.sign_server().server(None), Vec::new()).await;
    list(&rig, &authority, None, Some(ALICE)).await.unwrap();
    expect_refusal(list(&rig, &authority, None, None).await, Code::Unauthenticated, "TOKEN_MISSING", None);
    let distrustful = list(&rig, &Authority::new(), None, Some(ALICE)).await.unwrap_err();
    assert_eq!(distrustful.code(), Code::Unavailable, "{distrustful}");
    let plain = rig.nodes(ALICE).list_nodes(v1::ListNodesRequest::default()).await.unwrap_err();
    assert_ne!(plain.code(), Code::Unauthenticated, "{plain}");
    list(&rig, &authority, None, Some(ALICE)).await.unwrap();
}

#[tokio::test]
async fn a_certificate_of_a_known_authority_is_a_credential() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let listed = ["carol.example.org", "spiffe://example.org/dave"]
        .map(|name| CertificateName::new("carol", DOMAIN, name).unwrap());
    let (rig, _) = start(servers.sign_server().server(Some(&clients)), listed.into()).await;

    let carol = clients.sign(vec![SanType::DnsName("carol.example.org".try_into().unwrap())]);
    list(&rig, &servers, Some(&carol), None).await.unwrap();
    let dave = clients.sign(vec![SanType::URI("spiffe://example.org/dave".try_into().unwrap())]);
    list(&rig, &servers, Some(&dave), None).await.unwrap();
    let erin = clients.sign(vec![SanType::DnsName("erin.example.org".try_into().unwrap())]);
    let unlisted = list(&rig, &servers, Some(&erin), None).await;
    expect_refusal(unlisted, Code::Unauthenticated, "CERTIFICATE_UNKNOWN", None);
    list(&rig, &servers, Some(&erin), Some(ALICE)).await.unwrap();
    let wrong_token = list(&rig, &servers, Some(&carol), Some("mallory")).await;
    expect_refusal(wrong_token, Code::Unauthenticated, "TOKEN_INVALID", None);

    let forged = Authority::new().sign(vec![SanType::DnsName("carol.example.org".try_into().unwrap())]);
    for shown in [None, Some(&forged)] {
        let refused = list(&rig, &servers, shown, Some(ALICE)).await.unwrap_err();
        assert_ne!(refused.code(), Code::Unauthenticated, "no connection at all: {refused}");
    }
}

#[tokio::test]
async fn new_connections_are_shown_the_new_certificate() {
    let (before, after) = (Authority::new(), Authority::new());
    let (rig, tls) = start(before.sign_server().server(None), Vec::new()).await;
    list(&rig, &before, None, Some(ALICE)).await.unwrap();
    let signed = before.sign_server();
    tls.replace(TlsIdentity { key_pem: b"", ..signed.server(None) }).unwrap_err();
    list(&rig, &before, None, Some(ALICE)).await.unwrap();
    tls.replace(after.sign_server().server(None)).unwrap();
    list(&rig, &after, None, Some(ALICE)).await.unwrap();
    list(&rig, &before, None, Some(ALICE)).await.unwrap_err();
}

#[test]
fn what_makes_no_server_is_refused() {
    let authority = Authority::new();
    let (signed, other) = (authority.sign_server(), authority.sign_server());
    let good = signed.server(None);
    TlsServer::new(good, TlsProtocol::Http2).unwrap();
    for wrong in [
        TlsIdentity { certificates_pem: b"", ..good },
        TlsIdentity { certificates_pem: b"-----BEGIN CERTIFICATE-----\n", ..good },
        TlsIdentity { key_pem: b"no key", ..good },
        TlsIdentity { key_pem: other.key.as_bytes(), ..good },
        TlsIdentity { client_authorities_pem: Some(b""), ..good },
    ] {
        TlsServer::new(wrong, TlsProtocol::Http2).unwrap_err();
    }
}
