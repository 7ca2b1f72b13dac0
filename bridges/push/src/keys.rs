use p256::SecretKey;
use p256::ecdsa::SigningKey;
use p256::pkcs8::DecodePrivateKey as _;
use ring::rsa;
use thiserror::Error;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};

/// Why a private key cannot be used.
#[derive(Debug, Error)]
pub enum KeyError {
    /// There is none in the text.
    #[error("the text has no private key in PEM that can be read: {0}")]
    Pem(#[source] pem::Error),
    /// It is of another kind.
    #[error("the private key must be one of the curve P-256, which signs with ES256")]
    NotP256,
    /// It is of another kind.
    #[error("the private key must be one of RSA in PKCS#8, with 2048 bits or more, which signs with RS256")]
    NotRsa,
}

/// The key that signs with ES256: PKCS#8 as Apple gives it out (`.p8`), or SEC 1 as openssl makes it.
pub(crate) fn es256_key(pem: &[u8]) -> Result<SigningKey, KeyError> {
    let key = match PrivateKeyDer::from_pem_slice(pem).map_err(KeyError::Pem)? {
        PrivateKeyDer::Pkcs8(der) => SecretKey::from_pkcs8_der(der.secret_pkcs8_der()).ok(),
        PrivateKeyDer::Sec1(der) => SecretKey::from_sec1_der(der.secret_sec1_der()).ok(),
        _ => None,
    };
    key.map(SigningKey::from).ok_or(KeyError::NotP256)
}

/// The key that signs with RS256: PKCS#8, as Google gives it out.
pub(crate) fn rs256_key(pem: &[u8]) -> Result<rsa::KeyPair, KeyError> {
    match PrivateKeyDer::from_pem_slice(pem).map_err(KeyError::Pem)? {
        PrivateKeyDer::Pkcs8(der) => {
            rsa::KeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| KeyError::NotRsa)
        }
        _ => Err(KeyError::NotRsa),
    }
}

/// The public half as an uncompressed point.
pub(crate) fn public_point(key: &SigningKey) -> Vec<u8> {
    key.verifying_key().to_sec1_point(false).as_bytes().to_vec()
}
