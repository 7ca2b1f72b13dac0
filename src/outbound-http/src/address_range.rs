use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// The addresses that share their first bits: `10.0.0.0/8`, `2001:db8::/32`, or a single one without `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    first: IpAddr,
    prefix_bits: u8,
}

/// What should be a range of addresses is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a range of addresses like 10.0.0.0/8, fd00::/8 or 127.0.0.1")]
pub struct NotARange {
    text: String,
}

impl AddressRange {
    /// Whether the address is one of them. An IPv4 address in an IPv6 one counts as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let differ = u32::from(first) ^ u32::from(address);
                differ.leading_zeros() >= u32::from(self.prefix_bits)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let differ = u128::from(first) ^ u128::from(address);
                differ.leading_zeros() >= u32::from(self.prefix_bits)
            }
            _ => false,
        }
    }

    pub(crate) const fn v4(a: u8, b: u8, c: u8, prefix_bits: u8) -> Self {
        Self { first: IpAddr::V4(Ipv4Addr::new(a, b, c, 0)), prefix_bits }
    }

    pub(crate) const fn v6(a: u16, b: u16, prefix_bits: u8) -> Self {
        Self { first: IpAddr::V6(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0)), prefix_bits }
    }
}

impl FromStr for AddressRange {
    type Err = NotARange;

    fn from_str(text: &str) -> Result<Self, NotARange> {
        let refused = || NotARange { text: text.to_owned() };
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let first: IpAddr = address.parse().map_err(|_| refused())?;
        let bits_max = if first.is_ipv4() { 32 } else { 128 };
        let prefix_bits = bits.map_or(Ok(bits_max), str::parse).map_err(|_| refused())?;
        if prefix_bits > bits_max { Err(refused()) } else { Ok(Self { first, prefix_bits }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_what_shares_its_first_bits() {
        for (range, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fc00::1", false),
            ("::/0", "2001:db8::1", true),
        ] {
            let parsed: AddressRange = range.parse().unwrap();
            assert_eq!(parsed.contains(address.parse().unwrap()), expected, "{address} in {range}");
        }
    }

    #[test]
    fn what_is_no_range_is_named() {
        for text in ["", "10.0.0.0/33", "fd00::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "example.org"] {
            let refused = text.parse::<AddressRange>().unwrap_err();
            assert!(refused.to_string().contains(&format!("{text:?}")), "{refused}");
        }
    }
}
