//! The state of a session that this client has opened or attached to.
//!
//! ```text
//!            suspend
//!   Live <------------> Suspended
//!     |      resume         |
//!     | terminate           | terminate
//!     +------> Ending <-----+
//! ```
//!
//! A session that has ended is forgotten. While it is `Ending` its lease is not renewed.

use crate::state::transitions;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The session is active.
    Live,
    /// The coordinator has suspended it.
    Suspended,
    /// The application has terminated it.
    Ending,
}

transitions!(Phase {
    /// The coordinator reports that the session is suspended.
    suspend: Live => Suspended;
    /// The coordinator reports that the session is active again.
    resume: Suspended => Live;
    /// The application terminates the session.
    terminate: Live | Suspended => Ending;
});

#[cfg(test)]
mod tests {
    use super::Phase;
    use crate::state::table;

    #[test]
    fn every_state_and_transition() {
        use Phase::{Ending, Live, Suspended};
        insta::assert_snapshot!(table(&[Live, Suspended, Ending]));
    }
}
