use std::net::IpAddr;

use thiserror::Error;
use url::{Host, Url};

use crate::AddressRange;

/// Bytes of a URL.
const URL_BYTES_MAX: usize = 2_048;

/// Which URLs may be asked: https, and no address that the public internet does not reach, unless it is allowed.
///
/// A URL is looked at when it is registered ([`Self::check_url`]) and its addresses whenever one is connected to.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    allowed: Vec<AddressRange>,
}

/// A URL that passed [`Guard::check_url`]: https, with a host, without a user or a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
}

/// Why a URL may not be asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// It cannot be read as a URL.
    #[error("it is not a URL: {reason}")]
    NotAUrl {
        /// What the parser says.
        reason: String,
    },
    /// It is too long.
    #[error("the URL has {bytes} bytes, the most are {URL_BYTES_MAX}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// It is not https.
    #[error("the URL is {scheme}:, only https: is asked")]
    Scheme {
        /// What it is.
        scheme: String,
    },
    /// It names a user or a password.
    #[error("the URL names a user or a password; credentials are never taken from URLs")]
    Credentials,
    /// It, or what its host resolves to, is out of the public internet's reach.
    #[error("{host} is {address}, which is not an address of the public internet and not in allow_addresses")]
    Address {
        /// The host in the URL.
        host: String,
        /// The first of its addresses.
        address: IpAddr,
    },
}

/// What the public internet does not reach, or reaches another machine with than it says (IANA's registries of
/// special-purpose addresses).
const SPECIAL_V4: &[AddressRange] = &[
    AddressRange::v4(0, 0, 0, 8),
    AddressRange::v4(10, 0, 0, 8),
    AddressRange::v4(100, 64, 0, 10),
    AddressRange::v4(127, 0, 0, 8),
    AddressRange::v4(169, 254, 0, 16),
    AddressRange::v4(172, 16, 0, 12),
    AddressRange::v4(192, 0, 0, 24),
    AddressRange::v4(192, 0, 2, 24),
    AddressRange::v4(192, 88, 99, 24),
    AddressRange::v4(192, 168, 0, 16),
    AddressRange::v4(198, 18, 0, 15),
    AddressRange::v4(198, 51, 100, 24),
    AddressRange::v4(203, 0, 113, 24),
    AddressRange::v4(224, 0, 0, 4),
    AddressRange::v4(240, 0, 0, 4),
];

/// All of IPv6 that is given out as global, and what of it is special again: protocol assignments with Teredo,
/// documentation (twice), 6to4.
const GLOBAL_V6: AddressRange = AddressRange::v6(0x2000, 0, 3);
const SPECIAL_V6: &[AddressRange] = &[
    AddressRange::v6(0x2001, 0, 23),
    AddressRange::v6(0x2001, 0xdb8, 32),
    AddressRange::v6(0x2002, 0, 16),
    AddressRange::v6(0x3fff, 0, 20),
];

/// IPv4 addresses behind a translator (RFC 6052), with the IPv4 address in the last 32 bits.
const TRANSLATED_V4: AddressRange = AddressRange::v6(0x64, 0xff9b, 96);

impl Guard {
    /// One that lets these addresses pass, too.
    pub fn allowing(allowed: Vec<AddressRange>) -> Self {
        Self { allowed }
    }

    /// Whether a URL may be asked, as far as can be said without resolving its host.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_url(&self, text: &str) -> Result<Target, Refused> {
        if text.len() > URL_BYTES_MAX {
            return Err(Refused::TooLong { bytes: text.len() });
        }
        let mut url = Url::parse(text).map_err(|error| Refused::NotAUrl { reason: error.to_string() })?;
        if url.scheme() != "https" {
            return Err(Refused::Scheme { scheme: url.scheme().to_owned() });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        url.set_fragment(None);
        let target = Target { url };
        if let Some(address) = target.address() {
            self.check_address(target.host(), address)?;
        }
        Ok(target)
    }

    /// Whether an address may be connected to that the host of a URL stands for.
    ///
    /// # Errors
    /// [`Refused::Address`].
    pub fn check_address(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        let passes = is_public(address) || self.allowed.iter().any(|range| range.contains(address));
        if passes { Ok(()) } else { Err(Refused::Address { host: host.to_owned(), address }) }
    }
}

impl Target {
    /// The URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The host, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        let host = self.url.host_str().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// The port, 443 if the URL names none.
    pub fn port(&self) -> u16 {
        self.url.port().unwrap_or(443)
    }

    /// The same service with another path, and without a query.
    #[must_use]
    pub fn with_path(&self, path: &str) -> Self {
        let mut url = self.url.clone();
        url.set_path(path);
        url.set_query(None);
        Self { url }
    }

    /// `https://host` or `https://host:port` (RFC 6454, section 6.2).
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The host's address, if the host is one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self.url.host()? {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(_) => None,
        }
    }
}

fn is_public(address: IpAddr) -> bool {
    let is_in = |ranges: &[AddressRange]| ranges.iter().any(|range| range.contains(address));
    match address.to_canonical() {
        IpAddr::V4(_) => !is_in(SPECIAL_V4),
        IpAddr::V6(v6) if TRANSLATED_V4.contains(address) => {
            let [.., a, b, c, d] = v6.octets();
            is_public(IpAddr::from([a, b, c, d]))
        }
        IpAddr::V6(_) => GLOBAL_V6.contains(address) && !is_in(SPECIAL_V6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_without_credentials_is_asked() {
        let guard = Guard::default();
        let target = guard.check_url("https://push.example.net/push/Jz?x=1#fragment").unwrap();
        assert_eq!(target.url().as_str(), "https://push.example.net/push/Jz?x=1");
        assert_eq!((target.origin().as_str(), target.port()), ("https://push.example.net", 443));
        assert_eq!(
            guard.check_url("https://Example.net:8443/").unwrap().origin(),
            "https://example.net:8443"
        );
        for (url, expected) in [
            ("http://push.example.net/", "only https: is asked"),
            ("file:///etc/passwd", "only https: is asked"),
            ("https://user@example.net/", "user or a password"),
            ("https://:secret@example.net/", "user or a password"),
            ("https://", "not a URL"),
            ("push.example.net", "not a URL"),
            ("", "not a URL"),
        ] {
            let refused = guard.check_url(url).unwrap_err().to_string();
            assert!(refused.contains(expected), "{url}: {refused}");
        }
        let long = format!("https://example.net/{}", "a".repeat(2_029));
        assert_eq!(guard.check_url(&long), Err(Refused::TooLong { bytes: 2_049 }));
        assert!(guard.check_url(&long[..2_048]).is_ok());
    }

    /// Whatever way of writing an address the URL has, `url` reads it as a browser would.
    #[test]
    fn addresses_out_of_the_public_internets_reach_are_refused() {
        let guard = Guard::default();
        for host in [
            "127.0.0.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "10.1.2.3",
            "100.64.0.1",
            "169.254.169.254",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "0.0.0.0",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fd00::1]",
            "[ff02::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a01:203]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[2001:db8::1]",
            "[2001::1]",
            "[::127.0.0.1]",
        ] {
            let refused = guard.check_url(&format!("https://{host}/"));
            assert!(matches!(refused, Err(Refused::Address { .. })), "{host}: {refused:?}");
        }
        for host in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "[2606:4700::1111]", "[64:ff9b::808:808]"] {
            assert!(guard.check_url(&format!("https://{host}/")).is_ok(), "{host}");
        }
    }

    #[test]
    fn what_is_allowed_passes_and_nothing_beside_it() {
        let guard = Guard::allowing(vec!["127.0.0.0/8".parse().unwrap(), "fd00::/16".parse().unwrap()]);
        for host in ["127.1.2.3", "[::ffff:127.0.0.1]", "[fd00::5]"] {
            assert!(guard.check_url(&format!("https://{host}/")).is_ok(), "{host}");
        }
        for host in ["10.0.0.1", "[fd01::5]", "[::1]"] {
            assert!(guard.check_url(&format!("https://{host}/")).is_err(), "{host}");
        }
    }
}
