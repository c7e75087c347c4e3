//! Events of a client's session.

use std::sync::Arc;
use std::time::Duration;

use async_broadcast as broadcast;
use nuncio_core::arcp::client::{LostReason, RemoteFault, Welcome};

use super::error::SessionEnd;

/// An event of a session. An application may ignore all of them: the client resumes the session by itself.
#[derive(Clone, Debug)]
pub enum SessionEvent {
    /// The session was opened or resumed.
    Live(Arc<Welcome>),
    /// The connection was lost. The session and its jobs continue.
    Lost(LostReason),
    /// The client is about to connect again.
    Reconnecting {
        /// The number of attempts to resume the session before this one, since the session last received an event or an
        /// answer, or was live for [`steady_after`](super::Reconnect::steady_after).
        attempt: u32,
        /// The pause before the attempt.
        after: Duration,
    },
    /// Events `from..=to` of the session are lost: the runtime no longer has them.
    Gap {
        /// The first lost number.
        from: u64,
        /// The last lost number.
        to: u64,
    },
    /// An error that the runtime has sent and that belongs to no request.
    Notice(RemoteFault),
    /// The session has ended.
    Over(SessionEnd),
}

/// The events of a session from the time at which this value was made. Up to 64 events wait to be read; then the oldest
/// is dropped.
#[derive(Debug)]
#[must_use = "the events are read with `next`"]
pub struct SessionEvents {
    pub(super) receiver: broadcast::Receiver<SessionEvent>,
    pub(super) over: bool,
}

impl SessionEvents {
    /// Returns the next event, or `None` once [`SessionEvent::Over`] was returned.
    pub async fn next(&mut self) -> Option<SessionEvent> {
        while !self.over {
            match self.receiver.recv().await {
                Ok(event) => {
                    self.over = matches!(event, SessionEvent::Over(_));
                    return Some(event);
                }
                Err(broadcast::RecvError::Overflowed(_)) => {}
                Err(broadcast::RecvError::Closed) => return None,
            }
        }
        None
    }
}
