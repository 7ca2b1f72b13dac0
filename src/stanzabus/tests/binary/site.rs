use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use bus_admission::{Accepting, TlsIdentity, TlsProtocol, TlsServer, accept};
use futures::StreamExt as _;
use rcgen::generate_simple_self_signed;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::bus::Bus;

/// A web site over TLS with one text, whose certificate is `site.pem` in a bus's folder. Gone when it is dropped.
pub(crate) struct Site {
    pub(crate) url: String,
    text: Arc<Mutex<String>>,
    _stop: DropGuard,
}

impl Site {
    pub(crate) fn start(bus: &Bus, text: &str) -> Self {
        let made = generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        bus.write("site.pem", &certificate);
        let identity = TlsIdentity {
            certificates_pem: certificate.as_bytes(),
            key_pem: key.as_bytes(),
            client_authorities_pem: None,
            client_certificate_is_optional: false,
        };
        let tls = Some(Arc::new(TlsServer::new(identity, TlsProtocol::Http1).unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/keys", listener.local_addr().unwrap());
        let text = Arc::new(Mutex::new(text.to_owned()));
        let stop = CancellationToken::new();
        let serving = serve(listener, tls, Arc::clone(&text));
        let until = stop.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(until.run_until_cancelled_owned(serving))
        });
        Self { url, text, _stop: stop.drop_guard() }
    }

    /// From now on this is the text.
    pub(crate) fn publish(&self, text: &str) {
        text.clone_into(&mut self.text.lock().unwrap());
    }
}

async fn serve(listener: TcpListener, tls: Option<Arc<TlsServer>>, text: Arc<Mutex<String>>) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let accepting = Accepting { leg: "a site", connections_max: 8, tls, reading_patience: None };
    let mut connections = accept(listener, accepting);
    while let Some(connection) = connections.next().await {
        let Ok(mut connection) = connection else { continue };
        let _ = connection.read(&mut [0; 4_096]).await;
        let text = text.lock().unwrap().clone();
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", text.len());
        let _ = connection.write_all(format!("{head}{text}").as_bytes()).await;
        let _ = connection.shutdown().await;
    }
}
