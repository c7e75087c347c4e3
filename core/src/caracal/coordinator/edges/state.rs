//! The state of an edge (§2.3).
//!
//! ```text
//!   Active -- expire --> Expired
//!     |                     |
//!     +------ revoke -------+--> Revoked
//! ```

use crate::state::transitions;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The edge passes authority on.
    Active,
    /// The lifetime of the edge has ended. It can still be revoked, which ends its target.
    Expired,
    /// The edge was revoked, or a session at an end of it has ended.
    Revoked,
}

transitions!(Standing {
    /// The lifetime has ended.
    expire: Active => Expired;
    /// The edge is revoked.
    revoke: Active | Expired => Revoked;
});

impl Standing {
    /// Returns the word of the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Standing::Active => "active",
            Standing::Expired => "expired",
            Standing::Revoked => "revoked",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Standing;
    use crate::state::table;

    #[test]
    fn every_state_and_transition() {
        use Standing::{Active, Expired, Revoked};
        insta::assert_snapshot!(table(&[Active, Expired, Revoked]));
    }
}
