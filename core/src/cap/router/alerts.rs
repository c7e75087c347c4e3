//! How many alerts may be sent.

use core::time::Duration;

use crate::time::Time;

/// How many alerts were sent lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Alerts {
    /// When the present window began.
    since: Time,
    sent: usize,
}

impl Alerts {
    /// Returns whether a further alert may be sent, and counts it.
    pub(super) fn admit(&mut self, now: Time, window: Duration, max: usize) -> bool {
        if self.since.plus(window) <= now {
            *self = Alerts { since: now, sent: 0 };
        }
        let admits = self.sent < max;
        self.sent += usize::from(admits);
        admits
    }
}
