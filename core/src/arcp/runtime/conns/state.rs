//! Where a connection stands (§6.1, §6.7).
//!
//! ```text
//! Greeting --hello--> Authenticating --admit--> Bound --end--> Closing --flushed--> Gone
//!     |                     |                     |               |
//!     +--end--> Closing <---+                     |               |
//!     +---------------------+-------lost----------+---------------+---------------> Gone
//! ```

use crate::state::transitions;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnState {
    /// No hello has come.
    Greeting,
    /// The host was asked whose token it is.
    Authenticating,
    /// It carries a session.
    Bound,
    /// It takes the frames that are queued for it, and closes.
    Closing,
    /// It is closed.
    Gone,
}

transitions!(ConnState {
    /// A hello, or a session.resume, that can be checked.
    hello: Greeting => Authenticating;
    /// The host has admitted the principal, and the session is open or resumed.
    admit: Authenticating => Bound;
    /// Its last frame is queued: it was refused, it closes its session, or it broke the rules.
    end: Greeting | Authenticating | Bound => Closing;
    /// The queue is empty, or the time it had to empty is over.
    flushed: Closing => Gone;
    /// The transport is gone, or another connection took the session over.
    lost: Greeting | Authenticating | Bound | Closing => Gone;
});

#[cfg(test)]
mod tests {
    use super::ConnState;
    use crate::state::table;

    #[test]
    fn s6_connection() {
        use ConnState::{Authenticating, Bound, Closing, Gone, Greeting};
        insta::assert_snapshot!(table(&[Greeting, Authenticating, Bound, Closing, Gone]));
    }
}
