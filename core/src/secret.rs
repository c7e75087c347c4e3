//! Texts that must not be printed: [`Secret`].

use alloc::string::String;
use core::{fmt, mem};

use subtle::ConstantTimeEq as _;
use zeroize::optimization_barrier;

use crate::digest::{Digest, sha256};

/// A text that must not be printed, such as a bearer token or the value of a credential.
///
/// Its `Debug` form does not contain it, its memory is wiped when it is dropped, and two secrets are compared in a time
/// that depends on their lengths alone.
///
/// ```
/// use nuncio_core::arcp::Secret;
///
/// let token = Secret::new("s3cret");
/// assert_eq!(format!("{token:?}"), "Secret");
/// assert_eq!(token.expose(), "s3cret");
/// ```
#[derive(Clone, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// Returns the text. It must not be logged.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the SHA-256 digest, which can be stored in place of the secret.
    pub(crate) fn digest(&self) -> Digest {
        sha256(self.0.as_bytes())
    }
}

impl Drop for Secret {
    /// Wipes the memory with one `memset`. `Zeroizing` writes byte by byte, which takes longer than all the rest of reading
    /// a token.
    fn drop(&mut self) {
        let mut bytes = mem::take(&mut self.0).into_bytes();
        // What is beyond the length may be left of a longer text.
        bytes.resize(bytes.capacity(), 0);
        bytes.fill(0);
        optimization_barrier(bytes.as_slice());
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
