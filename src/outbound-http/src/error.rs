use std::io;
use std::sync::Arc;

use thiserror::Error;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem;

use crate::Refused;

/// Why there is no answer.
#[derive(Debug, Clone, Error)]
pub enum SendError {
    /// There is no connection, so nothing was sent. Everybody who waited for it gets the same error.
    #[error(transparent)]
    Connect(#[from] Arc<ConnectError>),
    /// The server said that it has not begun the request: it closed the connection in order (GOAWAY), or refused the
    /// stream, more often in a row than is tried again.
    #[error("the server turned the request away {attempts} times")]
    NotBegun {
        /// How often.
        attempts: u32,
    },
    /// It was cut off. Whether the server has done what it was asked is unknown.
    #[error("the request was cut off: {0}")]
    CutOff(#[source] Arc<hyper::Error>),
    /// There was no answer in time. Whether the server has done what it was asked is unknown.
    #[error("no answer within {seconds} s")]
    Timeout {
        /// How long it was waited for.
        seconds: u64,
    },
    /// A header cannot be one, or the URL cannot be one of HTTP.
    #[error("the request cannot be sent: {0}")]
    Malformed(String),
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The guard does not let it pass.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The host has no address.
    #[error("cannot resolve {host}: {source}")]
    Resolve {
        /// The host.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// None of the host's addresses takes a connection.
    #[error("cannot connect to {host}: {source}")]
    Tcp {
        /// The host.
        host: String,
        /// What the last of them says.
        source: io::Error,
    },
    /// The server's certificate is not trusted, or it does not speak TLS.
    #[error("no TLS with {host}: {source}")]
    Tls {
        /// The host.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// The host is no name that a certificate can be for.
    #[error("{host} is not a name that a certificate can have")]
    Name {
        /// The host.
        host: String,
    },
    /// What was connected to does not speak HTTP.
    #[error("{host} does not speak HTTP: {source}")]
    Http {
        /// The host.
        host: String,
        /// Why.
        source: hyper::Error,
    },
    /// It took too long.
    #[error("no connection to {host} within {seconds} s")]
    Timeout {
        /// The host.
        host: String,
        /// How long it was waited for.
        seconds: u64,
    },
}

/// Why there is no client.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// What should be certificates of authorities cannot be read.
    #[error("the text has no certificate in PEM that can be read: {0}")]
    Certificates(#[source] pem::Error),
    /// There is no certificate.
    #[error("the text has no certificate in PEM")]
    NoCertificate,
    /// A certificate cannot be an authority's.
    #[error("a certificate cannot be trusted as an authority: {0}")]
    Authority(#[source] rustls::Error),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[source] rustls::Error),
}

impl SendError {
    /// Whether the server certainly has not done what it was asked.
    pub fn is_certainly_undone(&self) -> bool {
        match self {
            Self::Connect(_) | Self::NotBegun { .. } | Self::Malformed(_) => true,
            Self::CutOff(_) | Self::Timeout { .. } => false,
        }
    }

    /// What the guard says, if it is at fault: trying again is of no use then.
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Connect(error) => match &**error {
                ConnectError::Refused(refused) => Some(refused),
                _ => None,
            },
            _ => None,
        }
    }
}
