//! The keys of a JWKS, and the algorithms that each of them may be used with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;

/// A key that signs.
#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    /// The only algorithm that it is for, if its owner says so.
    algorithm: Option<String>,
    public: PublicKey,
}

#[derive(Debug)]
enum PublicKey {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// Names of algorithms (RFC 7518 §3.1, RFC 8037 §3.1) for RSA keys.
const OF_RSA: [(&str, &RsaParameters); 6] = [
    ("RS256", &RSA_PKCS1_2048_8192_SHA256),
    ("RS384", &RSA_PKCS1_2048_8192_SHA384),
    ("RS512", &RSA_PKCS1_2048_8192_SHA512),
    ("PS256", &RSA_PSS_2048_8192_SHA256),
    ("PS384", &RSA_PSS_2048_8192_SHA384),
    ("PS512", &RSA_PSS_2048_8192_SHA512),
];

impl Key {
    pub(super) fn is_called(&self, id: &str) -> bool {
        self.id.as_deref() == Some(id)
    }

    /// Whether it is one of this algorithm.
    pub(super) fn signs(&self, algorithm: &str) -> bool {
        let is_of_kind = match &self.public {
            PublicKey::Rsa { .. } => OF_RSA.iter().any(|(name, _)| *name == algorithm),
            PublicKey::P256(_) => algorithm == "ES256",
            PublicKey::P384(_) => algorithm == "ES384",
            PublicKey::Ed25519(_) => matches!(algorithm, "EdDSA" | "Ed25519"),
        };
        is_of_kind && self.algorithm.as_ref().is_none_or(|only| only == algorithm)
    }

    pub(super) fn verifies(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        let check = |of_curve: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(of_curve, key).verify(message, signature).is_ok()
        };
        match &self.public {
            PublicKey::Rsa { modulus, exponent } => {
                let found = OF_RSA.iter().find(|(name, _)| *name == algorithm);
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                found.is_some_and(|(_, parameters)| key.verify(parameters, message, signature).is_ok())
            }
            PublicKey::P256(point) => check(&ECDSA_P256_SHA256_FIXED, point),
            PublicKey::P384(point) => check(&ECDSA_P384_SHA384_FIXED, point),
            PublicKey::Ed25519(key) => check(&ED25519, key),
        }
    }
}

/// A set of keys (RFC 7517 §5). Each is read by itself, so that one of an unknown kind does not cost the others.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct StoredKey {
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    #[serde(flatten)]
    public: StoredPublicKey,
}

#[derive(Deserialize)]
#[serde(tag = "kty")]
enum StoredPublicKey {
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
    #[serde(rename = "EC")]
    Curve { crv: String, x: String, y: String },
    #[serde(rename = "OKP")]
    Edwards { crv: String, x: String },
}

/// The keys that sign.
///
/// # Errors
/// What is wrong with it, to go on where it was named.
pub(super) fn read_keys(jwks: &str) -> Result<Vec<Key>, String> {
    let set: KeySet = serde_json::from_str(jwks).map_err(|error| format!("is not a JWKS: {error}"))?;
    let keys: Vec<Key> = set.keys.into_iter().filter_map(read_key).collect();
    if keys.is_empty() {
        return Err("has no public key for signatures (RSA of at least 2048 bits, P-256, P-384 or Ed25519)"
            .to_owned());
    }
    Ok(keys)
}

fn read_key(stored: serde_json::Value) -> Option<Key> {
    let StoredKey { kid, alg, purpose, public } = serde_json::from_value(stored).ok()?;
    if purpose.is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    let point = |x: &str, y: &str, coordinate_bytes: usize| {
        let (x, y) = (decode(x)?, decode(y)?);
        let is_whole = x.len() == coordinate_bytes && y.len() == coordinate_bytes;
        is_whole.then(|| [&[4][..], &x, &y].concat())
    };
    let public = match public {
        StoredPublicKey::Rsa { n, e } => {
            let modulus = decode(&n)?;
            // ring would refuse each signature of a shorter one.
            (modulus.len() >= 256).then_some(())?;
            PublicKey::Rsa { modulus, exponent: decode(&e)? }
        }
        StoredPublicKey::Curve { crv, x, y } if crv == "P-256" => PublicKey::P256(point(&x, &y, 32)?),
        StoredPublicKey::Curve { crv, x, y } if crv == "P-384" => PublicKey::P384(point(&x, &y, 48)?),
        StoredPublicKey::Edwards { crv, x } if crv == "Ed25519" => PublicKey::Ed25519(decode(&x)?),
        StoredPublicKey::Curve { .. } | StoredPublicKey::Edwards { .. } => return None,
    };
    let key = Key { id: kid, algorithm: alg, public };
    // One for an algorithm that is none of its kind never signs.
    key.algorithm.as_ref().is_none_or(|only| key.signs(only)).then_some(key)
}
