//! The settings of a client.

use core::time::Duration;

use crate::caracal::wire::ids::ZoneId;
use crate::caracal::wire::request::spawn::Generation;

/// The settings of a [`Client`](super::Client).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The zone of all calls.
    pub zone: ZoneId,
    /// The generation of the coordinator. Default: [`Generation::May`].
    pub generation: Generation,
    /// The time for which a request may stay unanswered. Default: 10 s.
    pub request_timeout: Duration,
    /// The longest time to wait for a token. Default: 10 s.
    pub token_timeout: Duration,
    /// How long before its expiry a token is replaced, at most half of its lifetime. Default: 60 s.
    pub token_margin: Duration,
    /// How often a call is tried again after a failure of the coordinator or of the transport. A delegation is tried
    /// again at most once, and a heartbeat is not tried again. Default: 2.
    pub retries: u32,
    /// How long after its first attempt a spawn or a delegation is repeated if it may have been carried out. This time
    /// must be shorter than the time for which coordinators recognise the repetition, which is a day. Default: 1 h.
    pub repeat_within: Duration,
    /// The longest delay that `Retry-After` can ask for. Default: 10 s.
    pub retry_after_limit: Duration,
    /// The lifetime of a lease if the coordinator does not say when it ends. Default: 120 s.
    pub lease: Duration,
    /// The bounds of what the client holds.
    pub limits: ClientLimits,
}

/// The bounds of what a client holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientLimits {
    /// Open calls. Default: 1024.
    pub calls: usize,
    /// Bytes of open calls. Default: 4 MiB.
    pub call_bytes: usize,
    /// Open sessions, and those that are being opened. Default: 1024.
    pub sessions: usize,
}

impl ClientConfig {
    /// Returns the default settings for a zone.
    pub fn new(zone: ZoneId) -> ClientConfig {
        ClientConfig {
            zone,
            generation: Generation::May,
            request_timeout: Duration::from_secs(10),
            token_timeout: Duration::from_secs(10),
            token_margin: Duration::from_mins(1),
            retries: 2,
            repeat_within: Duration::from_hours(1),
            retry_after_limit: Duration::from_secs(10),
            lease: Duration::from_mins(2),
            limits: ClientLimits { calls: 1_024, call_bytes: 4 << 20, sessions: 1_024 },
        }
    }

    /// Returns these settings with changes.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut ClientConfig)) -> ClientConfig {
        change(&mut self);
        self
    }
}
