//! JSON Web Tokens as bearer tokens (feature `jwt`).

mod error;
mod keys;
mod verifier;

pub use error::{JwtError, JwtKeyError};
pub use keys::JwtKeys;
#[cfg(feature = "caracal")]
pub(crate) use keys::{JwtKey, choose, read_keys};
pub use verifier::JwtVerifier;
