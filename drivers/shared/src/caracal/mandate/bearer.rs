//! Mandates as the bearer tokens of an ARCP server.

use nuncio_core::caracal::BearerToken;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Mandate, MandateFault, MandateVerifier};
use crate::auth::{Claim, JwtError, Rejection, Verifier};
use crate::io::Driver;

/// What is escaped in a part of a principal: everything but letters, digits, `-`, `.`, `_` and `~`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Mandate {
    /// Returns the principal of the bearer: its zone and application, as `caracal:my-zone/my-app`. Characters other than
    /// letters, digits, `-`, `.`, `_` and `~` are percent-encoded in both, so no other zone and application have the same.
    ///
    /// The subject, the session and the scopes are not part of it: they differ between the tokens of an application.
    pub fn principal(&self) -> String {
        let [zone, application] = [&self.zone, &self.application].map(|id| utf8_percent_encode(id, ESCAPED));
        format!("caracal:{zone}/{application}")
    }
}

/// Accepts mandates as the tokens of clients; their principal is that of [`Mandate::principal`].
impl<D: Driver> Verifier for MandateVerifier<D> {
    async fn verify(&self, claim: Claim) -> Result<String, Rejection> {
        let token = BearerToken::new(claim.token.expose());
        let token = token.map_err(|_| Rejection::Refused("the bearer token is not a Caracal mandate"))?;
        match self.verify(&token).await {
            Ok(mandate) => Ok(mandate.principal()),
            Err(fault) => {
                claim.explain(&fault);
                Err(rejection(&fault))
            }
        }
    }
}

/// Returns what the client is told. No sentence has a part of the token in it.
fn rejection(fault: &MandateFault) -> Rejection {
    let sentence = match fault {
        MandateFault::Keys(_) => return Rejection::Unavailable,
        MandateFault::TooLong | MandateFault::Token(JwtError::Malformed | JwtError::Algorithm) => {
            "the bearer token is not a Caracal mandate"
        }
        MandateFault::Token(JwtError::UnknownKey(_) | JwtError::NoKeyNamed) => {
            "the mandate is not signed by a key of the zone"
        }
        MandateFault::Token(JwtError::Signature) => "the signature of the mandate is not valid",
        MandateFault::Token(JwtError::Expired) => "the mandate has expired; get another one",
        MandateFault::Token(JwtError::NotYetValid) => "the mandate is not valid yet",
        MandateFault::Token(JwtError::Audience) => "the mandate is for another audience",
        MandateFault::Token(JwtError::Issuer) => "the mandate is from another issuer",
        MandateFault::Token(JwtError::Missing(_) | JwtError::ClaimType(_) | JwtError::NotAName(_)) => {
            "a claim of the mandate is missing or has the wrong type"
        }
        MandateFault::Zone => "the mandate is for another zone",
        MandateFault::Use => "the mandate is for another use",
        MandateFault::Target(_) => "the mandate is for other resources than this server requires",
        MandateFault::Stale => "the mandate is older than the present delegations; get another one",
        MandateFault::Revoked => "the mandate was revoked",
        MandateFault::Scope(_) => "the mandate lacks a scope that this server requires",
        MandateFault::NoSession => "the mandate belongs to no agent session, which this server requires",
        MandateFault::NoDelegation => "the mandate was not delegated, which this server requires",
        MandateFault::Chain(_) => "the mandate was not delegated by an application that this server requires",
        MandateFault::TooManyHops => "the mandate has come over too many delegations",
    };
    Rejection::Refused(sentence)
}
