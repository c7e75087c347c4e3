//! What comes of a shutdown.

/// What a shutdown meant for the jobs that were running. From [`Server::shutdown`](super::Server::shutdown).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a shutdown may have ended running jobs"]
pub enum Shutdown {
    /// Every job ended by itself.
    Drained,
    /// The time for the drain passed, and the remaining jobs were ended, or left to the next start of a server with a journal.
    Aborted,
}
