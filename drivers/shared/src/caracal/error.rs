//! Why a call has no result.

use nuncio_core::caracal::{CallFailure, ClientEvent, ClientRefused, CoordinatorFault, TooManyHops};

use super::hub::Hub;
use super::token::TokenFault;
use crate::io::Driver;

/// Why a call to the coordinator has no result, or a request cannot carry the context.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The coordinator refused the call.
    #[error(transparent)]
    Refused(CoordinatorFault),
    /// No attempt has reached the coordinator.
    #[error("the coordinator could not be reached: {0}")]
    Unreachable(String),
    /// There is no token.
    #[error("there is no token: {0}")]
    NoToken(TokenFault),
    /// The call failed for another reason. It may have been carried out if the failure is [`CallFailure::Uncertain`].
    #[error(transparent)]
    Failed(CallFailure),
    /// The client takes no further calls at present.
    #[error(transparent)]
    Client(ClientRefused),
    /// Only a session can delegate, and the calling code runs in none.
    #[error("only a session of this application can delegate; call it within the scope of one")]
    NoSession,
    /// There would be more delegations one after the other than the configuration allows.
    #[error(transparent)]
    TooManyHops(#[from] TooManyHops),
    /// The lifetime is not 1 second to 1 day.
    #[error("a lifetime must be 1 second to 1 day")]
    Ttl,
    /// The metadata is not a JSON object.
    #[error("the metadata cannot be sent: {0}")]
    Metadata(String),
    /// The system has no randomness to give.
    #[error("the system has no randomness to give: {0}")]
    Random(String),
}

impl CallError {
    pub(crate) fn of<D: Driver>(hub: &Hub<D>, failure: CallFailure) -> CallError {
        match failure {
            CallFailure::Refused(fault) => CallError::Refused(fault),
            CallFailure::NoToken => CallError::NoToken(hub.tokens.fault().unwrap_or(TokenFault::Late)),
            CallFailure::Unreachable => match hub.unreachable() {
                Some(reason) => CallError::Unreachable(reason),
                None => CallError::Failed(CallFailure::Unreachable),
            },
            other => CallError::Failed(other),
        }
    }

    /// Returns the error that an event of another kind than the expected one stands for.
    pub(crate) fn of_event<D: Driver>(hub: &Hub<D>, event: ClientEvent) -> CallError {
        match event {
            ClientEvent::Failed { why, .. } => CallError::of(hub, why),
            // The machine ends each call with its own event.
            _ => CallError::closed(),
        }
    }

    pub(crate) fn closed() -> CallError {
        CallError::Failed(CallFailure::Closed)
    }
}

impl From<ClientRefused> for CallError {
    fn from(refused: ClientRefused) -> CallError {
        CallError::Client(refused)
    }
}
