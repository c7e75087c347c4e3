//! The phase of a worker, which says whether it takes jobs.
//!
//! ```text
//! Serving --drain--> Draining --empty--> Drained
//! ```

use crate::state::transitions;

/// The phase of a worker, which says whether it takes jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It takes jobs.
    Serving,
    /// It takes no more jobs, and ends those that it has.
    Draining,
    /// It has no jobs.
    Drained,
}

transitions!(Phase {
    /// The host ends the worker.
    drain: Serving => Draining;
    /// The last job has ended.
    empty: Draining => Drained;
});

#[cfg(test)]
mod tests {
    use super::Phase;
    use crate::state::table;

    #[test]
    fn worker_phase() {
        insta::assert_snapshot!(table(&[Phase::Serving, Phase::Draining, Phase::Drained]));
    }
}
