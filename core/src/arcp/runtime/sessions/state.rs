//! The state of a session (§6.3, §6.7).
//!
//! ```text
//! Live --lost--> Detached --lapse--> Closed
//!  ^ resume         |
//!  +----------------+        a resume of a live session takes it over to the new connection
//! ```

use crate::state::transitions;

/// The state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionState {
    /// It has a connection.
    Live,
    /// It has no connection, and can be resumed.
    Detached,
    /// It can no longer be resumed.
    Closed,
}

transitions!(SessionState {
    /// A new connection has proved to belong to its client. A live session moves to it.
    resume: Live | Detached => Live;
    /// Its connection is lost: cut, closed by either side, or silent.
    lost: Live => Detached;
    /// The resume window has passed.
    lapse: Detached => Closed;
});

#[cfg(test)]
mod tests {
    use super::SessionState;
    use crate::state::table;

    #[test]
    fn s6_3_session() {
        insta::assert_snapshot!(table(&[SessionState::Live, SessionState::Detached, SessionState::Closed]));
    }
}
