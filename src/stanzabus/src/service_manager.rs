//! Talks to the service manager that has started the daemon, if it listens (systemd, `Type=notify`): one datagram for
//! each word (`sd_notify(3)`).

use std::convert::Infallible;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use bus_engine::Engine;

use crate::config;
use crate::http::STUCK_TIME;

/// The service manager, or nobody.
pub(crate) struct ServiceManager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// Silence after which it counts us as dead.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that has started this process.
    pub(crate) fn of_this_process() -> Self {
        let variables = config::manager_variables();
        let socket = variables.notify_socket.and_then(|address| match connect(&address) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(%error, ?address, "the service manager cannot be reached");
                None
            }
        });
        Self { socket, watchdog: variables.watchdog.filter(|time| !time.is_zero()) }
    }

    /// Says a word, for example `READY=1`. It never waits: a manager that does not listen misses it.
    pub(crate) fn tell(&self, word: &str) {
        if let Some((socket, address)) = &self.socket
            && let Err(error) = socket.send_to_addr(word.as_bytes(), address)
        {
            tracing::warn!(%error, word, "the service manager was not told");
        }
    }

    /// Feeds the manager's watchdog twice as often as it asks for, for as long as the engine's tasks make progress.
    pub(crate) async fn keep_watchdog(&self, engine: &Engine) -> Infallible {
        let Some(time) = self.watchdog else { return std::future::pending().await };
        let mut tick = tokio::time::interval(time / 2);
        loop {
            tick.tick().await;
            if engine.stuck_tasks(STUCK_TIME).is_empty() {
                self.tell("WATCHDOG=1");
            }
        }
    }
}

fn connect(address: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match address.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(address)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}
