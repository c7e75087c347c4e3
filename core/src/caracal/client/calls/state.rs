//! The state of a call.
//!
//! ```text
//!             send              finish
//!   Ready ------------> Sent ------------> Done
//!     ^                  |                  ^
//!     | due              | delay            |
//!     +----- Delayed <---+                  +--- finish --- Ready, Delayed
//! ```
//!
//! A call that is `Ready` waits for a token. After a retryable failure it is `Delayed`.

use crate::state::transitions;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is sent as soon as there is a token.
    Ready,
    /// An attempt is under way.
    Sent,
    /// The next attempt waits for its time.
    Delayed,
    /// The call has ended.
    Done,
}

transitions!(Phase {
    /// An attempt begins.
    send: Ready => Sent;
    /// The attempt has failed and is to be repeated.
    delay: Sent => Delayed;
    /// The time of the next attempt has come.
    due: Delayed => Ready;
    /// The call has ended.
    finish: Ready | Sent | Delayed => Done;
});

#[cfg(test)]
mod tests {
    use super::Phase;
    use crate::state::table;

    #[test]
    fn every_state_and_transition() {
        use Phase::{Delayed, Done, Ready, Sent};
        insta::assert_snapshot!(table(&[Ready, Sent, Delayed, Done]));
    }
}
