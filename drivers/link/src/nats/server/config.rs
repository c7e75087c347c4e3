use std::time::Duration;

/// The identity and the limits of a [`NatsServerLink`](super::NatsServerLink).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsServerConfig {
    /// The id and name of the server, as clients are told. Default: `nuncio`.
    pub name: String,
    /// The longest payload that a client may publish, in bytes. Default: 1 MiB.
    pub max_payload: usize,
    /// The longest line that a client may send, and the longest block of headers, in bytes. Default: 64 KiB.
    pub max_line: usize,
    /// How many subscriptions a client may have. Default: 1024.
    pub max_subscriptions: usize,
    /// How many bytes may wait to be written until the link takes no further messages for its client. Default: 1 MiB.
    pub max_output: usize,
    /// How long a client may take until it sends CONNECT. Default: 2 s.
    pub connect_within: Duration,
    /// After what silence of the client it is sent a PING. Default: 2 minutes.
    pub ping_interval: Duration,
    /// How many pings may be unanswered; at the next one the link ends. Default: 2.
    pub unanswered_pings: u32,
}

impl Default for NatsServerConfig {
    fn default() -> NatsServerConfig {
        NatsServerConfig {
            name: "nuncio".to_owned(),
            max_payload: 1 << 20,
            max_line: 64 << 10,
            max_subscriptions: 1024,
            max_output: 1 << 20,
            connect_within: Duration::from_secs(2),
            ping_interval: Duration::from_mins(2),
            unanswered_pings: 2,
        }
    }
}
