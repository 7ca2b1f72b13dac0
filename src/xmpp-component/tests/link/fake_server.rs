use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use xmpp_component::{
    ComponentConfig, Link, LinkEvent, LinkEvents, LinkLimits, Secret, ServerAddress, spawn,
};

/// Nothing here takes that long; a test that would wait for ever fails instead.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
                          xmlns:stream='http://etherx.jabber.org/streams' from='events.localhost' id='3BF96D32'>";

/// Waits, but not for ever.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("this should have happened long ago")
}

/// A listener that plays the XMPP server.
pub(crate) struct FakeServer {
    listener: TcpListener,
}

/// One accepted connection.
pub(crate) struct Connection {
    pub(crate) socket: TcpStream,
    seen: String,
}

/// A link to a [`FakeServer`].
pub(crate) struct Client {
    pub(crate) link: Link,
    pub(crate) events: LinkEvents,
    pub(crate) shutdown: CancellationToken,
}

impl FakeServer {
    pub(crate) async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.expect("a free port") }
    }

    /// Limits for tests: reconnects at once, and no timer wakes what an event should have woken.
    pub(crate) fn limits() -> LinkLimits {
        LinkLimits {
            idle_ping_ms: 120_000,
            reprobe_ms: 120_000,
            dead_after_ms: 240_000,
            backoff_ms_min: 1,
            backoff_ms_max: 4,
            backoff_ms_fault: 5,
            ..LinkLimits::default()
        }
    }

    pub(crate) fn connect(&self, limits: LinkLimits) -> Client {
        let port = self.listener.local_addr().expect("a bound socket").port();
        let config = ComponentConfig {
            domain: "events.localhost".to_owned(),
            host: "localhost".to_owned(),
            server: ServerAddress::parse(&format!("127.0.0.1:{port}"), false).expect("a loopback address"),
            tls: None,
            secret: Secret::new("test".to_owned()),
            limits,
        };
        let shutdown = CancellationToken::new();
        let (link, events) = spawn(config, &shutdown);
        Client { link, events, shutdown }
    }

    /// The next connection, before any word.
    pub(crate) async fn accept(&self) -> Connection {
        let (socket, _) = soon(self.listener.accept()).await.expect("a connection");
        Connection { socket, seen: String::new() }
    }

    /// The next connection, with the handshake behind it and its first barrier answered.
    pub(crate) async fn accept_stream(&self) -> Connection {
        let mut connection = self.accept_silently().await;
        let (before, id) = connection.read_barrier().await;
        connection.seen.insert_str(0, &before);
        connection.answer(&id).await;
        connection
    }

    /// The next connection, with the handshake behind it.
    pub(crate) async fn accept_silently(&self) -> Connection {
        let mut connection = self.accept().await;
        connection.read_until("to='events.localhost'>").await;
        connection.write(HEADER).await;
        connection.read_until("</handshake>").await;
        connection.write("<handshake/>").await;
        connection
    }
}

impl Connection {
    /// Writes; a link that has gone is no failure.
    pub(crate) async fn write(&mut self, text: impl AsRef<[u8]>) {
        let _gone = soon(self.socket.write_all(text.as_ref())).await;
    }

    /// Reads up to and including `end`, and returns that without the padding of what came before.
    pub(crate) async fn read_until(&mut self, end: &str) -> String {
        let mut chunk = vec![0; 65_536];
        let mut searched = 0;
        loop {
            if let Some(at) = self.seen[searched..].find(end) {
                let rest = self.seen.split_off(searched + at + end.len());
                return std::mem::replace(&mut self.seen, rest).trim_start_matches(' ').to_owned();
            }
            searched = self.seen.len().saturating_sub(end.len());
            let length = soon(self.socket.read(&mut chunk)).await.expect("an open connection");
            assert!(length > 0, "closed before {end:?}, after {:?}", self.seen);
            self.seen.push_str(std::str::from_utf8(&chunk[..length]).expect("ASCII"));
        }
    }

    /// Reads the next barrier; returns what stood before it, and its id.
    pub(crate) async fn read_barrier(&mut self) -> (String, String) {
        let text = self.read_until("<ping xmlns='urn:xmpp:ping'/></iq>").await;
        let start =
            text.rfind("<iq type='get' from='events.localhost' to='localhost' id='").expect("a barrier");
        let id = text[start..].split('\'').nth(7).expect("an id").to_owned();
        (text[..start].to_owned(), id)
    }

    /// Answers a barrier.
    pub(crate) async fn answer(&mut self, id: &str) {
        self.write(format!("<iq type='result' from='localhost' to='events.localhost' id='{id}'/>")).await;
    }

    /// Reads to the end of the connection; returns the rest.
    pub(crate) async fn read_to_end(mut self) -> String {
        let mut rest = std::mem::take(&mut self.seen).into_bytes();
        let _reset = soon(self.socket.read_to_end(&mut rest)).await;
        String::from_utf8(rest).expect("UTF-8")
    }
}

impl Client {
    pub(crate) async fn event(&mut self) -> LinkEvent {
        soon(self.events.recv()).await.expect("an event")
    }

    /// The generation of the stream that comes up now; a stream that goes down before is passed over.
    pub(crate) async fn up(&mut self) -> u64 {
        loop {
            match self.event().await {
                LinkEvent::Up { generation } => return generation,
                LinkEvent::Down { .. } => {}
                other => panic!("{other:?} instead of Up"),
            }
        }
    }

    /// The id of the next stanza.
    pub(crate) async fn stanza_id(&mut self) -> String {
        match self.event().await {
            LinkEvent::Stanza(element) => element.attr("id").unwrap_or_default().to_owned(),
            other => panic!("{other:?} instead of a stanza"),
        }
    }
}
