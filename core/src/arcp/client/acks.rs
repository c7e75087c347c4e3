//! Acknowledgements: which events were acknowledged, and when the next acknowledgement is due (§6.5).

use super::config::AutoAck;
use crate::time::Time;

/// The acknowledgements on the present transport.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Acks {
    /// The number that was sent last.
    sent: u64,
    /// The number that is to be sent.
    wanted: Option<u64>,
    /// When the application took the first event that is not covered by the other two.
    since: Option<Time>,
}

impl Acks {
    /// Records that the application has taken all events up to `seq`. Wants an acknowledgement if `auto` says so.
    pub(super) fn taken(&mut self, auto: AutoAck, seq: u64, now: Time) {
        let behind = seq.saturating_sub(self.covered());
        if behind == 0 {
            return;
        }
        let since = *self.since.get_or_insert(now);
        if behind >= auto.events || since.plus(auto.interval) <= now {
            self.want(seq);
        }
    }

    /// Wants an acknowledgement up to `seq`, because the interval has passed. `seq` can be less than in the last call
    /// of [`Acks::taken`], if an older event was held in the meantime.
    pub(super) fn interval_passed(&mut self, seq: u64) {
        self.since = None;
        self.want(seq);
    }

    /// Wants an acknowledgement up to `seq`, unless it was sent already.
    pub(super) fn want(&mut self, seq: u64) {
        if seq > self.covered() {
            self.wanted = Some(seq);
            self.since = None;
        }
    }

    /// Returns when an acknowledgement is due.
    pub(super) fn due(&self, auto: AutoAck) -> Option<Time> {
        self.since.map(|since| since.plus(auto.interval))
    }

    /// Returns the number to send now.
    pub(super) fn next(&mut self) -> Option<u64> {
        let seq = self.wanted.take()?;
        self.sent = seq;
        Some(seq)
    }

    /// Returns the number up to which all events are acknowledged, or will be.
    fn covered(&self) -> u64 {
        self.wanted.unwrap_or(self.sent)
    }
}
