//! The state of a session (§2.2).
//!
//! ```text
//!            suspend
//!   Active <---------> Suspended
//!     |       resume       |
//!     +-- terminate -------+--> Terminated
//!     +-- expire ----------+--> Expired
//! ```
//!
//! `Expired` is the state of a session whose lifetime has ended. It exists only in 1.0; in 0.1 such a session is
//! `Terminated`.

use crate::state::transitions;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The session is at work.
    Active,
    /// The session may not act, and can be resumed.
    Suspended,
    /// The session was ended.
    Terminated,
    /// The lifetime of the session has ended.
    Expired,
}

transitions!(Phase {
    /// The session or one above it is suspended, or its lease lapses.
    suspend: Active => Suspended;
    /// The session or one above it is resumed.
    resume: Suspended => Active;
    /// The session or one above it is terminated.
    terminate: Active | Suspended => Terminated;
    /// The lifetime has ended.
    expire: Active | Suspended => Expired;
});

impl Phase {
    /// Returns the word of the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Phase::Active => "active",
            Phase::Suspended => "suspended",
            Phase::Terminated => "terminated",
            Phase::Expired => "expired",
        }
    }

    pub(crate) const fn is_live(self) -> bool {
        matches!(self, Phase::Active | Phase::Suspended)
    }
}

#[cfg(test)]
mod tests {
    use super::Phase;
    use crate::state::table;

    #[test]
    fn every_state_and_transition() {
        use Phase::{Active, Expired, Suspended, Terminated};
        insta::assert_snapshot!(table(&[Active, Suspended, Terminated, Expired]));
    }
}
