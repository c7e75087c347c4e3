//! The token of a client.
//!
//! ```text
//!              ask              supply
//!   Missing ---------> Asked ----------> Valid
//!      ^  ^              |                 |
//!      |  +---- fail ----+                 |
//!      +-------------- lapse --------------+     it expires soon, or the coordinator has refused it
//! ```

use super::config::ClientConfig;
use super::event::ClientTimer;
use super::timers::{Deadline, Timers};
use crate::caracal::wire::token::BearerToken;
use crate::clock::{Clock, Expiry};
use crate::state::transitions;
use crate::time::{Time, micros};

/// The token, and the question for the next one. There is at most one question at a time.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    phase: Phase,
    token: Option<BearerToken>,
    /// How many tokens there were.
    number: u64,
    /// When the token expires, if that is known.
    expiry: Option<Expiry>,
    /// How long before that it is to be replaced, in microseconds.
    margin: u64,
    /// Whether the coordinator has refused the last token.
    rejected: bool,
    deadline: Deadline,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Missing,
    Asked,
    Valid,
}

transitions!(Phase {
    /// The driver is asked for a token.
    ask: Missing => Asked;
    /// A token was supplied.
    supply: Missing | Asked => Valid;
    /// The token must no longer be used.
    lapse: Valid => Missing;
    /// The driver has no token, or does not answer.
    fail: Asked => Missing;
});

impl Tokens {
    pub(super) const fn new() -> Tokens {
        Tokens {
            phase: Phase::Missing,
            token: None,
            number: 0,
            expiry: None,
            margin: 0,
            rejected: false,
            deadline: Deadline::new(ClientTimer::Token, 0),
        }
    }

    /// Takes a token that expires when the wall clock shows `expires_at`. Returns false, and takes nothing, if it has expired.
    pub(super) fn supply(
        &mut self,
        config: &ClientConfig,
        clock: &Clock,
        token: BearerToken,
        expires_at: Option<Time>,
        timers: &mut Timers,
    ) -> bool {
        let lifetime = expires_at.map(|at| at.since(clock.wall()));
        if lifetime == Some(0) {
            return false;
        }
        // A token replaces one that is still valid.
        if !self.phase.supply() && self.phase != Phase::Valid {
            return false;
        }
        self.expiry = expires_at.map(|at| Expiry::new(at, clock));
        self.margin = lifetime.map_or(0, |lifetime| micros(config.token_margin).min(lifetime / 2));
        self.token = Some(token);
        self.number = self.number.saturating_add(1);
        self.rejected = false;
        self.deadline.clear(timers);
        true
    }

    /// Returns the token and its number. `None` if another one is needed.
    pub(super) fn current(&mut self, now: Time) -> Option<(&BearerToken, u64)> {
        let is_old = self.expiry.is_some_and(|expiry| expiry.is_over(now.plus_micros(self.margin)));
        if is_old && self.phase.lapse() {
            self.token = None;
        }
        self.token.as_ref().map(|token| (token, self.number))
    }

    /// Notes that the wall clock was set.
    pub(super) fn follow_wall(&mut self, clock: &Clock) {
        if let Some(expiry) = &mut self.expiry {
            expiry.follow(clock);
        }
    }

    /// Asks for a token. Returns whether the question is new, and whether the last token was refused.
    pub(super) fn ask(&mut self, config: &ClientConfig, now: Time, timers: &mut Timers) -> Option<bool> {
        if !self.phase.ask() {
            return None;
        }
        self.deadline.set(now.plus(config.token_timeout), timers);
        Some(self.rejected)
    }

    /// Records that the coordinator has refused the token with this number. An older one is replaced already.
    pub(super) fn reject(&mut self, number: u64) {
        if number == self.number && self.phase.lapse() {
            self.token = None;
            self.rejected = true;
        }
    }

    /// Records that there is no answer to the question. Returns false if there was none.
    pub(super) fn fail(&mut self, timers: &mut Timers) -> bool {
        self.deadline.clear(timers);
        self.phase.fail()
    }
}

#[cfg(test)]
mod tests {
    use super::Phase;
    use crate::state::table;

    #[test]
    fn every_state_and_transition() {
        use Phase::{Asked, Missing, Valid};
        insta::assert_snapshot!(table(&[Missing, Asked, Valid]));
    }
}
