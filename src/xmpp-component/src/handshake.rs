use std::collections::VecDeque;
use std::fmt::Write as _;

use bus_xml::escape_attribute;
use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::inbound::{StreamItem, StreamReader};
use crate::{COMPONENT_NAMESPACE, ComponentConfig, DownReason, Secret};

/// Bytes read at once.
pub(crate) const READ_BYTES: usize = 16 * 1024;

/// A connection, with TLS or without. What was written has to be flushed.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A stream that the server accepted.
pub(crate) struct Accepted {
    pub(crate) socket: Box<dyn Transport>,
    pub(crate) reader: StreamReader,
    /// What came in the same read as the server's `<handshake/>`.
    pub(crate) items: VecDeque<StreamItem>,
}

/// Connects and opens a stream (XEP-0114 §3).
pub(crate) async fn open_stream(config: &ComponentConfig) -> Result<Accepted, DownReason> {
    let connecting = async {
        let addresses = config.server.resolve().await?;
        TcpStream::connect(addresses.as_slice()).await.map_err(DownReason::Unreachable)
    };
    let socket = timeout(config.limits.connect_timeout(), connecting)
        .await
        .map_err(|_| DownReason::ConnectTimeout)??;
    socket.set_nodelay(true).map_err(DownReason::ConnectionLost)?;
    let shaking_hands = async {
        let socket: Box<dyn Transport> = match &config.tls {
            Some(tls) => Box::new(tls.connect(socket).await?),
            None => Box::new(socket),
        };
        shake_hands(socket, config).await
    };
    timeout(config.limits.handshake_timeout(), shaking_hands)
        .await
        .map_err(|_| DownReason::HandshakeTimeout)?
}

async fn shake_hands(
    mut socket: Box<dyn Transport>,
    config: &ComponentConfig,
) -> Result<Accepted, DownReason> {
    say(&mut socket, &stream_header(&config.domain)).await?;
    let mut reader = StreamReader::new(config.limits.xml());
    let mut items = VecDeque::new();
    let mut chunk = vec![0; READ_BYTES];
    let mut has_heard = false;
    loop {
        let length = match socket.read(&mut chunk).await {
            Ok(0) | Err(_) if !has_heard => return Err(DownReason::HungUp),
            Ok(0) => return Err(DownReason::ConnectionClosed),
            Ok(length) => length,
            Err(error) => return Err(DownReason::ConnectionLost(error)),
        };
        has_heard = true;
        // A server may send its reason and rubbish in one go: the reason comes first.
        let fed = reader.feed(&chunk[..length], &mut items);
        while let Some(item) = items.pop_front() {
            match step(item)? {
                Step::Wait => {}
                Step::Send { id } => {
                    let handshake = format!("<handshake>{}</handshake>", credentials(&id, &config.secret));
                    say(&mut socket, &handshake).await?;
                }
                Step::Accepted => {
                    fed?;
                    return Ok(Accepted { socket, reader, items });
                }
            }
        }
        fed?;
    }
}

async fn say(socket: &mut Box<dyn Transport>, text: &str) -> Result<(), DownReason> {
    socket.write_all(text.as_bytes()).await.map_err(DownReason::ConnectionLost)?;
    socket.flush().await.map_err(DownReason::ConnectionLost)
}

enum Step {
    Wait,
    Send { id: String },
    Accepted,
}

fn step(item: StreamItem) -> Result<Step, DownReason> {
    match item {
        StreamItem::Opened { id } => Ok(Step::Send { id }),
        StreamItem::Element(element, _) if element.is("handshake", COMPONENT_NAMESPACE) => Ok(Step::Accepted),
        StreamItem::Element(element, _) => match DownReason::from_stream_error(&element) {
            Some(reason) => Err(reason),
            None => Ok(Step::Wait),
        },
        StreamItem::Rejected { .. } => Ok(Step::Wait),
        StreamItem::Closed => Err(DownReason::StreamClosed),
    }
}

/// One text, for one write: some servers read the declaration and the header as one.
fn stream_header(domain: &str) -> String {
    let mut header = format!(
        "<?xml version='1.0'?><stream:stream xmlns='{COMPONENT_NAMESPACE}' \
         xmlns:stream='http://etherx.jabber.org/streams' to='"
    );
    escape_attribute(domain, &mut header);
    header.push_str("'>");
    header
}

/// The lowercase hexadecimal SHA-1 of stream id and secret.
fn credentials(stream_id: &str, secret: &Secret) -> String {
    let digest = Sha1::new().chain_update(stream_id).chain_update(secret.expose()).finalize();
    digest.iter().fold(String::with_capacity(40), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes everything");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handshake_hashes_id_and_secret() {
        // sha1sum of `3BF96D32` + `test`, the id of XEP-0114 example 2.
        let expected = "aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e";
        assert_eq!(credentials("3BF96D32", &Secret::new("test".to_owned())), expected);
    }

    #[test]
    fn the_domain_cannot_leave_its_attribute() {
        let header = stream_header("a'><b/>");
        assert!(header.ends_with("to='a&apos;&gt;&lt;b/&gt;'>"), "{header}");
    }
}
