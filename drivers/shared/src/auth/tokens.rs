//! A fixed list of tokens.

use std::fmt;
use std::sync::Arc;

use nuncio_core::arcp::Secret;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::verifier::{Claim, Rejection, Verifier};

/// A verifier with a fixed list of tokens, which are compared in constant time.
///
/// ```
/// use nuncio_shared::auth::StaticTokens;
///
/// let tokens = StaticTokens::new().with("secret", "me@example.com").with("another secret", "you@example.com");
/// ```
#[derive(Clone, Default)]
pub struct StaticTokens {
    tokens: Vec<(Secret, Arc<str>)>,
}

impl StaticTokens {
    /// Returns an empty list, which accepts no token.
    pub fn new() -> StaticTokens {
        StaticTokens::default()
    }

    /// Adds a token of a principal; a principal can have several. An empty token is never valid.
    pub fn with(mut self, token: impl Into<String>, principal: &str) -> StaticTokens {
        self.tokens.push((Secret::new(token), Arc::from(principal)));
        self
    }

    /// Compares with every token, even after one was equal. The time that this takes reveals only the lengths of the
    /// tokens.
    fn find(&self, claimed: &Secret) -> Option<&Arc<str>> {
        let mut found = Choice::from(0);
        let mut index = 0_u64;
        for (at, (token, _)) in (0_u64..).zip(&self.tokens) {
            let equal = token.expose().as_bytes().ct_eq(claimed.expose().as_bytes());
            index = u64::conditional_select(&index, &at, equal & !found);
            found |= equal;
        }
        let valid = bool::from(found) && !claimed.expose().is_empty();
        let index = usize::try_from(index).ok().filter(|_| valid)?;
        self.tokens.get(index).map(|(_, principal)| principal)
    }
}

impl Verifier for StaticTokens {
    async fn verify(&self, claim: Claim) -> Result<String, Rejection> {
        self.find(&claim.token).map(ToString::to_string).ok_or(Rejection::Invalid)
    }
}

impl fmt::Debug for StaticTokens {
    /// Shows the principals and no tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.tokens.iter().map(|(_, principal)| principal)).finish()
    }
}
