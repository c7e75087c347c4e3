//! Connections on which nothing is received.

/// What to do about a silent connection (§6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Close it: nothing was received for two intervals.
    Dead,
    /// Ping it: it was idle for one interval.
    Ping,
    /// Do nothing: it is not idle.
    None,
}
