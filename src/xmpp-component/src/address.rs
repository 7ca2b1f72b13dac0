use std::fmt;
use std::net::IpAddr;

use thiserror::Error;

/// Where the XMPP server listens for components.
///
/// Can only be had by [`ServerAddress::parse`], so an address that may not be used does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    host: String,
    port: u16,
}

/// Why an address cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Not `host:port`.
    #[error("`{0}` is not a server address: write `host:port`, for example `127.0.0.1:5347`")]
    Malformed(String),
    /// `tls://…`.
    #[error(
        "`{0}`: TLS to the component port is not supported yet; use a plain port on loopback, or a tunnel"
    )]
    TlsUnsupported(String),
    /// The secret's hash and every stanza would cross a network in the clear.
    #[error(
        "`{0}` is not on this machine, and the component protocol is not encrypted: refused unless plaintext beyond loopback is allowed explicitly"
    )]
    PlaintextBeyondLoopback(String),
}

impl ServerAddress {
    /// Reads `127.0.0.1:5347`, `[::1]:5347` or `host.name:5347`.
    ///
    /// A host that is neither `localhost` nor a loopback address is refused unless `plaintext_beyond_loopback`.
    pub fn parse(text: &str, plaintext_beyond_loopback: bool) -> Result<Self, AddressError> {
        if text.starts_with("tls://") {
            return Err(AddressError::TlsUnsupported(text.to_owned()));
        }
        let address = split(text).ok_or_else(|| AddressError::Malformed(text.to_owned()))?;
        if address.is_loopback() || plaintext_beyond_loopback {
            Ok(address)
        } else {
            Err(AddressError::PlaintextBeyondLoopback(text.to_owned()))
        }
    }

    /// The host name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(out, "[{}]:{}", self.host, self.port)
        } else {
            write!(out, "{}:{}", self.host, self.port)
        }
    }
}

fn split(text: &str) -> Option<ServerAddress> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let host = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.strip_suffix(']').filter(|inner| inner.contains(':'))?,
        None => Some(host).filter(|host| !host.contains([':', '/', '@', ' ', ']']))?,
    };
    (!host.is_empty()).then(|| ServerAddress { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, fn(String) -> AddressError>) {
        let expected = expected.map(str::to_owned).map_err(|error| error(text.to_owned()));
        assert_eq!(ServerAddress::parse(text, false).map(|address| address.to_string()), expected);
    }

    #[test]
    fn addresses_on_this_machine_pass() {
        check("127.0.0.1:5347", Ok("127.0.0.1:5347"));
        check("[::1]:5347", Ok("[::1]:5347"));
        check("LocalHost:1", Ok("LocalHost:1"));
        check("[::ffff:127.0.0.1]:5347", Ok("[::ffff:127.0.0.1]:5347"));
    }

    #[test]
    fn other_machines_need_permission() {
        check("xmpp.example.org:5347", Err(AddressError::PlaintextBeyondLoopback));
        check("192.0.2.1:5347", Err(AddressError::PlaintextBeyondLoopback));
        assert!(ServerAddress::parse("xmpp.example.org:5347", true).is_ok());
    }

    #[test]
    fn tls_is_refused_by_name() {
        check("tls://127.0.0.1:5347", Err(AddressError::TlsUnsupported));
    }

    #[test]
    fn anything_else_is_malformed() {
        for text in ["", "localhost", ":5347", "localhost:", "localhost:0", "localhost:65536", "::1:5347"] {
            check(text, Err(AddressError::Malformed));
        }
        for text in ["[::1]", "[localhost]:1", "http://localhost:1", "user@localhost:1"] {
            check(text, Err(AddressError::Malformed));
        }
    }
}
