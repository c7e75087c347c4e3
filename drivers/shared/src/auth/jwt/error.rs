//! Errors of tokens and of keys.

use std::io;
use std::path::PathBuf;

use jsonwebtoken::errors::{Error, ErrorKind};

/// Why a token is not valid. The error does not show the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// It is not three parts of base64 with JSON in them, its algorithm is unknown, or its header names an extension that
    /// must be understood (`crit`, RFC 7515 §4.1.11).
    #[error("it is not a JSON Web Token, or needs an extension of it (crit)")]
    Malformed,
    /// Its `kid` belongs to no key, even after the keys were read again.
    #[error("its kid {0:?} belongs to no known key")]
    UnknownKey(String),
    /// It has no `kid`, and there is more than one key for its algorithm, or none.
    #[error("it names no key (kid), and there is not exactly one key for its algorithm")]
    NoKeyNamed,
    /// Its `alg` is not the algorithm of its key.
    #[error("its alg is not the algorithm of its key")]
    Algorithm,
    /// The signature is by another key, or over other contents.
    #[error("its signature is not valid")]
    Signature,
    /// It is past its `exp`.
    #[error("it has expired")]
    Expired,
    /// It is before its `nbf`.
    #[error("it is not valid yet (nbf); is this machine's clock right?")]
    NotYetValid,
    /// It is for another audience.
    #[error("it is for another audience (aud)")]
    Audience,
    /// It is from another issuer.
    #[error("it is from another issuer (iss)")]
    Issuer,
    /// A required claim is missing.
    #[error("it has no claim {0:?}")]
    Missing(String),
    /// A claim has the wrong type.
    #[error("its claim {0:?} is of the wrong type")]
    ClaimType(String),
    /// The claim of the principal is not a string, or is empty.
    #[error("its claim {0:?} is not a name")]
    NotAName(String),
}

impl JwtError {
    pub(crate) fn of(error: &Error) -> JwtError {
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

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JwtKeyError {
    /// The secret is shorter than the output of HS256, so it could be guessed (RFC 7518 §3.2).
    #[error("the secret has {0} bytes; HS256 needs at least 32")]
    ShortSecret(usize),
    /// The text is not the PEM of a public RSA or P-256 key.
    #[error("this is not the PEM of an RSA key or of a key on the curve P-256 (-----BEGIN PUBLIC KEY-----)")]
    Pem,
    /// The text is a private key. Only the issuer may have it, since it signs tokens.
    #[error("this is the private key, which signs tokens; pass the public one")]
    Private,
    /// The RSA key is too short for RS256 (RFC 7518 §3.3).
    #[error("the RSA key has fewer than 2048 bits")]
    ShortModulus,
    /// A file cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
    /// A file is not a JSON Web Key Set.
    #[error("{} holds no JSON Web Key Set: {error}", path.display())]
    Set {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// A file has no key that can be used.
    #[error("{} holds no key for HS256, RS256 or ES256", .0.display())]
    Empty(PathBuf),
}
