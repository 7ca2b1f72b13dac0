//! Signatures after Standard Webhooks: HMAC-SHA256 over the id of the message, the time and the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// What stands in front of a key that is text.
const SECRET_PREFIX: &str = "whsec_";

/// The value of `webhook-signature`; `None` if the secret is no key.
pub(super) fn sign(secret: &str, id: &str, timestamp_s: i64, body: &[u8]) -> Option<String> {
    let key = STANDARD.decode(secret.strip_prefix(SECRET_PREFIX)?).ok()?;
    let mut signed = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key));
    signed.update(format!("{id}.{timestamp_s}.").as_bytes());
    signed.update(body);
    Some(format!("v1,{}", STANDARD.encode(signed.sign())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the implementations of Standard Webhooks are tested with.
    #[test]
    fn the_known_example_is_signed_as_everywhere() {
        let signed = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        assert_eq!(sign("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "m", 0, b""), None);
    }
}
