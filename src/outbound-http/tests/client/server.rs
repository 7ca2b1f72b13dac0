//! A server that behaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use outbound_http::Request;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Signs the servers' certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(crate) fn new() -> Arc<Self> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Arc::new(Self { issuer: Issuer::new(params, key), pem })
    }

    pub(crate) fn pem(&self) -> String {
        self.pem.clone()
    }

    pub(crate) fn acceptor(&self, alpn: &[&str]) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Takes connections until the test ends.
pub(crate) struct Server {
    port: u16,
    connections_taken: Arc<AtomicUsize>,
    connections_ended: Arc<Semaphore>,
}

impl Server {
    pub(crate) async fn start(authority: &Authority, alpn: &[&str]) -> Self {
        Self::start_taking(authority, alpn, 1_000).await
    }

    /// One that takes so many requests of a connection at a time.
    pub(crate) async fn start_taking(authority: &Authority, alpn: &[&str], requests_max: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections_taken = Arc::new(AtomicUsize::new(0));
        let (acceptor, counter) = (authority.acceptor(alpn), Arc::clone(&connections_taken));
        let present = Arc::new(Semaphore::new(0));
        let connections_ended = Arc::new(Semaphore::new(0));
        let ended = Arc::clone(&connections_ended);
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                counter.fetch_add(1, Ordering::SeqCst);
                let (ended, serving) =
                    (Arc::clone(&ended), serve(acceptor.clone(), tcp, Arc::clone(&present), requests_max));
                tokio::spawn(async move {
                    serving.await;
                    ended.add_permits(1);
                });
            }
        });
        Self { port, connections_taken, connections_ended }
    }

    /// Waits until one more connection has ended.
    pub(crate) async fn connection_ended(&self) {
        let ended = timeout(Duration::from_secs(30), self.connections_ended.acquire()).await;
        ended.expect("a connection ends").unwrap().forget();
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn connections_taken(&self) -> usize {
        self.connections_taken.load(Ordering::SeqCst)
    }

    pub(crate) fn request(&self, path: &str, body: &'static str) -> Request {
        crate::request_to(self.port, path, body)
    }
}

async fn serve(acceptor: TlsAcceptor, tcp: TcpStream, present: Arc<Semaphore>, requests_max: u32) {
    let Ok(stream) = acceptor.accept(tcp).await else { return };
    let speaks_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |request| answer(request, Arc::clone(&present)));
    let io = TokioIo::new(stream);
    // How a connection ends is the client's business.
    let _ = if speaks_http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.max_concurrent_streams(requests_max).serve_connection(io, service).await
    } else {
        http1::Builder::new().serve_connection(io, service).await
    };
}

async fn answer(
    request: hyper::Request<Incoming>,
    present: Arc<Semaphore>,
) -> Result<hyper::Response<Full<Bytes>>, hyper::Error> {
    let path = request.uri().path_and_query().unwrap().to_string();
    if let Some(count) = path.strip_prefix("/when-all-are-there?") {
        present.add_permits(1);
        let all = present.acquire_many(count.parse().unwrap()).await.unwrap();
        drop(all);
    }
    let body = request.into_body().collect().await?.to_bytes();
    let answer = if path == "/long" { vec![b'x'; 100_000] } else { [path.as_bytes(), b" ", &body].concat() };
    Ok(hyper::Response::new(Full::new(answer.into())))
}
