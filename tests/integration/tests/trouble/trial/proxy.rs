use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const READ_BYTES: usize = 16 * 1024;

/// What stands between the daemon and its server, and lets bytes through, or not.
pub(crate) struct Proxy {
    port: u16,
    mode: Arc<watch::Sender<Mode>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Bytes go both ways.
    Open,
    /// The server's end takes nothing from the daemon any more, and the connection stays.
    Stalled,
    /// The next bytes of the daemon's go through up to the middle of a stanza, and then the connection ends.
    Cutting,
}

impl Proxy {
    /// Stands in front of a port of this machine.
    pub(crate) async fn start(server_port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let mode = Arc::new(watch::Sender::new(Mode::Open));
        let shared = Arc::clone(&mode);
        tokio::spawn(async move {
            while let Ok((daemon, _)) = listener.accept().await {
                // A server that is away is one whose connections end at once.
                if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server_port)).await {
                    tokio::spawn(join(daemon, server, Arc::clone(&shared)));
                }
            }
        });
        Self { port, mode }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts the connection in the middle of a stanza; the next one is whole again. Returns when it is cut.
    pub(crate) async fn cut_in_mid_stanza(&self) {
        self.mode.send_replace(Mode::Cutting);
        let mut mode = self.mode.subscribe();
        mode.wait_for(|mode| *mode == Mode::Open).await.expect("the sender is ours");
    }

    /// Stops reading what the daemon writes.
    pub(crate) fn stall(&self) {
        self.mode.send_replace(Mode::Stalled);
    }

    /// Reads on.
    pub(crate) fn go_on(&self) {
        self.mode.send_replace(Mode::Open);
    }
}

/// Until either side ends; both do then.
async fn join(daemon: TcpStream, server: TcpStream, mode: Arc<watch::Sender<Mode>>) {
    let (daemon_reader, daemon_writer) = daemon.into_split();
    let (server_reader, server_writer) = server.into_split();
    tokio::select! {
        () = carry_to_server(daemon_reader, server_writer, &mode) => {}
        () = carry_to_daemon(server_reader, daemon_writer) => {}
    }
}

async fn carry_to_server(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mode: &watch::Sender<Mode>) {
    let mut watched = mode.subscribe();
    let mut bytes = vec![0; READ_BYTES];
    loop {
        if watched.wait_for(|mode| *mode != Mode::Stalled).await.is_err() {
            return;
        }
        let Ok(count @ 1..) = from.read(&mut bytes).await else { return };
        let cut = (*watched.borrow() == Mode::Cutting).then(|| middle_of_stanza(&bytes[..count])).flatten();
        if to.write_all(&bytes[..cut.unwrap_or(count)]).await.is_err() {
            return;
        }
        if cut.is_some() {
            mode.send_replace(Mode::Open);
            return;
        }
    }
}

async fn carry_to_daemon(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    // An error ends the connection like its end does.
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

/// Within the last notification of these bytes, if there is one.
fn middle_of_stanza(bytes: &[u8]) -> Option<usize> {
    let needle = b"<event ";
    bytes.windows(needle.len()).rposition(|window| window == needle).map(|at| at + needle.len())
}
