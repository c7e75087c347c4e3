//! The progress of a shutdown.

/// The progress of a shutdown, which decides whether the runtime takes new work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Drain {
    /// It takes new work.
    #[default]
    Open,
    /// It takes no submits, and waits for its last job.
    Draining,
    /// No job is left, and the host knows it.
    Drained,
}

impl Drain {
    pub(super) fn is_draining(self) -> bool {
        self != Drain::Open
    }

    pub(super) fn is_drained(self) -> bool {
        self == Drain::Drained
    }

    pub(super) fn begin(&mut self) {
        if *self == Drain::Open {
            *self = Drain::Draining;
        }
    }

    /// Notes that no job is left. Returns whether the runtime was waiting for that.
    pub(super) fn complete(&mut self) -> bool {
        let waiting = *self == Drain::Draining;
        if waiting {
            *self = Drain::Drained;
        }
        waiting
    }
}
