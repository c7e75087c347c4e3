//! Signs of life and acknowledgements: when to ping, when to give up, when to ack (§6.4, §6.5).

use super::config::AutoAck;
use crate::time::Time;

/// A clock that stands still while the driver is asked not to read: what is not read cannot be missed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReadClock {
    paused: Option<Time>,
    stood: u64,
}

impl ReadClock {
    pub(super) fn pause(&mut self, now: Time) {
        self.paused.get_or_insert(now);
    }

    pub(super) fn go_on(&mut self, now: Time) {
        if let Some(paused) = self.paused.take() {
            self.stood = self.stood.saturating_add(now.since(paused));
        }
    }

    pub(super) const fn paused(&self) -> bool {
        self.paused.is_some()
    }

    /// What this clock shows.
    pub(super) fn read(&self, now: Time) -> Time {
        let now = self.paused.unwrap_or(now);
        Time(now.0.saturating_sub(self.stood))
    }

    /// When this clock will show `at`; `None` while it stands.
    pub(super) const fn real(&self, at: Time) -> Option<Time> {
        match self.paused {
            Some(_) => None,
            None => Some(at.plus_micros(self.stood)),
        }
    }
}

/// When frames went out and came in on the present transport.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Liveness {
    /// Microseconds; `None` if heartbeats were not negotiated.
    interval: Option<u64>,
    sent: Time,
    received: Time,
    pinged: Time,
    /// `received` on the reading clock.
    heard: Time,
}

impl Liveness {
    pub(super) fn start(&mut self, interval: Option<u64>, now: Time, heard: Time) {
        *self = Liveness { interval, sent: now, received: now, pinged: now, heard };
    }

    pub(super) const fn sent(&mut self, now: Time) {
        self.sent = now;
    }

    pub(super) const fn received(&mut self, now: Time, heard: Time) {
        self.received = now;
        self.heard = heard;
    }

    pub(super) const fn pinged(&mut self, now: Time) {
        self.pinged = now;
    }

    /// Nothing was sent, or nothing received, for one interval; at most one ping per interval.
    pub(super) fn ping_due(&self) -> Option<Time> {
        let quiet = self.sent.min(self.received).max(self.pinged);
        self.interval.map(|interval| quiet.plus_micros(interval))
    }

    /// Nothing was received for two intervals; on the reading clock.
    pub(super) fn lost_due(&self) -> Option<Time> {
        self.interval.map(|interval| self.heard.plus_micros(interval.saturating_mul(2)))
    }
}

/// What was acknowledged and what is to be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Acks {
    acked: u64,
    wanted: Option<u64>,
    since: Option<Time>,
}

impl Acks {
    /// The application has taken everything up to `taken`.
    pub(super) fn taken(&mut self, auto: Option<AutoAck>, taken: u64, now: Time) {
        let Some(auto) = auto else { return };
        let behind = taken.saturating_sub(self.target());
        if behind == 0 {
            return;
        }
        let since = *self.since.get_or_insert(now);
        if behind >= auto.events || now.since(since) >= auto.interval {
            self.want(taken);
        }
    }

    /// The interval has passed. What was taken may be less by now: an older event, held until then, came after it.
    pub(super) fn pass(&mut self, taken: u64) {
        self.since = None;
        self.want(taken);
    }

    /// An acknowledgement up to `seq` is to go out, unless one did.
    pub(super) fn want(&mut self, seq: u64) {
        if seq > self.target() {
            self.wanted = Some(seq);
            self.since = None;
        }
    }

    pub(super) fn due(&self, auto: Option<AutoAck>) -> Option<Time> {
        Some(self.since?.plus_micros(auto?.interval))
    }

    /// The number to send now.
    pub(super) fn send(&mut self) -> Option<u64> {
        let seq = self.wanted.take()?;
        self.acked = seq;
        Some(seq)
    }

    /// A transport was lost, and perhaps the last acknowledgement with it: it may be repeated.
    pub(super) fn forget(&mut self) {
        *self = Acks::default();
    }

    fn target(&self) -> u64 {
        self.wanted.unwrap_or(self.acked)
    }
}
