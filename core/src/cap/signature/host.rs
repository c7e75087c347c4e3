//! The signer and the verifier of the host.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::key::PublicKey;

/// Why a signer did not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signer has failed")]
pub struct SignerFailed;

/// Signs with a private key on P-256.
///
/// The host provides it, because an implementation in assembly is several times faster than the portable one of the
/// feature `p256`, and because the key may be in a device.
pub trait Signer: fmt::Debug + Send + Sync {
    /// Returns the ECDSA signature over the SHA-256 digest of a message, in ASN.1 DER.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerFailed>;
}

/// A signer that is shared.
impl<S: Signer + ?Sized> Signer for Arc<S> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerFailed> {
        (**self).sign(message)
    }
}

/// Verifies signatures on P-256.
pub trait Verifier: fmt::Debug + Send + Sync {
    /// Returns whether a signature in ASN.1 DER is the one of a key over the SHA-256 digest of a message. A low `s` is
    /// not required.
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool;
}
