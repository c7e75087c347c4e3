//! JSON Web Tokens as bearer tokens (feature `jwt`).

mod error;
mod keys;
mod verifier;

pub use error::{JwtError, JwtKeyError};
pub use keys::JwtKeys;
pub use verifier::JwtVerifier;
