use hkdf::Hkdf;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::{PublicKey, SecretKey};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha2::Sha256;

/// A message of `aes128gcm` taken apart (RFC 8188, section 2.1).
pub(super) struct Sealed<'a> {
    salt: &'a [u8],
    record_bytes: u32,
    sender: &'a [u8],
    record: &'a [u8],
}

impl<'a> Sealed<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, &'static str> {
        let (salt, rest) = body.split_at_checked(16).ok_or("the header is cut off")?;
        let (record_bytes, rest) = rest.split_first_chunk().ok_or("the header is cut off")?;
        let (length, rest) = rest.split_first().ok_or("the header is cut off")?;
        let (sender, record) = rest.split_at_checked(usize::from(*length)).ok_or("the key id is cut off")?;
        if sender.len() != 65 || sender[0] != 4 {
            return Err("the key id is not an uncompressed point");
        }
        Ok(Self { salt, record_bytes: u32::from_be_bytes(*record_bytes), sender, record })
    }

    /// The sender's public key.
    pub(super) fn sender(&self) -> &[u8] {
        self.sender
    }

    /// What the user agent with these secrets reads (RFC 8291, section 3.4).
    pub(super) fn open(&self, private_key: &SecretKey, auth_secret: &[u8]) -> Result<Vec<u8>, &'static str> {
        if self.record.len() > self.record_bytes as usize || self.record.len() < 18 {
            return Err("the message is not one record of its record size");
        }
        let sender = PublicKey::from_sec1_bytes(self.sender).map_err(|_| "the key id is not on the curve")?;
        let shared = private_key.diffie_hellman(&sender);
        let own_point = private_key.public_key().to_sec1_point(false);
        let mut input = [0; 32];
        Hkdf::<Sha256>::new(Some(auth_secret), shared.raw_secret_bytes())
            .expand_multi_info(&[b"WebPush: info\0", own_point.as_bytes(), self.sender], &mut input)
            .map_err(|_| "no key")?;
        let (mut key, mut nonce) = ([0; 16], [0; 12]);
        let hkdf = Hkdf::<Sha256>::new(Some(self.salt), &input);
        hkdf.expand(b"Content-Encoding: aes128gcm\0", &mut key).map_err(|_| "no key")?;
        hkdf.expand(b"Content-Encoding: nonce\0", &mut nonce).map_err(|_| "no nonce")?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).map_err(|_| "no key")?);
        let mut record = self.record.to_vec();
        let opened = key
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut record)
            .map_err(|_| "it cannot be decrypted with the subscription's keys")?;
        let content =
            opened.iter().rposition(|byte| *byte != 0).ok_or("there is no delimiter of the padding")?;
        if opened[content] == 2 {
            Ok(opened[..content].to_vec())
        } else {
            Err("the delimiter is not that of a last record")
        }
    }
}
