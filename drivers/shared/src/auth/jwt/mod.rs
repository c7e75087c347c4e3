//! JSON Web Tokens as bearer tokens (feature `jwt`).

mod keys;

use std::time::Duration;

use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};
use tracing::warn;

use crate::auth::{Claim, Rejection, Verifier};
use crate::io::BoxFuture;
pub use keys::{JwtKeyError, JwtKeys};

/// Takes the principal from a JSON Web Token whose signature is good.
///
/// The algorithm follows from the key and never from the token: HS256 for secrets, RS256 for RSA keys, ES256 for keys on
/// P-256. `exp` is required, `nbf` is kept to. A token that names audiences is refused unless one of them is
/// [expected](JwtVerifier::audience) (RFC 7519 §4.1.3).
#[derive(Debug)]
pub struct JwtVerifier {
    keys: JwtKeys,
    validation: Validation,
    principal: String,
}

impl JwtVerifier {
    /// Tokens signed by one of these keys, whose principal is their `sub`.
    pub fn new(keys: JwtKeys) -> JwtVerifier {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_nbf = true;
        JwtVerifier { keys, validation, principal: "sub".to_owned() }
    }

    /// Requires `aud`, and one of these in it.
    pub fn audience<S: Into<String>>(mut self, audiences: impl IntoIterator<Item = S>) -> JwtVerifier {
        self.validation.aud = Some(audiences.into_iter().map(Into::into).collect());
        self.validation.required_spec_claims.insert("aud".to_owned());
        self
    }

    /// Requires `iss`, and that it is one of these.
    pub fn issuer<S: Into<String>>(mut self, issuers: impl IntoIterator<Item = S>) -> JwtVerifier {
        self.validation.iss = Some(issuers.into_iter().map(Into::into).collect());
        self.validation.required_spec_claims.insert("iss".to_owned());
        self
    }

    /// How far the clocks of issuer and server may be apart, in whole seconds. Default 60.
    pub fn leeway(mut self, leeway: Duration) -> JwtVerifier {
        self.validation.leeway = leeway.as_secs();
        self
    }

    /// Which claim is the principal. Default `sub`.
    pub fn principal_claim(mut self, claim: impl Into<String>) -> JwtVerifier {
        self.principal = claim.into();
        self
    }

    /// The principal of a token, or what is wrong with it: that is for the server's log, its client is told less.
    pub fn principal(&self, token: &str) -> Result<String, JwtError> {
        let header = decode_header(token).map_err(|error| JwtError::of(&error))?;
        let key = self.keys.find(header.kid.as_deref(), header.alg)?;
        let validation = Validation { algorithms: vec![key.algorithm], ..self.validation.clone() };
        let mut claims: Map<String, Value> =
            decode(token, &key.key, &validation).map_err(|error| JwtError::of(&error))?.claims;
        match claims.remove(&self.principal) {
            Some(Value::String(principal)) if !principal.is_empty() => Ok(principal),
            Some(_) => Err(JwtError::NotAName(self.principal.clone())),
            None => Err(JwtError::Missing(self.principal.clone())),
        }
    }
}

impl Verifier for JwtVerifier {
    fn verify(&self, claim: Claim) -> BoxFuture<'_, Result<String, Rejection>> {
        let verdict = self.principal(claim.token.expose()).map_err(|error| {
            warn!(client = claim.client, %error, "a JSON Web Token was refused");
            Rejection::Invalid
        });
        Box::pin(std::future::ready(verdict))
    }
}

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
    fn of(error: &Error) -> JwtError {
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
