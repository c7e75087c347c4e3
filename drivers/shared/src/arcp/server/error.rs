//! Why a server cannot be built.

use std::io;

use crate::arcp::journal::JournalError;

/// Why a server cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no verifier, so no client could connect.
    #[error("a server needs a verifier: StaticTokens, or one of your own")]
    NoVerifier,
    /// There is no executor for the agents: the server is not built on a tokio runtime and was given none.
    #[error("a server needs an executor for its agents: build it on a tokio runtime, or set one with agent_runtime")]
    NoRuntime,
    /// The names and versions of the agents contradict each other, or one of them is not valid.
    #[error("{0}")]
    Agent(String),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The number of journals is not that of the shards.
    #[error("the server has {shards} shards and {journals} journals; each shard needs one of its own, or none has one")]
    Journals {
        /// The number of journals.
        journals: usize,
        /// The number of shards.
        shards: u32,
    },
    /// The system has refused a thread or random numbers.
    #[error("the system refused: {0}")]
    System(#[source] io::Error),
}
