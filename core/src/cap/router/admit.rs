//! Which workers get jobs.

use super::Router;
use super::workers::Worker;

impl Router {
    /// Whether a worker may be given jobs: it speaks the version of the protocol that requests have. Its packets are verified
    /// before it is known.
    pub(super) fn admits(worker: &Worker) -> bool {
        worker.speaks
    }
}
