//! The present transport of a client: deadlines, signs of life, malformed frames (§6.4).

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use crate::arcp::wire::ids::EnvelopeId;
use crate::time::Time;

/// Pings that wait for their pong. Beyond them the oldest are forgotten.
const MAX_PONGS: usize = 16;
/// The longest nonce that is kept for a pong, in bytes.
const MAX_NONCE_BYTES: usize = 1_024;

/// The state of one transport, which is lost with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Transport {
    /// The envelope id of the hello, once it was sent.
    hello: Option<EnvelopeId>,
    /// When the welcome is overdue; on the reading clock.
    welcome_due: Option<Time>,
    /// The heartbeat, if it was negotiated.
    heartbeat: Option<Heartbeat>,
    /// Whether a ping waits to be sent.
    ping: bool,
    /// The nonces of the runtime's pings that were not answered yet.
    pongs: VecDeque<Box<str>>,
    /// Malformed frames in a row.
    bad_frames: u32,
    /// Whether a frame was sent since the welcome, which proves that the resume token was received.
    proved: bool,
}

#[derive(Clone, Copy, Debug)]
struct Heartbeat {
    /// In microseconds.
    interval: u64,
    /// When the last frame was sent.
    sent: Time,
    /// When the last frame was received.
    received: Time,
    /// The same time on the reading clock.
    heard: Time,
    /// When the last ping was sent.
    pinged: Time,
}

impl Transport {
    /// Creates the state of a transport that was just opened.
    pub(super) fn open(welcome_due: Time) -> Transport {
        Transport { welcome_due: Some(welcome_due), ..Transport::default() }
    }

    /// Records the hello that was sent.
    pub(super) fn greeted(&mut self, hello: EnvelopeId) {
        self.hello = Some(hello);
    }

    /// Returns whether this is the envelope id of the hello.
    pub(super) fn is_hello(&self, id: &str) -> bool {
        self.hello.is_some() && self.hello == EnvelopeId::parse(id)
    }

    /// Records the welcome. `interval` is that of the heartbeat in microseconds, if it was negotiated; `heard` is the
    /// present time on the reading clock.
    pub(super) fn welcome(&mut self, interval: Option<u64>, now: Time, heard: Time) {
        self.welcome_due = None;
        self.heartbeat = interval.map(|interval| Heartbeat { interval, sent: now, received: now, heard, pinged: now });
    }

    /// Returns when the welcome is overdue; on the reading clock.
    pub(super) fn welcome_due(&self) -> Option<Time> {
        self.welcome_due
    }

    /// Records that a frame was sent.
    pub(super) fn sent(&mut self, now: Time) {
        self.proved = true;
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.sent = now;
        }
    }

    /// Returns whether a frame was sent since the welcome.
    pub(super) fn is_proved(&self) -> bool {
        self.proved
    }

    /// Records that a frame was received. `heard` is the present time on the reading clock.
    pub(super) fn received(&mut self, now: Time, heard: Time) {
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.received = now;
            heartbeat.heard = heard;
        }
    }

    /// Returns when a ping is due: when nothing was sent, or nothing was received, for one interval. There is at most
    /// one ping in an interval.
    pub(super) fn ping_due(&self) -> Option<Time> {
        self.heartbeat.map(|Heartbeat { interval, sent, received, pinged, .. }| {
            sent.min(received).max(pinged).plus_micros(interval)
        })
    }

    /// Wants a ping, because one is due.
    pub(super) fn ping(&mut self, now: Time) {
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.pinged = now;
            self.ping = true;
        }
    }

    /// Returns whether a ping is to be sent now.
    pub(super) fn next_ping(&mut self) -> bool {
        core::mem::take(&mut self.ping)
    }

    /// Returns when the runtime counts as silent: nothing was received for two intervals; on the reading clock.
    pub(super) fn silence_due(&self) -> Option<Time> {
        self.heartbeat.map(|heartbeat| heartbeat.heard.plus_micros(heartbeat.interval.saturating_mul(2)))
    }

    /// Records a ping of the runtime, which is to be answered.
    pub(super) fn pinged(&mut self, nonce: &str) {
        if nonce.len() > MAX_NONCE_BYTES {
            return;
        }
        if self.pongs.len() == MAX_PONGS {
            self.pongs.pop_front();
        }
        self.pongs.push_back(Box::from(nonce));
    }

    /// Returns the nonce of the next pong to send.
    pub(super) fn next_pong(&mut self) -> Option<Box<str>> {
        self.pongs.pop_front()
    }

    /// Records a malformed frame. Returns how many there were in a row.
    pub(super) fn malformed(&mut self) -> u32 {
        self.bad_frames = self.bad_frames.saturating_add(1);
        self.bad_frames
    }

    /// Records a well-formed frame.
    pub(super) fn well_formed(&mut self) {
        self.bad_frames = 0;
    }

    /// Returns the number of bytes held.
    pub(super) fn bytes_held(&self) -> usize {
        self.pongs.iter().map(|pong| pong.len()).sum()
    }
}
