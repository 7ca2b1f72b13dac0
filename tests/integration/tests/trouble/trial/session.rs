use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use harness::RawStream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio_util::sync::CancellationToken;

use super::stanzas::{attribute, take_stanzas};

const READ_BYTES: usize = 64 * 1024;

/// An open stream, of a user or of a component, that many tasks ask over and whose messages one function gets.
#[derive(Clone)]
pub(crate) struct Session(Arc<Shared>);

struct Shared {
    writer: AsyncMutex<OwnedWriteHalf>,
    waiting: Mutex<HashMap<String, oneshot::Sender<String>>>,
    next_id: AtomicU64,
    closed: CancellationToken,
}

/// The stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

impl Session {
    /// Reads until the stream ends; messages go to `inbox` in their order.
    pub(crate) fn start(stream: RawStream, inbox: impl Fn(&str) + Send + 'static) -> Self {
        let (stream, received) = stream.into_parts();
        let (reader, writer) = stream.into_split();
        let shared = Arc::new(Shared {
            writer: AsyncMutex::new(writer),
            waiting: Mutex::default(),
            next_id: AtomicU64::new(1),
            closed: CancellationToken::new(),
        });
        tokio::spawn(read(Arc::clone(&shared), reader, received, inbox));
        Self(shared)
    }

    /// Sends an IQ and waits for its answer: the whole stanza. `addresses` and `kind` are attributes.
    pub(crate) async fn ask(&self, attributes: &str, child: &str) -> Result<String, Gone> {
        let id = format!("q{}", self.0.next_id.fetch_add(1, Ordering::Relaxed));
        let (sender, answer) = oneshot::channel();
        self.0.lock_waiting().insert(id.clone(), sender);
        self.send(&format!("<iq {attributes} id='{id}'>{child}</iq>")).await?;
        tokio::select! {
            answer = answer => answer.map_err(|_| Gone),
            () = self.0.closed.cancelled() => Err(Gone),
        }
    }

    /// Writes.
    pub(crate) async fn send(&self, text: &str) -> Result<(), Gone> {
        self.0.writer.lock().await.write_all(text.as_bytes()).await.map_err(|_| Gone)
    }
}

impl Shared {
    fn lock_waiting(&self) -> std::sync::MutexGuard<'_, HashMap<String, oneshot::Sender<String>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(
    shared: Arc<Shared>,
    mut reader: OwnedReadHalf,
    received: Vec<u8>,
    inbox: impl Fn(&str) + Send + 'static,
) {
    let mut bytes = received;
    let mut text = String::new();
    loop {
        // A character that a read has cut in two waits for its end.
        let whole = std::str::from_utf8(&bytes).map_or_else(|error| error.valid_up_to(), str::len);
        text.push_str(std::str::from_utf8(&bytes[..whole]).expect("it was just checked"));
        bytes.drain(..whole);
        for stanza in take_stanzas(&mut text) {
            if stanza.starts_with("<iq") {
                let id = attribute(&stanza, "id").unwrap_or_default().to_owned();
                if let Some(waiting) = shared.lock_waiting().remove(&id) {
                    // Who asked may have given up.
                    let _ = waiting.send(stanza);
                }
            } else {
                inbox(&stanza);
            }
        }
        bytes.reserve(READ_BYTES);
        match reader.read_buf(&mut bytes).await {
            Ok(count) if count > 0 => {}
            _ => return shared.closed.cancel(),
        }
    }
}
