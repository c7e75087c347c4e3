//! The key that signs tokens: ES256, with `ring`.

use std::fmt;
use std::io;

use nuncio_core::caracal::Secret;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use zeroize::Zeroizing;

/// A private key on P-256. Its `Debug` form shows its name only.
pub(crate) struct SigningKey {
    key: EcdsaKeyPair,
    random: SystemRandom,
    id: String,
    x: [u8; 32],
    y: [u8; 32],
}

/// The bytes are not a PKCS #8 key on P-256 with its public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key that signs tokens is not a PKCS #8 key on the curve P-256")]
pub(crate) struct InvalidSigningKey;

/// Makes a random key: the hexadecimal digits of the DER form of PKCS #8.
pub(crate) fn generate() -> io::Result<Secret> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map_err(|_| io::Error::other("the operating system gives no random numbers"))?;
    // A reallocation would leave a copy of the key behind.
    let mut digits = String::with_capacity(document.as_ref().len() * 2);
    push_hex(&mut digits, document.as_ref());
    Ok(Secret::new(digits))
}

fn push_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            out.extend(char::from_digit(digit.into(), 16));
        }
    }
}

fn read_hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    for pair in text.as_bytes().chunks(2) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        bytes.push(u8::from_str_radix(pair, 16).ok()?);
    }
    Some(bytes)
}

impl SigningKey {
    /// Reads what [`generate`] writes.
    pub(crate) fn read(text: &Secret) -> Result<SigningKey, InvalidSigningKey> {
        let (der, random) = (read_hex(text.expose()).ok_or(InvalidSigningKey)?, SystemRandom::new());
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &random).map_err(|_| InvalidSigningKey)?;
        // The uncompressed form of a point: 4, x, y.
        let (x, y) = match key.public_key().as_ref() {
            [4, point @ ..] => point.split_first_chunk::<32>().ok_or(InvalidSigningKey)?,
            _ => return Err(InvalidSigningKey),
        };
        let (x, y) = (*x, y.try_into().map_err(|_| InvalidSigningKey)?);
        let mut id = String::new();
        push_hex(&mut id, digest(&SHA256, key.public_key().as_ref()).as_ref().get(..8).ok_or(InvalidSigningKey)?);
        Ok(SigningKey { key, random, id, x, y })
    }

    /// Returns the name of the key, which is made of its public part.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Returns the coordinates of the public key.
    pub(crate) fn coordinates(&self) -> (&[u8; 32], &[u8; 32]) {
        (&self.x, &self.y)
    }

    /// Signs some bytes. Returns `None` if the system gives no random numbers.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.key.sign(&self.random, message).ok().map(|signature| signature.as_ref().to_vec())
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key().as_ref());
        public.verify(message, signature).is_ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}
