//! Where a session stands (§6.3, §6.7).
//!
//! ```text
//! Live --lost--> Detached --lapse--> Closed
//!  ^ resume         |
//!  +----------------+        a resume of a live session takes it over to the new connection
//! ```

use crate::state::transitions;

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionState {
    /// It has a connection.
    Live,
    /// It has none, and can be resumed.
    Detached,
    /// It is gone for good.
    Closed,
}

transitions!(SessionState {
    /// A connection has proved to be its client's; a live session moves to that connection.
    resume: Live | Detached => Live;
    /// Its connection is gone: cut, closed by either side, or silent.
    lost: Live => Detached;
    /// The resume window is over.
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
