//! The state of a connection (§6.1, §6.7).
//!
//! ```text
//! Greeting --hello--> Authenticating --admit--> Bound --end--> Closing --flushed--> Gone
//!     |                     |                     |               |
//!     +--end--> Closing <---+                     |               |
//!     +---------------------+-------lost----------+---------------+---------------> Gone
//! ```

use crate::state::transitions;

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnState {
    /// No hello was received yet.
    Greeting,
    /// The host was asked for the principal of the token.
    Authenticating,
    /// It carries a session.
    Bound,
    /// Its queued frames are still sent, then it closes.
    Closing,
    /// It is closed.
    Gone,
}

transitions!(ConnState {
    /// A hello, or a session.resume, that can be checked.
    hello: Greeting => Authenticating;
    /// The host has admitted the principal, and the session is open or resumed.
    admit: Authenticating => Bound;
    /// Its last frame is queued, because it was refused, its session is closing, or the peer broke a rule.
    end: Greeting | Authenticating | Bound => Closing;
    /// The queue is empty, or the time to empty it has passed.
    flushed: Closing => Gone;
    /// The transport was lost, or another connection has taken the session over.
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
