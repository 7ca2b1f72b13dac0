use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use ring::rand::SystemRandom;
use ring::rsa;
use ring::signature::RSA_PKCS1_SHA256;
use serde_json::Value;

/// A JSON Web Token (RFC 7519) signed with ES256; the nonce comes from key and content (RFC 6979).
pub(crate) fn es256(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let signed = signing_input(header, claims);
    let signature: Signature = key.sign(signed.as_bytes());
    with_signature(signed, &signature.to_bytes())
}

/// One signed with RS256. The randomness only hides how long signing takes; it does not show in the token.
pub(crate) fn rs256(key: &rsa::KeyPair, header: &Value, claims: &Value) -> String {
    let signed = signing_input(header, claims);
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .expect("the signature has the modulus' length");
    with_signature(signed, &signature)
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
