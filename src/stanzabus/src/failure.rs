use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use bus_store::StoreError;
use thiserror::Error;

use crate::client::grpc::GrpcError;
use crate::client::xmpp::XmppError;
use crate::config::ConfigError;

/// Why a command did not do what it was asked. Its text is one line: what, and how to mend it.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The arguments contradict each other or what is there.
    #[error("{0}")]
    Usage(String),
    /// A file of the user's cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A port cannot be listened on.
    #[error("cannot listen on {address} for {what}: {source}; stop what uses it, or change {key}")]
    Listen {
        /// For gRPC or HTTP.
        what: &'static str,
        /// The configuration's key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Talking to the daemon.
    #[error(transparent)]
    Grpc(#[from] GrpcError),
    /// Acting as an XMPP user.
    #[error(transparent)]
    Xmpp(#[from] XmppError),
    /// Standard output is gone.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
    /// What only the operating system can refuse.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A part of the daemon ended by itself.
    #[error("{0} ended unexpectedly; its log says why")]
    Ended(&'static str),
    /// The way out took too long, or was cut short by a second signal.
    #[error(
        "stopped before everything was finished: what was acknowledged is on disk, and what was not proven to be \
         delivered is delivered again"
    )]
    Unfinished,
    /// `doctor` found something; it has said what.
    #[error("{failed} of {checks} checks failed")]
    Doctor {
        /// How many failed.
        failed: usize,
        /// How many there were.
        checks: usize,
    },
}

impl Failure {
    /// The exit status: 2 for usage and configuration, 3 for a stop before everything was finished, 1 for everything
    /// else.
    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Usage(_) => 2,
            Self::Unfinished => 3,
            _ => 1,
        }
    }

    /// Whether the reader of our output went away (`stanzabus tail … | head`): no failure at all.
    pub(crate) fn is_closed_output(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
