//! The state of a trust session.
//!
//! ```text
//!               +--------------------- ask ----------------------+
//!               v                                                |
//! Idle --ask--> Challenging --answer--> Authenticating --trust--> Trusted
//!               ^    |                        |
//!               |    +--pause--> Pausing <----+ pause
//!               +------ ask -------+
//!
//! every state --lose--> Idle
//! ```

use crate::state::transitions;

/// The state of a trust session. Whether there is a token is another matter: one that is valid is kept while it is
/// renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustState {
    /// The bus is away.
    Idle,
    /// A challenge was asked for.
    Challenging,
    /// The challenge was answered, and the result is awaited.
    Authenticating,
    /// An exchange has failed, and another one follows.
    Pausing,
    /// There is a session, which is renewed later.
    Trusted,
}

transitions!(TrustState {
    /// A challenge is requested: the bus is connected, a pause has ended, or the session must be renewed.
    ask: Idle | Pausing | Trusted => Challenging;
    /// A challenge has come.
    answer: Challenging => Authenticating;
    /// The session is open.
    trust: Authenticating => Trusted;
    /// The exchange has failed.
    pause: Challenging | Authenticating => Pausing;
    /// The bus is away.
    lose: Challenging | Authenticating | Pausing | Trusted => Idle;
});

#[cfg(test)]
mod tests {
    use super::TrustState;
    use crate::state::table;

    #[test]
    fn trust_session() {
        use TrustState::{Authenticating, Challenging, Idle, Pausing, Trusted};
        insta::assert_snapshot!(table(&[Idle, Challenging, Authenticating, Pausing, Trusted]));
    }
}
