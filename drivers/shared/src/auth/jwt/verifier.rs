//! The verifier of JSON Web Tokens.

use std::time::Duration;

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};
use tracing::warn;

use super::error::JwtError;
use super::keys::JwtKeys;
use crate::auth::{Claim, Rejection, Verifier};
use crate::io::BoxFuture;

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
