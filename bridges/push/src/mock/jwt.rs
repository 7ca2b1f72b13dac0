use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{UnparsedPublicKey, VerificationAlgorithm};
use serde_json::Value;

/// A JSON Web Token whose signature is still to be checked.
pub(super) struct Jwt<'a> {
    pub(super) header: Value,
    pub(super) claims: Value,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jwt<'a> {
    pub(super) fn parse(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let json = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        Some(Self { header: json(header)?, claims: json(claims)?, signed, signature })
    }

    /// Whether it says that it is signed so, and is.
    pub(super) fn is_signed_by(
        &self,
        name: &str,
        algorithm: &'static dyn VerificationAlgorithm,
        public_key: &[u8],
    ) -> bool {
        let key = UnparsedPublicKey::new(algorithm, public_key);
        self.header["alg"] == name && key.verify(self.signed.as_bytes(), &self.signature).is_ok()
    }
}
