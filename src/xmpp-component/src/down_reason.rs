use std::io;
use std::net::SocketAddr;

use minidom::Element;
use thiserror::Error;
use tokio_rustls::rustls::CertificateError;

use crate::backoff::Pace;
use crate::tls::certificate_advice;

const STREAMS_NAMESPACE: &str = "http://etherx.jabber.org/streams";
const CONDITIONS_NAMESPACE: &str = "urn:ietf:params:xml:ns:xmpp-streams";

/// Why there is no stream.
#[derive(Debug, Error)]
pub enum DownReason {
    /// No TCP connection.
    #[error("the XMPP server cannot be reached: {0}")]
    Unreachable(#[source] io::Error),
    /// No TCP connection in `connect_timeout_ms`.
    #[error("the XMPP server does not accept the connection in time")]
    ConnectTimeout,
    /// The name of a plain server stands for another machine.
    #[error(
        "the XMPP server's name stands for {0}, which is not on this machine, and the connection would be plain"
    )]
    PlaintextBeyondLoopback(SocketAddr),
    /// The server's certificate is not one to be trusted.
    #[error("the XMPP server's certificate is refused as one for {name}: {problem}")]
    CertificateRefused {
        /// The name that it should be for.
        name: String,
        /// What is wrong with it.
        problem: CertificateError,
    },
    /// The server does not speak TLS, or no version of it that is safe.
    #[error("TLS does not come about with the XMPP server: {0}")]
    NoTls(#[source] io::Error),
    /// The connection ended before the server had said anything.
    #[error("the XMPP server hung up without a word")]
    HungUp,
    /// No accepted handshake in `handshake_timeout_ms`.
    #[error("the XMPP server does not complete the handshake in time")]
    HandshakeTimeout,
    /// The server named its reason (RFC 6120 §4.9).
    #[error("the XMPP server ended the stream: {condition}{}", text.as_deref().map(|text| format!(" ({text})")).unwrap_or_default())]
    StreamError {
        /// The defined condition.
        condition: StreamCondition,
        /// The server's explanation, at most 200 characters of it.
        text: Option<String>,
    },
    /// `</stream:stream>` without an error.
    #[error("the XMPP server closed the stream")]
    StreamClosed,
    /// The connection was closed without `</stream:stream>`.
    #[error("the XMPP server closed the connection")]
    ConnectionClosed,
    /// Reading or writing failed.
    #[error("the connection to the XMPP server broke: {0}")]
    ConnectionLost(#[source] io::Error),
    /// Nothing was read for `dead_after_ms`, pings notwithstanding.
    #[error("the XMPP server has fallen silent")]
    Silent,
    /// For `dead_after_ms` the server took nothing while our own reader took nothing either.
    #[error("the XMPP server takes nothing, and neither do we: both wait for each other")]
    Stalled,
    /// What the server sent is not XML as RFC 6120 §11 allows it.
    #[error("the XMPP server sent malformed XML: {0}")]
    NotWellFormed(#[source] rxml::Error),
    /// The root element is no stream, or its header never ends: probably no XMPP server at all.
    #[error("this is not an XMPP server's component port")]
    NotAStream,
    /// A rejected stanza does not end.
    #[error("the XMPP server sent a stanza without end")]
    EndlessStanza,
    /// The shutdown token was cancelled.
    #[error("the link was shut down")]
    ShutDown,
}

/// The defined condition of a stream error (RFC 6120 §4.9.3), as far as the link tells them apart.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StreamCondition {
    /// Another connection holds the domain, or has replaced this one.
    #[error("conflict")]
    Conflict,
    /// The domain is not configured on the server.
    #[error("host-unknown")]
    HostUnknown,
    /// The secret is wrong; on ejabberd also: the domain is not configured.
    #[error("not-authorized")]
    NotAuthorized,
    /// The port is not one for components.
    #[error("invalid-namespace")]
    InvalidNamespace,
    /// A stanza of ours had a `from` outside our domain.
    #[error("invalid-from")]
    InvalidFrom,
    /// A stanza of ours lacked an address.
    #[error("improper-addressing")]
    ImproperAddressing,
    /// Often: a stanza of ours was too long for the server.
    #[error("policy-violation")]
    PolicyViolation,
    /// Also Prosody's answer to a stanza that is too long.
    #[error("not-well-formed")]
    NotWellFormed,
    /// The server stops.
    #[error("system-shutdown")]
    SystemShutdown,
    /// Any other, by its element name.
    #[error("{0}")]
    Other(String),
}

impl DownReason {
    /// The reason inside `<stream:error/>`; `None` when `element` is something else.
    pub(crate) fn from_stream_error(element: &Element) -> Option<Self> {
        if !element.is("error", STREAMS_NAMESPACE) {
            return None;
        }
        let mut children = element.children().filter(|child| child.ns() == CONDITIONS_NAMESPACE);
        let name = children.find(|child| child.name() != "text").map_or("undefined-condition", Element::name);
        let text = element.get_child("text", CONDITIONS_NAMESPACE).map(Element::text);
        let text = text.map(|text| text.chars().filter(|char| !char.is_control()).take(200).collect());
        Some(Self::StreamError { condition: StreamCondition::from_name(name), text })
    }

    /// What an administrator can do about it, where that is clear.
    pub fn advice(&self) -> Option<&'static str> {
        let Self::StreamError { condition, .. } = self else {
            return match self {
                Self::Unreachable(_) => {
                    Some("is the XMPP server running, and is this the address of its component port?")
                }
                Self::PlaintextBeyondLoopback(_) => Some(
                    "write tls:// before the address if the server offers TLS there, or allow it with \
                     xmpp.plaintext_beyond_loopback = true",
                ),
                Self::CertificateRefused { problem, .. } => Some(certificate_advice(problem)),
                Self::NoTls(_) => Some(
                    "is this port one with TLS from the start (ejabberd: tls: true and certfile in the listener)? \
                     Prosody's component port has none: without tls:// it must be on this machine",
                ),
                Self::HungUp => Some(
                    "is this the server's component port, and is it a plain one? For a port with TLS write tls:// \
                     before the address",
                ),
                Self::NotAStream => Some("check that the address is the XMPP server's component port"),
                _ => None,
            };
        };
        match condition {
            StreamCondition::NotAuthorized => Some(
                "the secret must be the one in the XMPP server's configuration (Prosody: component_secret under \
                 Component \"<domain>\"; ejabberd: hosts: <domain>: password, in an ejabberd_service listener that lists the domain)",
            ),
            StreamCondition::HostUnknown => Some(
                "add the component's domain to the XMPP server's configuration and restart or reload it; if it is \
                     there, check that the address is the server's component port (usually 5347), not its client port",
            ),
            StreamCondition::InvalidNamespace => Some(
                "this is not the XMPP server's component port (usually 5347), but perhaps its client port",
            ),
            StreamCondition::Conflict => Some(
                "another connection holds the domain; if it is a dead one, Prosody's \
                 component_conflict_resolve = \"kick_old\" helps",
            ),
            _ => None,
        }
    }

    /// How soon a new connection makes sense; `was_up` when the stream had been accepted.
    pub(crate) fn pace(&self, was_up: bool) -> Pace {
        match self {
            Self::NotAStream | Self::PlaintextBeyondLoopback(_) | Self::CertificateRefused { .. } => {
                Pace::Fault
            }
            Self::StreamError { condition, .. } => match condition {
                StreamCondition::Conflict if was_up => Pace::Replaced,
                StreamCondition::NotAuthorized
                | StreamCondition::HostUnknown
                | StreamCondition::InvalidNamespace => Pace::Fault,
                _ => Pace::Passing,
            },
            _ => Pace::Passing,
        }
    }
}

impl StreamCondition {
    fn from_name(name: &str) -> Self {
        match name {
            "conflict" => Self::Conflict,
            "host-unknown" => Self::HostUnknown,
            "not-authorized" => Self::NotAuthorized,
            "invalid-namespace" => Self::InvalidNamespace,
            "invalid-from" => Self::InvalidFrom,
            "improper-addressing" => Self::ImproperAddressing,
            "policy-violation" => Self::PolicyViolation,
            "not-well-formed" => Self::NotWellFormed,
            "system-shutdown" => Self::SystemShutdown,
            other => Self::Other(other.chars().take(60).collect()),
        }
    }
}
