//! Logging in as a user by hand (RFC 6120 §4, §6, §7), over an unencrypted stream.

use std::time::Duration;

use anyhow::{Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::RawStream;

const PATIENCE: Duration = Duration::from_mins(1);

impl RawStream {
    /// Connects and logs in as `user@host/resource`: from here on, stanzas can be written.
    ///
    /// # Errors
    /// When the server refuses; the message shows its answer.
    pub async fn login(port: u16, host: &str, user: &str, password: &str, resource: &str) -> Result<Self> {
        let mut stream = Self::connect(port).await?;
        stream.open_client_stream(host).await?;

        let credentials = STANDARD.encode(format!("\0{user}\0{password}"));
        let auth =
            format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{credentials}</auth>");
        stream.send(auth).await?;
        let decided = |text: &str| text.contains("<success") || text.contains("</failure>");
        let decision = stream.read_until(PATIENCE, decided).await?;
        if !decision.contains("<success") {
            bail!("the login is refused: {decision}");
        }
        stream.open_client_stream(host).await?;

        let bind = "urn:ietf:params:xml:ns:xmpp-bind";
        let request = format!("<resource>{resource}</resource>");
        stream.send(format!("<iq type='set' id='bind'><bind xmlns='{bind}'>{request}</bind></iq>")).await?;
        stream.read_until_contains(PATIENCE, "<jid>").await?;
        Ok(stream)
    }

    /// Opens a stream, or opens it anew.
    pub(crate) async fn open_client_stream(&mut self, host: &str) -> Result<()> {
        let namespaces = "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'";
        self.send(format!("<?xml version='1.0'?><stream:stream to='{host}' version='1.0' {namespaces}>"))
            .await?;
        self.read_until_contains(PATIENCE, "</stream:features>").await.map(drop)
    }
}
