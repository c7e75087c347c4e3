//! Why a demonstration fails.

use std::io;
use std::time::Duration;

use nuncio_tokio::arcp::journal::JournalError;
use nuncio_tokio::arcp::{BuildError, ClientBuildError, ClientError, LeaseError, SessionEnd};

#[derive(Debug, thiserror::Error)]
pub(super) enum DemoError {
    #[error("the demonstration did not end within {} s", .0.as_secs())]
    TimedOut(Duration),
    #[error("the runtime could not be built: {0}")]
    Build(#[from] BuildError),
    #[error("the operating system refused a resource: {0}")]
    System(#[from] io::Error),
    #[error("the client could not connect: {0}")]
    Connect(#[from] ClientBuildError),
    #[error("the operations to ask about are not valid: {0}")]
    Lease(#[from] LeaseError),
    #[error("the job could not be submitted: {0}")]
    Submit(#[from] ClientError),
    #[error("the session has ended: {0}")]
    Session(#[from] SessionEnd),
    #[error("the request could not be encoded: {0}")]
    Encode(#[from] serde_json::Error),
    #[error("the runtime did not start: {0}")]
    Start(String),
    #[error("the pool did not start: {0}")]
    Pool(String),
    #[error("{0}")]
    Journal(#[from] JournalError),
    #[error("the check failed: {0}")]
    Check(String),
}
