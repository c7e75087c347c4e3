use nuncio_link::http::StatusCode;

use crate::auth::JwtError;

/// Why a token is refused. The error does not show the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MandateFault {
    /// The token has more than 4096 bytes.
    #[error("the token is longer than 4096 bytes")]
    TooLong,
    /// The token is not valid.
    #[error("the token is not valid: {0}")]
    Token(JwtError),
    /// The token is for another zone.
    #[error("the token is for another zone (zone_id)")]
    Zone,
    /// The token is for another use.
    #[error("the token is for another use (use)")]
    Use,
    /// The token was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// The keys of the issuer could not be fetched.
    #[error("the keys of the issuer could not be fetched: {0}")]
    Keys(String),
    /// The token lacks a scope.
    #[error("the token lacks the scope {0:?}")]
    Scope(String),
    /// The token belongs to no agent session.
    #[error("the token belongs to no agent session")]
    NoSession,
    /// The token was not delegated.
    #[error("the token was not delegated")]
    NoDelegation,
    /// The token has come over too many delegations.
    #[error("the token has come over too many delegations (hop_count)")]
    TooManyHops,
}

impl MandateFault {
    /// Returns the status of the answer: 403 for a token that permits too little, 503 without the keys, 401 otherwise.
    pub const fn status(&self) -> StatusCode {
        match self {
            MandateFault::TooLong
            | MandateFault::Token(_)
            | MandateFault::Zone
            | MandateFault::Use
            | MandateFault::Revoked => StatusCode::UNAUTHORIZED,
            MandateFault::Keys(_) => StatusCode::SERVICE_UNAVAILABLE,
            MandateFault::Scope(_)
            | MandateFault::NoSession
            | MandateFault::NoDelegation
            | MandateFault::TooManyHops => StatusCode::FORBIDDEN,
        }
    }

    /// Returns the code in the body of the answer.
    pub const fn code(&self) -> &'static str {
        match self {
            MandateFault::TooLong | MandateFault::Token(_) | MandateFault::Use => "invalid_token",
            MandateFault::Zone => "zone_mismatch",
            MandateFault::Revoked => "token_revoked",
            MandateFault::Keys(_) => "keys_unavailable",
            MandateFault::Scope(_) => "insufficient_scope",
            MandateFault::NoSession => "session_required",
            MandateFault::NoDelegation => "delegation_required",
            MandateFault::TooManyHops => "hop_count_exceeded",
        }
    }
}
