//! HTTP requests to a loopback port: to read `/readyz` and `/metrics`, and as a client of the HTTP API.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_mins(1);
const RESPONSE_BYTES_MAX: u64 = 4 << 20;

/// What a server answered.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, of at most 4 MiB.
    pub body: String,
}

/// What a server is asked.
#[derive(Debug, Clone, Default)]
pub struct HttpRequest {
    /// GET, POST, …
    pub method: &'static str,
    /// The path with its query.
    pub path: String,
    /// Headers besides `Host`, `Connection` and `Content-Length`.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// One of Server-Sent Events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerSentEvent {
    /// From where to go on.
    pub id: Option<String>,
    /// Its name; `None` is a message.
    pub name: Option<String>,
    /// What it says.
    pub data: String,
}

/// An open stream of Server-Sent Events.
#[derive(Debug)]
pub struct EventStream {
    socket: TcpStream,
    /// What was read, in its chunks.
    chunked: Vec<u8>,
    /// What it says so far.
    text: String,
    is_over: bool,
}

/// GETs a path from a loopback port; answers within a minute or fails.
///
/// # Errors
/// When nobody listens, or the answer is no HTTP.
pub async fn http_get(port: u16, path: &str) -> Result<HttpResponse> {
    http_send(port, &HttpRequest { method: "GET", path: path.to_owned(), ..HttpRequest::default() }).await
}

/// Asks a server on a loopback port; answers within a minute or fails.
///
/// # Errors
/// When nobody listens, or the answer is no HTTP.
pub async fn http_send(port: u16, request: &HttpRequest) -> Result<HttpResponse> {
    let answered = timeout(PATIENCE, async {
        let mut response = Vec::new();
        request.send(port).await?.take(RESPONSE_BYTES_MAX).read_to_end(&mut response).await?;
        parse(&String::from_utf8(response).context("the answer is UTF-8")?)
    });
    answered.await.with_context(|| format!("{} {} on port {port}", request.method, request.path))?
}

impl HttpRequest {
    /// The same request with another header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    async fn send(&self, port: u16) -> Result<TcpStream> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        let length = (!self.body.is_empty()).then(|| ("Content-Length", self.body.len().to_string()));
        let fixed = [("Host", "127.0.0.1".to_owned()), ("Connection", "close".to_owned())];
        let headers = fixed.into_iter().chain(self.headers.iter().cloned()).chain(length);
        let headers: Vec<_> = headers.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("{} {} HTTP/1.1\r\n{}\r\n", self.method, self.path, headers.concat());
        stream.write_all(head.as_bytes()).await?;
        // A server may refuse a request by its head alone, and close.
        let _ = stream.write_all(&self.body).await;
        Ok(stream)
    }
}

impl HttpResponse {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

impl EventStream {
    /// Opens a stream; a server that answers otherwise than with events is returned as what it said.
    ///
    /// # Errors
    /// When nobody listens, or the answer is no HTTP.
    pub async fn open(port: u16, request: &HttpRequest) -> Result<Result<Self, HttpResponse>> {
        let opened = timeout(PATIENCE, async {
            let mut socket = request.send(port).await?;
            let mut read = Vec::new();
            let head_bytes = loop {
                if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                    break at + 4;
                }
                if socket.read_buf(&mut read).await? == 0 {
                    bail!("the answer ends in its head");
                }
            };
            let chunked = read.split_off(head_bytes);
            let response = parse(std::str::from_utf8(&read)?)?;
            if response.header("content-type") == Some("text/event-stream") {
                return Ok(Ok(Self { socket, chunked, text: String::new(), is_over: false }));
            }
            let mut body = chunked;
            socket.take(RESPONSE_BYTES_MAX).read_to_end(&mut body).await?;
            Ok(Err(HttpResponse { body: String::from_utf8(body)?, ..response }))
        });
        opened.await.context("a stream is opened")?
    }

    /// The next event; comments are passed over. `None` at the end of the stream.
    ///
    /// # Errors
    /// When the connection breaks, or says what is no event.
    pub async fn next(&mut self) -> Result<Option<ServerSentEvent>> {
        while let Some(block) = self.block().await? {
            if let Some(event) = ServerSentEvent::parse(&block) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// What comes next up to an empty line, comments included. `None` at the end of the stream.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn block(&mut self) -> Result<Option<String>> {
        loop {
            self.unchunk()?;
            if let Some(at) = self.text.find("\n\n") {
                let block = self.text[..at].to_owned();
                self.text.drain(..at + 2);
                return Ok(Some(block));
            }
            if self.is_over {
                return Ok(None);
            }
            if self.socket.read_buf(&mut self.chunked).await? == 0 {
                bail!("the stream breaks off");
            }
        }
    }

    /// Takes whole chunks (RFC 9112 §7.1) out of what was read.
    fn unchunk(&mut self) -> Result<()> {
        while let Some(at) = self.chunked.windows(2).position(|two| two == b"\r\n") {
            let size = std::str::from_utf8(&self.chunked[..at])?;
            let size = usize::from_str_radix(size, 16).context("a chunk has a size")?;
            let end = at + 2 + size;
            if self.chunked.len() < end + 2 {
                break;
            }
            self.text += std::str::from_utf8(&self.chunked[at + 2..end])?;
            self.chunked.drain(..end + 2);
            self.is_over = size == 0;
        }
        Ok(())
    }
}

impl ServerSentEvent {
    fn parse(block: &str) -> Option<Self> {
        let mut event = Self::default();
        let mut lines = Vec::new();
        for line in block.lines() {
            let (field, value) = line.split_once(": ").or_else(|| line.split_once(':'))?;
            match field {
                "id" => event.id = Some(value.to_owned()),
                "event" => event.name = Some(value.to_owned()),
                "data" => lines.push(value),
                _ => {}
            }
        }
        event.data = lines.join("\n");
        (!lines.is_empty()).then_some(event)
    }
}

fn parse(response: &str) -> Result<HttpResponse> {
    let (head, body) = response.split_once("\r\n\r\n").context("the answer has a head and a body")?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    Ok(HttpResponse {
        headers: headers.collect(),
        status: status.context("the answer has a status")?,
        body: body.to_owned(),
    })
}
