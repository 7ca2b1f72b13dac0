use std::net::SocketAddr;

use thiserror::Error;

/// Others on the network could read along.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{leg} on {address} would send tokens and events readably over the network; give it a certificate in [{section}.tls], \
     listen on 127.0.0.1, or set allow_plaintext_beyond_loopback = true in [{section}] if the network is trusted"
)]
pub struct PlaintextError {
    /// What would listen there.
    pub leg: &'static str,
    /// Its section of the configuration.
    pub section: &'static str,
    /// The address.
    pub address: SocketAddr,
}

/// Refuses addresses beyond loopback without TLS, unless they are allowed explicitly.
///
/// # Errors
/// [`PlaintextError`], which names the leg and its section of the configuration.
pub fn check_address(
    leg: &'static str,
    section: &'static str,
    address: SocketAddr,
    allow_plaintext_beyond_loopback: bool,
) -> Result<(), PlaintextError> {
    if address.ip().to_canonical().is_loopback() || allow_plaintext_beyond_loopback {
        return Ok(());
    }
    Err(PlaintextError { leg, section, address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_stays_on_loopback_unless_allowed() {
        for (address, expected) in [
            ("127.0.0.1:50051", true),
            ("127.8.9.1:50051", true),
            ("[::1]:50051", true),
            ("[::ffff:127.0.0.1]:50051", true),
            ("0.0.0.0:50051", false),
            ("[::]:50051", false),
            ("192.0.2.1:50051", false),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(check_address("gRPC", "grpc", address, false).is_ok(), expected, "{address}");
            assert_eq!(check_address("gRPC", "grpc", address, true), Ok(()), "{address}");
        }
    }
}
