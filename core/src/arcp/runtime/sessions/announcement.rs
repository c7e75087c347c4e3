//! Answers that a client may have lost with its connection, and that begin what its next events are about (§6.3, §7.6).
//!
//! ```text
//!  job.accepted, job.subscribed -> sent once -> kept with the first event that follows it
//!                                                    '-> sent again before that event, on every new connection
//! ```

use alloc::boxed::Box;
use alloc::sync::Arc;

use bytes::Bytes;

use crate::arcp::runtime::host::JobKey;
use crate::arcp::wire::ids::EnvelopeId;
use crate::arcp::wire::job::Accepted;

/// An answer that can be sent again with the same id.
#[derive(Clone, Debug)]
pub(crate) struct Announcement {
    pub(crate) id: EnvelopeId,
    pub(crate) request_id: Option<Box<str>>,
    /// The epoch of the connection on which it was last sent; 0 if it was not.
    pub(crate) epoch: u32,
    pub(crate) kind: Announced,
}

/// What is announced.
#[derive(Clone, Debug)]
pub(crate) enum Announced {
    /// A job: its `job.accepted`.
    Accepted(JobKey, Arc<Accepted>),
    /// A subscription: the payload of its `job.subscribed`, and the epoch of the connection on which the client has last asked
    /// for it.
    Subscribed { payload: Bytes, asked: u32 },
}

impl Announcement {
    /// The `job.subscribed` that was sent on the connection of an epoch; 0 if it was not.
    pub(crate) fn subscribed(id: EnvelopeId, request_id: &str, payload: Bytes, epoch: u32) -> Announcement {
        let kind = Announced::Subscribed { payload, asked: epoch };
        Announcement { id, request_id: Some(request_id.into()), epoch, kind }
    }

    /// Whether it answers a subscribe that the client sends again on the connection of this epoch. True once for each
    /// connection, so that another request with the same id is a request of its own.
    pub(crate) fn is_asked_again(&mut self, request_id: &str, epoch: u32) -> bool {
        match &mut self.kind {
            Announced::Subscribed { asked, .. } if self.request_id.as_deref() == Some(request_id) => {
                core::mem::replace(asked, epoch) != epoch
            }
            Announced::Subscribed { .. } | Announced::Accepted(..) => false,
        }
    }

    /// The payload of a `job.subscribed`.
    pub(crate) fn subscription(&self) -> Option<&Bytes> {
        match &self.kind {
            Announced::Accepted(..) => None,
            Announced::Subscribed { payload, .. } => Some(payload),
        }
    }

    /// The bytes that it holds.
    pub(crate) fn held(&self) -> usize {
        self.subscription().map_or(0, Bytes::len)
    }
}
