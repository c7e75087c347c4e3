//! The settings of a client: token, features, intervals and limits.

use alloc::string::String;
use core::fmt;
use core::time::Duration;

use crate::arcp::wire::feature::Features;
use crate::secret::Secret;

/// The settings of a [`Client`](super::Client): its token and name, the features it asks for, its intervals and limits.
///
/// ```
/// use core::time::Duration;
///
/// use nuncio_core::arcp::{ClientConfig, Secret};
///
/// let config = ClientConfig::new(Secret::new("token")).with(|config| {
///     config.request_timeout = Duration::from_secs(5);
///     config.limits.events = 64;
/// });
/// assert_eq!(config.limits.events, 64);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The `client.name` of the hello (§6.2). Default: `nuncio`.
    pub name: String,
    /// The `client.version` of the hello. Default: the version of this crate.
    pub version: String,
    /// The bearer token (§6.1). Default: empty.
    pub token: Secret,
    /// Whether the driver can ask for a newer token, for [`Client::renew`](super::Client::renew). If not, a client whose
    /// token is refused is closed. Default: no.
    pub renews_token: bool,
    /// The features that the client asks for; the session gets those that the runtime has too (§6.2). Default: all.
    pub features: Features,
    /// When the client acknowledges events by itself (§6.5). With `None` only [`Client::ack`](super::Client::ack) does.
    /// Default: after 32 events or 250 ms.
    pub auto_ack: Option<AutoAck>,

    /// The time from [`Client::handle_open`](super::Client::handle_open) to the welcome. Default: 10 s.
    pub welcome_timeout: Duration,
    /// The time for which a request that was sent may stay unanswered on a live session. Default: 60 s, which is longer
    /// than Nuncio's runtime gives its host to answer a submit.
    pub request_timeout: Duration,
    /// The time for which the runtime may send nothing about a job that has not ended, on a live session, before the
    /// client asks whether the job is still live (ours). Nuncio's runtime is not asked, because it ends every job.
    /// Default: 30 s.
    pub silence_timeout: Duration,
    /// The time to wait for the terminal message of a job after the runtime has said that the job has ended, or has sent
    /// another frame of it (ours). Default: 5 s.
    pub terminal_timeout: Duration,
    /// The time to wait for `session.closed` before the transport is closed anyway (§6.7; ours). Default: 1 s.
    pub close_timeout: Duration,

    /// The bounds of everything that the client holds and accepts.
    pub limits: ClientLimits,
}

/// The limits of a [`Client`](super::Client). No table or queue of the client grows past them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientLimits {
    /// Bytes of the largest frame, in and out. Default: 1 MiB.
    pub frame_bytes: usize,
    /// Malformed frames in a row, above which the client closes. Default: 100.
    pub bad_frames: u32,
    /// Handles whose job has not ended, including children and released handles. Default: 10 000.
    pub handles: usize,
    /// Requests that wait to be sent or answered. Default: 1 024.
    pub requests: usize,
    /// Payload bytes of the requests that wait to be sent or answered. Default: 16 MiB.
    pub request_bytes: usize,
    /// Events that the application has not taken, from which on [`Client::reading`](super::Client::reading) is false.
    /// Default: 1 024.
    pub events: usize,
    /// Bytes of the events that the application has not taken, from which on the client does not read. Default: 8 MiB.
    pub event_bytes: usize,
    /// Events held for jobs whose `job.accepted` has not arrived. Default: 1 024.
    pub held_events: usize,
    /// Bytes of the events held for jobs whose `job.accepted` has not arrived. Default: 4 MiB.
    pub held_bytes: usize,
    /// Frames given to the transport and not yet reported as sent. Default: 64.
    pub send_window: usize,
    /// Bytes given to the transport and not yet reported as sent; one frame is always allowed. Default: 256 KiB.
    pub send_window_bytes: usize,
    /// Decoded bytes of one result chunk (§8.4, §14). Default: 1 MiB.
    pub chunk_bytes: usize,
    /// Decoded bytes of one streamed result. Default: 256 MiB.
    pub result_bytes: u64,
}

/// When a client acknowledges events by itself (§6.5): at the number of events or after the interval, whichever comes
/// first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoAck {
    /// The number of events that the application has taken since the last acknowledgement. Default: 32.
    pub events: u64,
    /// The time since the application took the first of them. Default: 250 ms.
    pub interval: Duration,
}

impl ClientConfig {
    /// Creates the default settings with a bearer token.
    #[must_use]
    pub fn new(token: Secret) -> ClientConfig {
        ClientConfig { token, ..ClientConfig::default() }
    }

    /// Returns these settings with some of them changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut ClientConfig)) -> ClientConfig {
        change(&mut self);
        self
    }
}

impl Default for ClientConfig {
    fn default() -> ClientConfig {
        ClientConfig {
            name: String::from("nuncio"),
            version: String::from(env!("CARGO_PKG_VERSION")),
            token: Secret::new(""),
            renews_token: false,
            features: Features::ALL,
            auto_ack: Some(AutoAck::default()),
            welcome_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_mins(1),
            silence_timeout: Duration::from_secs(30),
            terminal_timeout: Duration::from_secs(5),
            close_timeout: Duration::from_secs(1),
            limits: ClientLimits::default(),
        }
    }
}

impl Default for ClientLimits {
    fn default() -> ClientLimits {
        ClientLimits {
            frame_bytes: 1 << 20,
            bad_frames: 100,
            handles: 10_000,
            requests: 1_024,
            request_bytes: 16 << 20,
            events: 1_024,
            event_bytes: 8 << 20,
            held_events: 1_024,
            held_bytes: 4 << 20,
            send_window: 64,
            send_window_bytes: 256 << 10,
            chunk_bytes: 1 << 20,
            result_bytes: 256 << 20,
        }
    }
}

impl Default for AutoAck {
    fn default() -> AutoAck {
        AutoAck { events: 32, interval: Duration::from_millis(250) }
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("features", &self.features)
            .finish_non_exhaustive()
    }
}
