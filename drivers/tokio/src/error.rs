//! What can go wrong on this side of the wire.

use std::io;

/// Why a server cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Nobody would be let in.
    #[error("a server needs a verifier: StaticTokens, or one of your own")]
    NoVerifier,
    /// There is no tokio runtime for the agents.
    #[error("a server is to be built on a tokio runtime, or given one for its agents")]
    NoRuntime,
    /// An agent's name or versions make no sense.
    #[error("{0}")]
    Agent(String),
    /// The system gave no thread or no random numbers.
    #[error("the system refused: {0}")]
    System(#[source] io::Error),
}
