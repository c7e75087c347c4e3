//! What can be wrong with a token and with a key.

use std::io;
use std::path::PathBuf;

use jsonwebtoken::errors::{Error, ErrorKind};

/// What is wrong with a token. None of it shows the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Not three parts of base64 with JSON in them, or an algorithm nobody knows.
    #[error("it is no JSON Web Token")]
    Malformed,
    /// A `kid` that belongs to no key, even after the keys were read again.
    #[error("its kid {0:?} is none of the known keys'")]
    UnknownKey(String),
    /// No `kid`, and not exactly one key that it could mean.
    #[error("it names no key (kid), and there is not exactly one that could be meant")]
    NoKeyNamed,
    /// The header's `alg` is another than its key is for.
    #[error("its alg is another than its key is for")]
    Algorithm,
    /// The signature belongs to another key, or to other contents.
    #[error("its signature is not good")]
    Signature,
    /// Past its `exp`.
    #[error("it has expired")]
    Expired,
    /// Before its `nbf`.
    #[error("it is not valid yet (nbf); is this machine's clock right?")]
    NotYetValid,
    /// For others.
    #[error("it is for another audience (aud)")]
    Audience,
    /// From others.
    #[error("it is from another issuer (iss)")]
    Issuer,
    /// A claim that has to be there is not.
    #[error("it has no claim {0:?}")]
    Missing(String),
    /// A claim is of another type than it has to be.
    #[error("its claim {0:?} is of the wrong type")]
    ClaimType(String),
    /// The principal's claim is no text, or an empty one.
    #[error("its claim {0:?} is no name")]
    NotAName(String),
}

impl JwtError {
    pub(super) fn of(error: &Error) -> JwtError {
        match error.kind() {
            ErrorKind::InvalidSignature => JwtError::Signature,
            ErrorKind::ExpiredSignature => JwtError::Expired,
            ErrorKind::ImmatureSignature => JwtError::NotYetValid,
            ErrorKind::InvalidAudience => JwtError::Audience,
            ErrorKind::InvalidIssuer => JwtError::Issuer,
            ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => JwtError::Algorithm,
            ErrorKind::MissingRequiredClaim(claim) => JwtError::Missing(claim.clone()),
            ErrorKind::InvalidClaimFormat(claim) => JwtError::ClaimType(claim.clone()),
            _ => JwtError::Malformed,
        }
    }
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum JwtKeyError {
    /// Shorter than its algorithm's output: it could be guessed (RFC 7518 §3.2).
    #[error("the secret has {0} bytes; HS256 needs at least 32")]
    ShortSecret(usize),
    /// No PEM of a public key on a curve or of RSA.
    #[error("this is no PEM of an RSA key or of a key on the curve P-256 (-----BEGIN PUBLIC KEY-----)")]
    Pem,
    /// An issuer's own key, which has no business here.
    #[error("this is the private key, with which anybody could make tokens; give the public one")]
    Private,
    /// An RSA key that is too short for RS256 (RFC 7518 §3.3).
    #[error("the RSA key has fewer than 2048 bits")]
    ShortModulus,
    /// A file cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// No JSON Web Key Set.
    #[error("{} holds no JSON Web Key Set: {error}", path.display())]
    Set {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: serde_json::Error,
    },
    /// No key in it can be used.
    #[error("{} holds no key for HS256, RS256 or ES256", .0.display())]
    Empty(PathBuf),
}
