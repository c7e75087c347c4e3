use std::time::Duration;

use nuncio_core::arcp::Secret;

/// The options and limits of a [`NatsLink`](super::NatsLink).
#[derive(Clone, Debug)]
pub struct NatsConfig {
    /// The name of the client that the server shows in its monitoring. Default: `nuncio`.
    pub name: String,
    /// How the client logs in. Default: not at all.
    pub credentials: NatsCredentials,
    /// Whether the client gets its own messages, if it has subscribed to them. Default: true.
    pub echo: bool,
    /// The longest payload that is received, in bytes. A message that claims more ends the link. Default: 8 MiB.
    pub max_payload: usize,
    /// The longest line that is received, and the longest block of headers, in bytes. Default: 64 KiB.
    pub max_line: usize,
    /// How many bytes may wait to be written. A message that would exceed it is refused, unless nothing waits. Default:
    /// 8 MiB.
    pub max_output: usize,
    /// How many answers to [`flush`](super::NatsLink::flush) may be awaited. Default: 1024.
    pub max_flushes: usize,
    /// For how long nothing has to be received until the server is sent a ping. Default: 30 s.
    pub ping_interval: Duration,
    /// How many pings in a row may be followed by silence until the link is closed. Default: 2.
    pub unanswered_pings: u32,
}

impl Default for NatsConfig {
    fn default() -> NatsConfig {
        NatsConfig {
            name: "nuncio".to_owned(),
            credentials: NatsCredentials::None,
            echo: true,
            max_payload: 8 << 20,
            max_line: 64 << 10,
            max_output: 8 << 20,
            max_flushes: 1024,
            ping_interval: Duration::from_secs(30),
            unanswered_pings: 2,
        }
    }
}

/// How a client logs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NatsCredentials {
    /// Not at all, or by its TLS certificate.
    #[default]
    None,
    /// With a token.
    Token(Secret),
    /// With a user and a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
}
