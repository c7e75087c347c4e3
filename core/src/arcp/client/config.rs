//! Every limit and interval of a client.

use alloc::string::String;
use core::fmt;

use crate::arcp::wire::feature::Features;
use crate::secret::Secret;

/// What a [`Client`](super::Client) is made with. No table or queue of the client grows past what stands here.
#[derive(Clone)]
pub struct ClientConfig {
    /// `client.name` of the hello (§6.2). Default `nuncio`.
    pub name: String,
    /// `client.version` of the hello. Default: this crate's.
    pub version: String,
    /// The bearer token (§6.1). Default: empty.
    pub token: Secret,
    /// The features the client asks for; the session has the intersection with the runtime's (§6.2). Default: all.
    pub features: Features,
    /// Acknowledging by itself (§6.5). `None`: only [`Client::ack`](super::Client::ack) does. Default: 32 events or 250 ms.
    pub auto_ack: Option<AutoAck>,

    /// Microseconds from `handle_open` to the welcome. Default 10 s.
    pub welcome_timeout: u64,
    /// Microseconds a sent submit, cancel, list or subscribe may stay unanswered on a live session. Default 60 s:
    /// longer than a runtime of ours lets its host take for a submit.
    pub request_timeout: u64,
    /// Microseconds to wait for `session.closed` before the transport is closed anyway (§6.7; ours). Default 1 s.
    pub close_timeout: u64,

    /// Bytes of the largest frame, in and out. Default 1 MiB.
    pub frame_bytes: usize,
    /// Unparsable frames in a row before the peer is given up. Default 100.
    pub bad_frames: u32,
    /// Handles that have not ended, children and released ones included. Default 10 000.
    pub handles: usize,
    /// Requests that are waiting to be sent or answered. Default 1 024.
    pub requests: usize,
    /// Payload bytes of these requests. Default 16 MiB.
    pub request_bytes: usize,
    /// Events the application has not taken, beyond which [`Client::reading`](super::Client::reading) is false.
    /// Default 1 024.
    pub events: usize,
    /// Bytes of these events. Default 8 MiB.
    pub event_bytes: usize,
    /// Events held for jobs whose `job.accepted` has not arrived. Default 1 024.
    pub held_events: usize,
    /// Bytes of these events. Default 4 MiB.
    pub held_bytes: usize,
    /// Frames given to the transport and not yet reported as sent. Default 64.
    pub send_window: usize,
    /// Bytes given to the transport and not yet reported as sent; one frame is always allowed. Default 256 KiB.
    pub send_window_bytes: usize,
    /// Decoded bytes of one result chunk (§8.4, §14). Default 1 MiB.
    pub chunk_bytes: usize,
    /// Decoded bytes of one streamed result. Default 256 MiB.
    pub result_bytes: u64,
}

/// When a client acknowledges by itself: whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoAck {
    /// After this many events the application has taken.
    pub events: u64,
    /// Microseconds after the first unacknowledged event was taken.
    pub interval: u64,
}

impl Default for AutoAck {
    fn default() -> AutoAck {
        AutoAck { events: 32, interval: 250_000 }
    }
}

impl Default for ClientConfig {
    fn default() -> ClientConfig {
        const SECOND: u64 = 1_000_000;
        ClientConfig {
            name: String::from("nuncio"),
            version: String::from(env!("CARGO_PKG_VERSION")),
            token: Secret::new(""),
            features: Features::ALL,
            auto_ack: Some(AutoAck::default()),
            welcome_timeout: 10 * SECOND,
            request_timeout: 60 * SECOND,
            close_timeout: SECOND,
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

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("features", &self.features)
            .finish_non_exhaustive()
    }
}
