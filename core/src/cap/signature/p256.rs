//! A signer and a verifier in portable Rust, with the crate `p256`.

use alloc::vec::Vec;
use core::fmt;

use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};

use super::host::{Signer, SignerFailed, Verifier};
use super::key::{InvalidKey, PublicKey};

/// A private key on P-256 in memory, which is wiped when it is dropped. Its signatures are deterministic (RFC 6979), so it
/// needs no randomness.
///
/// ```
/// use nuncio_core::cap::{Authentication, BusPacket, JobRequest, Keyring, MapOrder, P256Signer, P256Verifier, Reading};
/// use nuncio_core::cap::{Timestamp, open, seal};
/// use nuncio_core::time::Time;
///
/// # fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let signer = P256Signer::from_bytes(&[7; 32])?; // with 32 secret random bytes
/// let request = JobRequest { job_id: "job-1".into(), topic: "job.echo".into(), ..JobRequest::default() };
/// let packet = BusPacket {
///     trace_id: "trace-1".into(),
///     sender_id: "client-1".into(),
///     created_at: Some(Timestamp::from_time(Time(1_779_000_000_000_000))),
///     protocol_version: 1,
///     payload: Some(request.into()),
///     ..BusPacket::default()
/// };
/// let sealed = seal(packet, MapOrder::Lexicographic, Some(&signer))?;
///
/// let mut keys = Keyring::default();
/// keys.add("client-1", signer.public_key())?;
/// let reading = Reading::new(Authentication::Signed(keys));
/// assert!(open(&sealed.bytes, &reading, &P256Verifier).is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct P256Signer(SigningKey);

impl P256Signer {
    /// Takes the 32 bytes of a private key. They must be secret and random.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<P256Signer, InvalidKey> {
        SigningKey::from_slice(bytes).map(P256Signer).map_err(|_| InvalidKey::Form)
    }

    /// Reads a private key in PEM form (PKCS #8).
    pub fn from_pem(pem: &str) -> Result<P256Signer, InvalidKey> {
        SigningKey::from_pkcs8_pem(pem).map(P256Signer).map_err(|_| InvalidKey::Pem)
    }

    /// Returns the public key.
    pub fn public_key(&self) -> PublicKey {
        point(self.0.verifying_key())
    }
}

/// Returns the key as an uncompressed point.
fn point(key: &VerifyingKey) -> PublicKey {
    PublicKey::of_point(key.to_sec1_point(false).as_bytes())
}

impl fmt::Debug for P256Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("P256Signer").field(&self.public_key()).finish()
    }
}

impl Signer for P256Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerFailed> {
        let signature: Signature = self.0.try_sign(message).map_err(|_| SignerFailed)?;
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

impl PublicKey {
    /// Reads a public key in PEM form (`SubjectPublicKeyInfo`).
    pub fn from_pem(pem: &str) -> Result<PublicKey, InvalidKey> {
        VerifyingKey::from_public_key_pem(pem).map(|key| point(&key)).map_err(|_| InvalidKey::Pem)
    }
}

/// The verifier that belongs to [`P256Signer`].
#[derive(Clone, Copy, Debug, Default)]
pub struct P256Verifier;

impl Verifier for P256Verifier {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        let key = VerifyingKey::from_sec1_bytes(key.as_sec1());
        let signature = Signature::from_der(signature);
        key.is_ok_and(|key| signature.is_ok_and(|signature| key.verify(message, &signature).is_ok()))
    }
}
