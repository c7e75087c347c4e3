//! The verifier of JSON Web Tokens.

use std::time::Duration;

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::error::JwtError;
use super::keys::JwtKeys;
use crate::auth::verifier::{Claim, Rejection, Verifier};

/// A verifier that takes the principal from a JSON Web Token with a valid signature.
///
/// The algorithm follows from the key and never from the token: HS256 for secrets, RS256 for RSA keys, ES256 for keys on
/// P-256. `exp` is required, and `nbf` is respected. A token that names audiences is refused unless one of them is
/// [expected](JwtVerifier::audience) (RFC 7519 §4.1.3).
///
/// ```
/// # fn main() -> Result<(), nuncio_shared::auth::JwtKeyError> {
/// use nuncio_shared::auth::{JwtKeys, JwtVerifier};
///
/// let keys = JwtKeys::secret(b"a secret of at least 32 bytes of entropy")?;
/// let verifier = JwtVerifier::new(keys).issuer(["https://login.example"]).audience(["agents"]);
/// assert!(verifier.principal("not a token").is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct JwtVerifier {
    keys: JwtKeys,
    validation: Validation,
    principal: String,
}

impl JwtVerifier {
    /// Accepts tokens that one of these keys has signed. The principal is the claim `sub`.
    pub fn new(keys: JwtKeys) -> JwtVerifier {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_nbf = true;
        JwtVerifier { keys, validation, principal: "sub".to_owned() }
    }

    /// Requires the claim `aud` to name one of these audiences.
    pub fn audience<S: Into<String>>(mut self, audiences: impl IntoIterator<Item = S>) -> JwtVerifier {
        self.validation.aud = Some(audiences.into_iter().map(Into::into).collect());
        self.validation.required_spec_claims.insert("aud".to_owned());
        self
    }

    /// Requires the claim `iss` to be one of these issuers.
    pub fn issuer<S: Into<String>>(mut self, issuers: impl IntoIterator<Item = S>) -> JwtVerifier {
        self.validation.iss = Some(issuers.into_iter().map(Into::into).collect());
        self.validation.required_spec_claims.insert("iss".to_owned());
        self
    }

    /// Sets how far the clocks of issuer and server may differ, in whole seconds. Default: 60 s.
    pub fn leeway(mut self, leeway: Duration) -> JwtVerifier {
        self.validation.leeway = leeway.as_secs();
        self
    }

    /// Sets the claim that is the principal. Default: `sub`.
    pub fn principal_claim(mut self, claim: impl Into<String>) -> JwtVerifier {
        self.principal = claim.into();
        self
    }

    /// Returns the principal of a token. The error is for the server's log; a client learns only that its token is not
    /// valid.
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
    async fn verify(&self, claim: Claim) -> Result<String, Rejection> {
        self.principal(claim.token.expose()).map_err(|error| {
            claim.explain(&error);
            Rejection::Invalid
        })
    }
}
