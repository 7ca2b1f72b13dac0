use hkdf::Hkdf;
use p256::ecdh::diffie_hellman;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::{PublicKey, SecretKey};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha2::Sha256;

/// Bytes that encryption adds: the header with the sender's key, the delimiter of the padding, and the tag.
pub(super) const OVERHEAD_BYTES: usize = HEADER_BYTES + 1 + TAG_BYTES;

const TAG_BYTES: usize = 16;
const POINT_BYTES: usize = 65;
const HEADER_BYTES: usize = 16 + 4 + 1 + POINT_BYTES;
/// Ends the padding of the last record, here also the first one (RFC 8188, section 2).
const LAST_RECORD: u8 = 2;
/// `rs`: every message is one record, and shorter (RFC 8291, section 4).
const RECORD_BYTES: u32 = 4_096;

/// Whom a message is encrypted for.
pub(super) struct Receiver<'a> {
    pub(super) public_key: &'a PublicKey,
    pub(super) auth_secret: &'a [u8],
}

/// What must be fresh for each message.
pub(super) struct Fresh {
    pub(super) private_key: SecretKey,
    pub(super) salt: [u8; 16],
}

/// A message in the content coding `aes128gcm` (RFC 8188), with keys as RFC 8291 derives them. Nothing of it is padded.
pub(super) fn encrypt(plaintext: &[u8], receiver: &Receiver<'_>, fresh: &Fresh) -> Vec<u8> {
    let sender_point = uncompressed(&fresh.private_key.public_key());
    let keys = derive(receiver, fresh, &sender_point);
    let mut body = Vec::with_capacity(plaintext.len() + OVERHEAD_BYTES);
    body.extend_from_slice(&fresh.salt);
    body.extend_from_slice(&RECORD_BYTES.to_be_bytes());
    body.push(u8::try_from(POINT_BYTES).expect("65 fits"));
    body.extend_from_slice(&sender_point);
    body.extend_from_slice(plaintext);
    body.push(LAST_RECORD);
    let tag = keys
        .content
        .seal_in_place_separate_tag(keys.nonce, Aad::empty(), &mut body[HEADER_BYTES..])
        .expect("a few kilobytes are within what AES-GCM seals");
    body.extend_from_slice(tag.as_ref());
    body
}

struct Keys {
    content: LessSafeKey,
    nonce: Nonce,
}

/// RFC 8291, section 3.4.
fn derive(receiver: &Receiver<'_>, fresh: &Fresh, sender_point: &[u8]) -> Keys {
    let shared = diffie_hellman(fresh.private_key.to_nonzero_scalar(), receiver.public_key.as_affine());
    let receiver_point = uncompressed(receiver.public_key);
    let key_info = [b"WebPush: info\0", &*receiver_point, sender_point].concat();
    let input: [u8; 32] = expand(receiver.auth_secret, shared.raw_secret_bytes(), &key_info);
    let content: [u8; 16] = expand(&fresh.salt, &input, b"Content-Encoding: aes128gcm\0");
    let nonce: [u8; 12] = expand(&fresh.salt, &input, b"Content-Encoding: nonce\0");
    let content = UnboundKey::new(&AES_128_GCM, &content).expect("the key has the algorithm's length");
    Keys { content: LessSafeKey::new(content), nonce: Nonce::assume_unique_for_key(nonce) }
}

fn expand<const BYTES: usize>(salt: &[u8], input: &[u8], info: &[u8]) -> [u8; BYTES] {
    let mut output = [0; BYTES];
    let hkdf = Hkdf::<Sha256>::new(Some(salt), input);
    hkdf.expand(info, &mut output).expect("HKDF gives out far more bytes than 32");
    output
}

fn uncompressed(key: &PublicKey) -> Vec<u8> {
    key.to_sec1_point(false).as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    /// RFC 8291, section 5, byte by byte.
    #[test]
    fn the_example_of_the_rfc_comes_out() {
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let receiver_point =
            bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4");
        let receiver = Receiver {
            public_key: &PublicKey::from_sec1_bytes(&receiver_point).unwrap(),
            auth_secret: &bytes("BTBZMqHH6r4Tts7J_aSIgg"),
        };
        let fresh = Fresh {
            private_key: SecretKey::from_slice(&bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
                .unwrap(),
            salt: bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap(),
        };
        let body = encrypt(b"When I grow up, I want to be a watermelon", &receiver, &fresh);
        assert_eq!(
            URL_SAFE_NO_PAD.encode(&body),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_\
             yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
        assert_eq!(body.len(), 41 + OVERHEAD_BYTES);
    }
}
