//! What an application may want to know of its session.

use std::sync::Arc;
use std::time::Duration;

use async_broadcast as broadcast;
use nuncio_core::arcp::client::{LostReason, RemoteFault, Welcome};

use super::error::SessionEnd;

/// Something that happened to a session. None of it needs to be dealt with: the client resumes by itself.
#[derive(Clone, Debug)]
pub enum SessionEvent {
    /// The session is live: it was opened, or resumed.
    Live(Arc<Welcome>),
    /// The connection is gone; the session and its jobs are not.
    Lost(LostReason),
    /// The next attempt to connect.
    Reconnecting {
        /// Failed attempts since the session was live.
        attempt: u32,
        /// The pause before it.
        after: Duration,
    },
    /// Events that will not come any more, `from..=to` in the session's numbering: the runtime no longer has them.
    Gap {
        /// The first lost number.
        from: u64,
        /// The last lost number.
        to: u64,
    },
    /// A complaint of the runtime that belongs to no request.
    Notice(RemoteFault),
    /// The session is over.
    Over(SessionEnd),
}

/// The events of a session from the time it was asked for on. One that is not read forgets the oldest.
#[derive(Debug)]
#[must_use = "the events are read with `next`"]
pub struct SessionEvents {
    pub(super) receiver: broadcast::Receiver<SessionEvent>,
    pub(super) over: bool,
}

impl SessionEvents {
    /// The next event; `None` after the session is over and all were taken.
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
