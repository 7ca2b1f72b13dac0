use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::Value;

/// A JSON Web Token (RFC 7519) signed with ES256; the nonce comes from key and content (RFC 6979).
pub(crate) fn es256(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let signed = signing_input(header, claims);
    let signature: Signature = key.sign(signed.as_bytes());
    with_signature(signed, &signature.to_bytes())
}

fn signing_input(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

fn with_signature(mut signed: String, signature: &[u8]) -> String {
    signed.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut signed);
    signed
}
