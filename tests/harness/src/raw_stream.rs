//! A TCP stream to or from an XMPP server on which a test can write any bytes.

mod attach;
mod login;

use std::net::Ipv4Addr;
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

const RECEIVED_BYTES_MAX: usize = 4 << 20;

/// Bytes out, text in. What arrives is kept until a call takes it.
#[derive(Debug)]
pub struct RawStream {
    stream: TcpStream,
    received: Vec<u8>,
}

impl RawStream {
    /// Wraps a connection, for example one that a scripted server has accepted.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, received: Vec::new() }
    }

    /// Connects to a loopback port.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
        stream.map(Self::new).with_context(|| format!("nobody listens on port {port}"))
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// When the peer has closed.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.stream.write_all(bytes.as_ref()).await.context("the peer takes no more")
    }

    /// Closes our side: the peer reads to the end of what was sent. Reading goes on.
    ///
    /// # Errors
    /// When the peer has reset the connection.
    pub async fn finish(&mut self) -> Result<()> {
        self.stream.shutdown().await.context("the connection is gone")
    }

    /// Reads until `enough` holds for the text received since the last call, and takes that text.
    ///
    /// # Errors
    /// When the peer closes first, `patience` ends first, or more than 4 MiB arrive; the message shows what came.
    pub async fn read_until(&mut self, patience: Duration, enough: impl Fn(&str) -> bool) -> Result<String> {
        let deadline = Instant::now() + patience;
        loop {
            if enough(&self.text()) {
                let text = self.text();
                self.received.clear();
                return Ok(text);
            }
            match timeout_at(deadline, self.fill()).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => bail!("the peer closed; received: {}", self.text()),
                Ok(Err(error)) => bail!("{error}; received: {}", self.text()),
                Err(_) => bail!("not within {patience:?}; received: {}", self.text()),
            }
        }
    }

    /// Reads until `find` says where something is, takes that out, and leaves what stands around it.
    ///
    /// # Errors
    /// See [`Self::read_until`].
    pub async fn take_out(
        &mut self,
        patience: Duration,
        find: impl Fn(&str) -> Option<Range<usize>>,
    ) -> Result<String> {
        let mut text = self.read_until(patience, |text| find(text).is_some()).await?;
        let place = find(&text).context("it was just found")?;
        let found = text[place.clone()].to_owned();
        text.replace_range(place, "");
        self.received = text.into_bytes();
        Ok(found)
    }

    /// Reads until the text holds `needle`, and takes all of it.
    ///
    /// # Errors
    /// See [`Self::read_until`].
    pub async fn read_until_contains(&mut self, patience: Duration, needle: &str) -> Result<String> {
        let read = self.read_until(patience, |text| text.contains(needle)).await;
        read.with_context(|| format!("waiting for {needle}"))
    }

    /// Reads until the peer closes, and takes what came before.
    ///
    /// # Errors
    /// When it does not within `patience`.
    pub async fn read_to_close(&mut self, patience: Duration) -> Result<String> {
        let deadline = Instant::now() + patience;
        loop {
            match timeout_at(deadline, self.fill()).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false) | Err(_)) => return Ok(self.text()),
                Err(_) => bail!("the peer is open after {patience:?}; received: {}", self.text()),
            }
        }
    }

    /// The connection, and what was received and not taken.
    pub fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.received)
    }

    /// Reads what is there; false at the end of the stream.
    async fn fill(&mut self) -> Result<bool> {
        if self.received.len() >= RECEIVED_BYTES_MAX {
            bail!("more than {RECEIVED_BYTES_MAX} bytes arrived");
        }
        Ok(self.stream.read_buf(&mut self.received).await? > 0)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }
}
