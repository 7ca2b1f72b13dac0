//! The server's side of XEP-0114 with every word in the hands of the test: for what no real server sends.

use std::net::Ipv4Addr;
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::RawStream;

const PATIENCE: Duration = Duration::from_mins(1);

/// A component port on loopback. Its host is `localhost`; every secret is right.
#[derive(Debug)]
pub struct ScriptedServer {
    listener: TcpListener,
    port: u16,
}

impl ScriptedServer {
    /// Opens a stream as a server does.
    pub const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
                              xmlns:stream='http://etherx.jabber.org/streams' from='localhost' id='3BF96D32'>";

    /// Listens on a free port.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free port")?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// Where components connect.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next connection, before any word.
    ///
    /// # Errors
    /// When none comes within a minute.
    pub async fn accept(&self) -> Result<RawStream> {
        let accepted = timeout(PATIENCE, self.listener.accept()).await.context("no component connects")?;
        Ok(RawStream::new(accepted?.0))
    }

    /// The next connection, accepted as a component.
    ///
    /// # Errors
    /// When none comes within a minute, or it does not speak XEP-0114.
    pub async fn accept_component(&self) -> Result<RawStream> {
        let mut stream = self.accept_handshake().await?;
        stream.send("<handshake/>").await?;
        Ok(stream)
    }

    /// As [`Self::accept_component`], for the daemon: its first ping is answered, because notifications wait for that.
    ///
    /// # Errors
    /// See [`Self::accept_component`]; when no ping comes.
    pub async fn accept_daemon(&self) -> Result<RawStream> {
        let mut stream = self.accept_component().await?;
        let ping = stream.take_out(PATIENCE, first_ping).await?;
        let id = ping.split("id='").nth(1).and_then(|rest| rest.split('\'').next());
        let id = id.context("a ping has an id")?;
        stream.send(format!("<iq type='result' from='localhost' id='{id}'/>")).await?;
        Ok(stream)
    }

    /// The next connection, up to its `<handshake/>`: the answer is the test's.
    ///
    /// # Errors
    /// When none comes within a minute, or it does not speak XEP-0114.
    pub async fn accept_handshake(&self) -> Result<RawStream> {
        let mut stream = self.accept().await?;
        let has_header =
            |text: &str| text.split_once("<stream:stream").is_some_and(|(_, tag)| tag.contains('>'));
        stream.read_until(PATIENCE, has_header).await?;
        stream.send(Self::HEADER).await?;
        stream.read_until_contains(PATIENCE, "</handshake>").await?;
        Ok(stream)
    }
}

fn first_ping(text: &str) -> Option<Range<usize>> {
    const END: &str = "<ping xmlns='urn:xmpp:ping'/></iq>";
    let end = text.find(END)? + END.len();
    let start = text[..end].rfind("<iq ")?;
    Some(start..end)
}
