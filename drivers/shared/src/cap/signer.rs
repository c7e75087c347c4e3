//! Keys on P-256, with `ring`.

use std::fmt;

use nuncio_core::cap::{InvalidKey, PublicKey, Signer, SignerFailed, Verifier};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use zeroize::Zeroizing;

/// Why a private key cannot be used. It shows nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// The text is not a private key in the PEM form of PKCS #8.
    #[error("this is not a private key in the PEM form of PKCS #8, which begins with -----BEGIN PRIVATE KEY-----")]
    Pem,
    /// The text is a private key in another form.
    #[error("{0}; `openssl pkcs8 -topk8 -nocrypt` makes the PEM form of PKCS #8 from it")]
    OtherForm(&'static str),
    /// The bytes are not a PKCS #8 key on P-256 with its public key.
    #[error("this is not a PKCS #8 key on the curve P-256 with its public key")]
    Pkcs8,
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers")]
    Random,
}

/// A private key on P-256 that signs packets, with `ring`. Its `Debug` form shows the public key only.
///
/// Read are the PEM and the DER form of PKCS #8, unencrypted and with the public key in it, as Python's `cryptography`,
/// `openssl pkcs8` and [`generate`](RingSigner::generate) write it. Keys in the form of SEC 1 (`BEGIN EC PRIVATE KEY`) and
/// encrypted keys are refused with a sentence that names the command which converts them.
///
/// ```
/// use nuncio_shared::cap::{Keyring, RingSigner};
///
/// let (signer, secret) = RingSigner::generate()?;
/// assert!(secret.starts_with("-----BEGIN PRIVATE KEY-----"));
/// let mut keys = Keyring::default();
/// keys.add("worker-1", signer.public_key())?;
/// assert_eq!(RingSigner::from_pem(&secret)?.public_key(), signer.public_key());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RingSigner {
    key: EcdsaKeyPair,
    public: PublicKey,
    random: SystemRandom,
}

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

impl RingSigner {
    /// Makes a random key. Returns it together with its PEM form, which is secret.
    pub fn generate() -> Result<(RingSigner, Zeroizing<String>), PrivateKeyError> {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
            .map_err(|_| PrivateKeyError::Random)?;
        let signer = RingSigner::from_pkcs8(document.as_ref())?;
        Ok((signer, pem::write(BEGIN, END, document.as_ref())))
    }

    /// Reads the PEM form of PKCS #8.
    pub fn from_pem(text: &str) -> Result<RingSigner, PrivateKeyError> {
        if text.contains("-----BEGIN EC PRIVATE KEY-----") {
            return Err(PrivateKeyError::OtherForm("this is a private key in the form of SEC 1"));
        }
        if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
            return Err(PrivateKeyError::OtherForm("this is an encrypted private key"));
        }
        let der = pem::read(BEGIN, END, text).ok_or(PrivateKeyError::Pem)?;
        RingSigner::from_pkcs8(&der)
    }

    /// Reads the DER form of PKCS #8.
    pub fn from_pkcs8(der: &[u8]) -> Result<RingSigner, PrivateKeyError> {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &random)
            .map_err(|_| PrivateKeyError::Pkcs8)?;
        let public = PublicKey::from_sec1(key.public_key().as_ref()).map_err(|_| PrivateKeyError::Pkcs8)?;
        Ok(RingSigner { key, public, random })
    }

    /// Returns the public key.
    pub fn public_key(&self) -> PublicKey {
        self.public
    }
}

impl fmt::Debug for RingSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RingSigner").field(&self.public).finish()
    }
}

impl Signer for RingSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerFailed> {
        let signature = self.key.sign(&self.random, message).map_err(|_| SignerFailed)?;
        Ok(signature.as_ref().to_vec())
    }
}

/// Verifies packets, with `ring`: about four times as fast as in portable Rust.
#[derive(Clone, Copy, Debug, Default)]
pub struct RingVerifier;

impl Verifier for RingVerifier {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.as_sec1()).verify(message, signature).is_ok()
    }
}

/// The DER prefix of the `SubjectPublicKeyInfo` of a key on P-256; the uncompressed point follows.
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

const BEGIN_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----";
const END_PUBLIC: &str = "-----END PUBLIC KEY-----";

/// Reads a public key on P-256 in PEM form (`SubjectPublicKeyInfo`), as `openssl ec -pubout` writes it. Whether the point
/// is on the curve is the verifier's to check.
///
/// ```
/// use nuncio_shared::cap::{RingSigner, read_public_key, write_public_key};
///
/// let (signer, _) = RingSigner::generate()?;
/// let pem = write_public_key(&signer.public_key());
/// assert_eq!(read_public_key(&pem)?, signer.public_key());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_public_key(pem: &str) -> Result<PublicKey, InvalidKey> {
    let der = pem::read(BEGIN_PUBLIC, END_PUBLIC, pem).ok_or(InvalidKey::Pem)?;
    let point = der.strip_prefix(&SPKI).ok_or(InvalidKey::Pem)?;
    PublicKey::from_sec1(point).map_err(|_| InvalidKey::Pem)
}

/// Writes a public key in PEM form (`SubjectPublicKeyInfo`).
pub fn write_public_key(key: &PublicKey) -> String {
    let mut der = SPKI.to_vec();
    der.extend_from_slice(key.as_sec1());
    pem::write(BEGIN_PUBLIC, END_PUBLIC, &der).to_string()
}

/// The PEM form: base64 between two lines.
mod pem {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use zeroize::Zeroizing;

    pub(super) fn read(begin: &str, end: &str, text: &str) -> Option<Zeroizing<Vec<u8>>> {
        let (_, rest) = text.split_once(begin)?;
        let (body, _) = rest.split_once(end)?;
        let body: Zeroizing<String> = Zeroizing::new(body.split_ascii_whitespace().collect());
        STANDARD.decode(&*body).ok().map(Zeroizing::new)
    }

    pub(super) fn write(begin: &str, end: &str, der: &[u8]) -> Zeroizing<String> {
        let body = Zeroizing::new(STANDARD.encode(der));
        let mut text = Zeroizing::new(String::with_capacity(body.len() + 128));
        let mut rest = body.as_str();
        text.push_str(begin);
        while !rest.is_empty() {
            let (line, more) = rest.split_at(rest.len().min(64));
            text.push('\n');
            text.push_str(line);
            rest = more;
        }
        text.push('\n');
        text.push_str(end);
        text.push('\n');
        text
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use super::*;

    #[test]
    fn a_signature_verifies_with_its_key_and_message_only() {
        let (signer, _) = RingSigner::generate().unwrap();
        let (other, _) = RingSigner::generate().unwrap();
        let signature = signer.sign(b"message").unwrap();
        assert!(RingVerifier.verify(&signer.public_key(), b"message", &signature));
        assert!(!RingVerifier.verify(&signer.public_key(), b"massage", &signature));
        assert!(!RingVerifier.verify(&other.public_key(), b"message", &signature));
    }

    #[test]
    fn the_key_is_not_printed() {
        let (signer, secret) = RingSigner::generate().unwrap();
        let body: String = secret.lines().filter(|line| !line.starts_with('-')).collect();
        assert!(!format!("{signer:?}").contains(&body[40..60]));
    }

    #[test]
    fn other_forms_are_named_in_the_refusal() {
        let refused = |text: &str| RingSigner::from_pem(text).unwrap_err();
        assert!(matches!(refused("-----BEGIN EC PRIVATE KEY-----\n"), PrivateKeyError::OtherForm(_)));
        assert!(matches!(refused("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), PrivateKeyError::OtherForm(_)));
        assert_eq!(refused("hello"), PrivateKeyError::Pem);
        assert_eq!(refused(&format!("{BEGIN}\nAAAA\n{END}\n")), PrivateKeyError::Pkcs8);
    }
}
