use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

/// Resolves at the first SIGTERM or SIGINT after this call.
pub(crate) fn stop_requested() -> Result<impl Future<Output = ()>, Failure> {
    let listen =
        |kind| signal(kind).map_err(|source| Failure::System { what: "cannot handle signals", source });
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
