//! Texts that are never printed.

use alloc::string::String;
use core::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::digest::{Digest, sha256};

/// A text that is never printed: a bearer token, a credential's value. Its memory is wiped when it is dropped, and it is
/// compared in a time that depends on the lengths alone.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(Zeroizing::new(text.into()))
    }

    /// The text. Do not log it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn digest(&self) -> Digest {
        sha256(self.0.as_bytes())
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
