//! A signer and a verifier that cost nothing: a keyed hash in the form of a signature. A run verifies thousands of packets.

use std::hash::{DefaultHasher, Hash, Hasher};

use nuncio_core::cap::{PublicKey, Signer, SignerFailed, Verifier};

/// Signs with a number that is also the public key, so nothing outside of a simulation may use it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HashSigner(pub(crate) u64);

/// The verifier that belongs to [`HashSigner`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct HashVerifier;

impl HashSigner {
    pub(crate) fn public_key(self) -> PublicKey {
        let mut point = [0; 65];
        point[0] = 4;
        point[1..9].copy_from_slice(&self.0.to_be_bytes());
        PublicKey::from_sec1(&point).expect("the form of a public key")
    }
}

impl Signer for HashSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerFailed> {
        Ok(signature(self.0, message))
    }
}

impl Verifier for HashVerifier {
    fn verify(&self, key: &PublicKey, message: &[u8], signed: &[u8]) -> bool {
        let secret: [u8; 8] = key.as_sec1()[1..9].try_into().expect("eight bytes");
        signature(u64::from_be_bytes(secret), message) == signed
    }
}

/// Returns two positive integers in DER.
fn signature(secret: u64, message: &[u8]) -> Vec<u8> {
    let mut out = vec![0x30, 20];
    for part in [0, 1] {
        let mut hasher = DefaultHasher::new();
        (secret, part, message).hash(&mut hasher);
        let number = hasher.finish() >> 1 | 1 << 62;
        out.extend([0x02, 8]);
        out.extend(number.to_be_bytes());
    }
    out
}
