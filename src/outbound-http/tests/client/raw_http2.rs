//! A server that writes frames of HTTP/2 (RFC 9113) by hand, to end connections as no library would.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use outbound_http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;

use crate::server::Authority;

/// What it does with the requests of one connection.
#[derive(Clone, Copy)]
pub(crate) enum Moves {
    /// Waits for so many, says that it takes only the first one, and answers that.
    GoAwayAfterFirstOf(usize),
    AnswerAll,
    /// Waits for so many and closes.
    CutAfter(usize),
    /// `REFUSED_STREAM`, then closes.
    RefuseAll,
    SayNothing,
    /// The head of an answer, and nothing behind it.
    AnswerWithoutEnd,
}

pub(crate) struct RawServer {
    port: u16,
    answered: Arc<AtomicUsize>,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const ACK: u8 = 0x1;
/// `:status: 200` of HPACK's static table.
const STATUS_200: &[u8] = &[0x88];
const REFUSED_STREAM: u32 = 7;

/// One entry per connection; there are no others.
pub(crate) async fn start(authority: &Authority, moves: Vec<Moves>) -> RawServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answered = Arc::new(AtomicUsize::new(0));
    let (acceptor, counter) = (authority.acceptor(&["h2"]), Arc::clone(&answered));
    tokio::spawn(async move {
        for moves in moves {
            let (tcp, _) = listener.accept().await.unwrap();
            let stream = acceptor.accept(tcp).await.unwrap();
            tokio::spawn(Connection { stream, answered: Arc::clone(&counter) }.serve(moves));
        }
    });
    RawServer { port, answered }
}

impl RawServer {
    pub(crate) fn request(&self, path: &str) -> Request {
        crate::request_to(self.port, path, "")
    }

    /// How many requests it has answered, on all connections.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }
}

struct Connection {
    stream: TlsStream<TcpStream>,
    answered: Arc<AtomicUsize>,
}

impl Connection {
    async fn serve(mut self, moves: Moves) {
        let mut preface = [0; 24];
        self.stream.read_exact(&mut preface).await.unwrap();
        self.write(SETTINGS, 0, 0, &[]).await;
        match moves {
            Moves::GoAwayAfterFirstOf(count) => {
                let streams = self.read_requests(count).await;
                self.write(GOAWAY, 0, 0, &[streams[0].to_be_bytes(), 0_u32.to_be_bytes()].concat()).await;
                self.answer(streams[0]).await;
            }
            Moves::AnswerAll => loop {
                let streams = self.read_requests(1).await;
                self.answer(streams[0]).await;
            },
            Moves::CutAfter(count) => drop(self.read_requests(count).await),
            Moves::RefuseAll => {
                let streams = self.read_requests(1).await;
                self.write(RST_STREAM, 0, streams[0], &REFUSED_STREAM.to_be_bytes()).await;
            }
            Moves::SayNothing => drop(self.read_requests(usize::MAX).await),
            Moves::AnswerWithoutEnd => {
                let streams = self.read_requests(1).await;
                self.write(HEADERS, END_HEADERS, streams[0], STATUS_200).await;
                drop(self.read_requests(usize::MAX).await);
            }
        }
        // What the client still sends is read, so that closing does not reset what was written.
        let mut rest = Vec::new();
        if !matches!(moves, Moves::CutAfter(_)) {
            let _ = self.stream.shutdown().await;
            let _ = self.stream.read_to_end(&mut rest).await;
        }
    }

    async fn answer(&mut self, stream: u32) {
        self.answered.fetch_add(1, Ordering::SeqCst);
        self.write(HEADERS, END_STREAM | END_HEADERS, stream, STATUS_200).await;
    }

    /// The streams of the next requests, once all of them have come whole.
    async fn read_requests(&mut self, count: usize) -> Vec<u32> {
        let mut whole = Vec::new();
        while whole.len() < count {
            let mut head = [0; 9];
            if self.stream.read_exact(&mut head).await.is_err() {
                return std::future::pending().await;
            }
            let [a, b, c, kind, flags, stream @ ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            self.stream.read_exact(&mut payload).await.unwrap();
            match kind {
                SETTINGS if flags & ACK == 0 => self.write(SETTINGS, ACK, 0, &[]).await,
                HEADERS | DATA if flags & END_STREAM != 0 => whole.push(u32::from_be_bytes(stream)),
                _ => {}
            }
        }
        whole
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.stream.write_all(&[&head, payload].concat()).await.unwrap();
        self.stream.flush().await.unwrap();
    }
}
