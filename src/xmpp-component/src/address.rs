use std::fmt;
use std::net::{IpAddr, SocketAddr};

use thiserror::Error;
use tokio::net::lookup_host;

use crate::DownReason;

/// Where the XMPP server listens for components.
///
/// Can only be had by [`ServerAddress::parse`], so an address that may not be used does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    host: String,
    port: u16,
    is_tls: bool,
    /// A plain connection stays on this machine, whatever the host's name turns out to stand for.
    must_be_loopback: bool,
}

/// Why an address cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Neither `host:port` nor `tls://host:port`.
    #[error(
        "`{0}` is not a server address: write `host:port` or `tls://host:port`, for example `127.0.0.1:5347`"
    )]
    Malformed(String),
    /// The secret's hash and every stanza would cross a network in the clear.
    #[error(
        "`{0}` is not on this machine, and the component protocol by itself is not encrypted: write `tls://{0}` if the \
         server offers TLS there (ejabberd can); without TLS it is refused unless plaintext beyond loopback is allowed explicitly"
    )]
    PlaintextBeyondLoopback(String),
}

impl ServerAddress {
    /// Reads `127.0.0.1:5347`, `[::1]:5347` or `host.name:5347`, each with `tls://` before it or without.
    ///
    /// Without TLS, a host that is neither `localhost` nor a loopback address is refused unless
    /// `plaintext_beyond_loopback`.
    pub fn parse(text: &str, plaintext_beyond_loopback: bool) -> Result<Self, AddressError> {
        let plain = text.strip_prefix("tls://");
        let (host, port) =
            split(plain.unwrap_or(text)).ok_or_else(|| AddressError::Malformed(text.to_owned()))?;
        let is_tls = plain.is_some();
        let must_be_loopback = !is_tls && !plaintext_beyond_loopback;
        let address = Self { host: host.to_owned(), port, is_tls, must_be_loopback };
        if must_be_loopback && !address.is_loopback() {
            return Err(AddressError::PlaintextBeyondLoopback(text.to_owned()));
        }
        Ok(address)
    }

    /// The host name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether TLS starts before the first byte of XML.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// What the host's name stands for now, less what may not be used.
    pub(crate) async fn resolve(&self) -> Result<Vec<SocketAddr>, DownReason> {
        let found = lookup_host((self.host.as_str(), self.port)).await.map_err(DownReason::Unreachable)?;
        let found: Vec<_> = found.collect();
        let is_usable =
            |address: &SocketAddr| !self.must_be_loopback || address.ip().to_canonical().is_loopback();
        let usable: Vec<_> = found.iter().copied().filter(is_usable).collect();
        match (usable.is_empty(), found.first()) {
            (true, Some(beyond)) => Err(DownReason::PlaintextBeyondLoopback(*beyond)),
            _ => Ok(usable),
        }
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
        out.write_str(if self.is_tls { "tls://" } else { "" })?;
        if self.host.contains(':') {
            write!(out, "[{}]:{}", self.host, self.port)
        } else {
            write!(out, "{}:{}", self.host, self.port)
        }
    }
}

fn split(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let host = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.strip_suffix(']').filter(|inner| inner.contains(':'))?,
        None => Some(host).filter(|host| !host.contains([':', '/', '@', ' ', ']']))?,
    };
    (!host.is_empty()).then_some((host, port))
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
    fn tls_may_go_anywhere() {
        check("tls://127.0.0.1:5347", Ok("tls://127.0.0.1:5347"));
        check("tls://xmpp.example.org:5348", Ok("tls://xmpp.example.org:5348"));
        check("tls://[2001:db8::1]:5348", Ok("tls://[2001:db8::1]:5348"));
        assert!(ServerAddress::parse("tls://xmpp.example.org:5348", false).is_ok_and(|it| it.is_tls()));
    }

    /// A name is only a promise: `localhost` is what the resolver says.
    #[tokio::test]
    async fn what_a_name_stands_for_is_looked_at_again() {
        let beyond = |is_tls, must_be_loopback| ServerAddress {
            host: "192.0.2.1".to_owned(),
            port: 5347,
            is_tls,
            must_be_loopback,
        };
        let refused = beyond(false, true).resolve().await;
        assert!(matches!(refused, Err(DownReason::PlaintextBeyondLoopback(_))), "{refused:?}");
        assert_eq!(beyond(true, false).resolve().await.unwrap().len(), 1);
        let here = ServerAddress::parse("localhost:5347", false).unwrap().resolve().await.unwrap();
        assert!(!here.is_empty() && here.iter().all(|address| address.ip().is_loopback()), "{here:?}");
    }

    #[test]
    fn anything_else_is_malformed() {
        for text in ["", "localhost", ":5347", "localhost:", "localhost:0", "localhost:65536", "::1:5347"] {
            check(text, Err(AddressError::Malformed));
        }
        for text in ["tls://", "tls://localhost", "tls:localhost:1", "tls://tls://localhost:1"] {
            check(text, Err(AddressError::Malformed));
        }
        for text in ["[::1]", "[localhost]:1", "http://localhost:1", "user@localhost:1"] {
            check(text, Err(AddressError::Malformed));
        }
    }
}
