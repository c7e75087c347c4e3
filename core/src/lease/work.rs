//! The work that a comparison may do.

/// The number of elementary steps that are left, each worth some twenty nanoseconds.
pub(super) struct Work<'a>(&'a mut u64);

/// The allowed steps are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

impl Work<'_> {
    pub(super) fn new(left: &mut u64) -> Work<'_> {
        Work(left)
    }

    /// Takes steps off. If fewer are left, none is left.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Exhausted> {
        let left = self.0.checked_sub(steps as u64);
        *self.0 = left.unwrap_or(0);
        left.map(|_| ()).ok_or(Exhausted)
    }
}
