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
    /// The token is not for a resource.
    #[error("the token is not for the resource {0:?} (target)")]
    Target(String),
    /// The edges have changed since the token was issued.
    #[error("the edges have changed since the token was issued (delegation_graph_epoch)")]
    Stale,
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
    /// The token was not delegated by an application.
    #[error("the token was not delegated by the application {0:?} (delegation_chain)")]
    Chain(String),
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
            | MandateFault::Target(_)
            | MandateFault::Stale
            | MandateFault::Revoked => StatusCode::UNAUTHORIZED,
            MandateFault::Keys(_) => StatusCode::SERVICE_UNAVAILABLE,
            MandateFault::Scope(_)
            | MandateFault::NoSession
            | MandateFault::NoDelegation
            | MandateFault::Chain(_)
            | MandateFault::TooManyHops => StatusCode::FORBIDDEN,
        }
    }

    /// Returns the code in the body of the answer.
    pub const fn code(&self) -> &'static str {
        match self {
            MandateFault::TooLong | MandateFault::Token(_) | MandateFault::Use => "invalid_token",
            MandateFault::Zone => "zone_mismatch",
            MandateFault::Target(_) => "target_mismatch",
            MandateFault::Stale => "delegation_stale",
            MandateFault::Revoked => "token_revoked",
            MandateFault::Keys(_) => "keys_unavailable",
            MandateFault::Scope(_) => "insufficient_scope",
            MandateFault::NoSession => "session_required",
            MandateFault::NoDelegation => "delegation_required",
            MandateFault::Chain(_) => "chain_mismatch",
            MandateFault::TooManyHops => "hop_count_exceeded",
        }
    }
}
