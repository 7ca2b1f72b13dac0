//! Attaching as an external component by hand (XEP-0114 §3).

use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sha1::{Digest, Sha1};

use super::RawStream;

const PATIENCE: Duration = Duration::from_mins(1);

impl RawStream {
    /// Connects to a component port and attaches as `domain`: from here on, stanzas can be written.
    ///
    /// # Errors
    /// When the server refuses; the message shows its answer.
    pub async fn attach(port: u16, domain: &str, secret: &str) -> Result<Self> {
        let mut stream = Self::connect(port).await?;
        let namespaces = "xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'";
        stream.send(format!("<?xml version='1.0'?><stream:stream to='{domain}' {namespaces}>")).await?;
        let has_header =
            |text: &str| text.split_once("<stream:stream").is_some_and(|(_, tag)| tag.contains('>'));
        let header = stream.read_until(PATIENCE, has_header).await?;
        let id = stream_id(&header).with_context(|| format!("a header without id: {header}"))?;
        stream.send(format!("<handshake>{}</handshake>", credentials(id, secret))).await?;
        let decided = |text: &str| text.contains("<handshake") || text.contains("</stream:error>");
        let decision = stream.read_until(PATIENCE, decided).await?;
        if !decision.contains("<handshake") {
            bail!("{domain} is refused: {decision}");
        }
        Ok(stream)
    }
}

/// The `id` of a stream header, whatever its quotes.
fn stream_id(header: &str) -> Option<&str> {
    let (_, behind) = header.split_once(" id=")?;
    let quote = behind.chars().next().filter(|quote| "'\"".contains(*quote))?;
    behind[1..].split_once(quote).map(|(id, _)| id)
}

/// The lower-case hexadecimal SHA-1 of stream id and secret.
fn credentials(id: &str, secret: &str) -> String {
    let digest = Sha1::new().chain_update(id).chain_update(secret).finalize();
    digest.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a String cannot fail");
        hex
    })
}
