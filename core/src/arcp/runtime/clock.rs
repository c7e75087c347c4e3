//! The time of a runtime.

use alloc::string::String;

use crate::time::Time;

/// The latest time that a runtime was given, and its text. It never steps back.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    now: Time,
    /// The millisecond that `text` is the RFC 3339 form of.
    millis: u64,
    text: String,
}

impl Clock {
    pub(super) fn new(now: Time) -> Clock {
        Clock { now, millis: now.millis(), text: now.to_rfc3339() }
    }

    pub(super) fn now(&self) -> Time {
        self.now
    }

    /// Moves to `now`, unless it is earlier.
    pub(super) fn advance(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    /// Returns the present time as RFC 3339 with milliseconds. The text is made once per millisecond.
    pub(super) fn text(&mut self) -> &str {
        if self.millis != self.now.millis() {
            self.millis = self.now.millis();
            self.text = self.now.to_rfc3339();
        }
        &self.text
    }
}
