//! Unnumbered frames that wait for a connection.

use alloc::collections::VecDeque;

use bytes::Bytes;

use crate::arcp::runtime::config::Limits;
use crate::arcp::runtime::event::SendOrder;
use crate::arcp::runtime::host::JobKey;

/// The factor by which a queue may exceed its limit before the connection is closed, because the host reads on although
/// it was told not to.
const OVERRUN: usize = 8;

/// An unnumbered frame that waits for credit.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    frame: Bytes,
    /// The number of the event it follows: it is sent before the next one.
    after: u64,
    child: bool,
    order: SendOrder,
    subscribed: Option<JobKey>,
}

impl Reply {
    /// A reply that is sent as soon as there is credit, and once everything stored by then is durable.
    pub(crate) fn new(frame: Bytes) -> Reply {
        Reply { frame, after: 0, child: false, order: SendOrder::Reply, subscribed: None }
    }

    /// Returns the welcome of a session.
    pub(crate) fn welcome(frame: Bytes) -> Reply {
        Reply { order: SendOrder::Welcome, ..Reply::new(frame) }
    }

    /// Returns an answer that does not depend on stored records, so that it does not wait for a stalled journal.
    pub(crate) fn answer(frame: Bytes) -> Reply {
        Reply { order: SendOrder::Answer, ..Reply::new(frame) }
    }

    /// Returns a frame that answers no request, or none whose answers are taken in their order, and does not depend on stored
    /// records.
    pub(crate) fn free(frame: Bytes) -> Reply {
        Reply { order: SendOrder::Free, ..Reply::new(frame) }
    }

    /// The `job.accepted` of a delegated job, which follows the parent's `delegate` event. It waits while a submit is
    /// unanswered, so that no peer takes it for the answer.
    pub(crate) fn child(frame: Bytes, after: u64) -> Reply {
        Reply { after, child: true, ..Reply::new(frame) }
    }

    /// Returns it as one that follows the event of this number.
    pub(crate) fn following(self, after: u64) -> Reply {
        Reply { after, ..self }
    }

    /// A `job.subscribed`, from whose sending the job's events are timed, if its dialect delays them.
    pub(crate) fn subscribed(frame: Bytes, job: Option<JobKey>) -> Reply {
        Reply { subscribed: job, ..Reply::new(frame) }
    }

    pub(crate) fn order(&self) -> SendOrder {
        self.order
    }

    pub(crate) fn subscribed_job(&self) -> Option<JobKey> {
        self.subscribed
    }

    pub(crate) fn into_frame(self) -> Bytes {
        self.frame
    }
}

/// The fill level of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Frames of the peer are read.
    Low,
    /// Frames of the peer are not read until replies are sent.
    Full,
    /// The host reads on regardless.
    Overrun,
}

/// The replies of one connection, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub(super) struct Replies {
    queue: VecDeque<Reply>,
    bytes: usize,
}

impl Replies {
    pub(super) fn push(&mut self, reply: Reply) {
        self.bytes += reply.frame.len();
        self.queue.push_back(reply);
    }

    /// Returns the next reply that may be sent after the event `sent`. Other replies overtake a child's `job.accepted`,
    /// because one of them may be the answer that it waits for.
    fn next(&self, sent: u64, hold: bool) -> Option<usize> {
        let first = |child: bool| self.queue.iter().position(|reply| reply.child == child && reply.after <= sent);
        first(false).or_else(|| if hold { None } else { first(true) })
    }

    pub(super) fn take(&mut self, sent: u64, hold: bool) -> Option<Reply> {
        let reply = self.queue.remove(self.next(sent, hold)?)?;
        self.bytes -= reply.frame.len();
        Some(reply)
    }

    /// The bytes of the reply that [`Replies::take`] would take.
    pub(super) fn next_len(&self, sent: u64, hold: bool) -> Option<usize> {
        self.queue.get(self.next(sent, hold)?).map(|reply| reply.frame.len())
    }

    /// Whether a reply has to go before the event after `sent`.
    pub(super) fn precede(&self, sent: u64) -> bool {
        self.queue.iter().any(|reply| reply.after <= sent)
    }

    /// Drops the replies that must follow events which will no longer be sent.
    pub(super) fn drop_late(&mut self) {
        self.queue.retain(|reply| reply.after == 0);
        self.bytes = self.queue.iter().map(|reply| reply.frame.len()).sum();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn level(&self, limits: &Limits) -> Level {
        let (frames, bytes) = (limits.reply_frames, limits.reply_bytes);
        if self.queue.len() > frames.saturating_mul(OVERRUN) || self.bytes > bytes.saturating_mul(OVERRUN) {
            Level::Overrun
        } else if self.queue.len() >= frames || self.bytes >= bytes {
            Level::Full
        } else {
            Level::Low
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn held(&self) -> usize {
        self.bytes + self.queue.len() * 64
    }
}
