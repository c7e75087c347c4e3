//! What the clients of a server may have, and how long they may take.

use std::time::Duration;

/// What the clients of a [`MemoryServer`](super::MemoryServer) may have, and how long they may take.
///
/// ```
/// use nuncio_shared::cap::MemoryServerLimits;
///
/// let mut limits = MemoryServerLimits::default();
/// limits.connections = 16;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryServerLimits {
    /// Connections of each of the two protocols. One more is told so and closed. Default: 256.
    pub connections: usize,
    /// Subscriptions of a client of NATS. With one more it is told so and closed. Default: 1024.
    pub subscriptions: usize,
    /// Bytes of messages that wait for a client of NATS. With more it is closed as a slow consumer. Default: 64 MiB.
    pub pending_bytes: usize,
    /// How long a client may take until its first command: CONNECT for one of NATS. Default: 2 s.
    pub connect_within: Duration,
    /// After what silence a client of NATS is sent a PING. Default: 2 minutes.
    pub ping_interval: Duration,
    /// How many pings a client of NATS may leave unanswered; instead of another one it is closed. Default: 2.
    pub unanswered_pings: u32,
    /// How long a client may take to read what is sent to it. Default: 10 s.
    pub write_within: Duration,
    /// How long a client that is closed may take to read why. Default: 1 s.
    pub linger: Duration,
}

impl Default for MemoryServerLimits {
    fn default() -> MemoryServerLimits {
        MemoryServerLimits {
            connections: 256,
            subscriptions: 1024,
            pending_bytes: 64 << 20,
            connect_within: Duration::from_secs(2),
            ping_interval: Duration::from_mins(2),
            unanswered_pings: 2,
            write_within: Duration::from_secs(10),
            linger: Duration::from_secs(1),
        }
    }
}
