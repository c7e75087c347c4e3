//! Unnumbered frames that wait for a connection.

use alloc::collections::VecDeque;

use bytes::Bytes;

use crate::arcp::runtime::config::Limits;
use crate::arcp::runtime::host::JobId;

/// How many times its limit a queue may hold before a host that reads on regardless loses the connection.
const OVERRUN: usize = 8;

/// An unnumbered frame that waits for credit.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    frame: Bytes,
    /// The number of the event it follows: it is sent before the next one.
    after: u64,
    child: bool,
    free: bool,
    subscribed: Option<JobId>,
}

impl Reply {
    /// A reply that is sent as soon as there is credit, and once everything stored by then is durable.
    pub(crate) fn new(frame: Bytes) -> Reply {
        Reply { frame, after: 0, child: false, free: false, subscribed: None }
    }

    /// A reply that says nothing about what was stored: it does not wait for a journal that is stuck.
    pub(crate) fn free(frame: Bytes) -> Reply {
        Reply { free: true, ..Reply::new(frame) }
    }

    /// The `job.accepted` of a delegated job, which follows the parent's `delegate` event. It waits while a submit is
    /// unanswered, so that no peer takes it for the answer.
    pub(crate) fn child(frame: Bytes, after: u64) -> Reply {
        Reply { after, child: true, ..Reply::new(frame) }
    }

    /// A `job.subscribed`, from whose sending the job's events are timed (`python-1.1`).
    pub(crate) fn subscribed(frame: Bytes, job: Option<JobId>) -> Reply {
        Reply { subscribed: job, ..Reply::new(frame) }
    }

    pub(crate) fn is_free(&self) -> bool {
        self.free
    }

    pub(crate) fn subscribed_job(&self) -> Option<JobId> {
        self.subscribed
    }

    pub(crate) fn into_frame(self) -> Bytes {
        self.frame
    }
}

/// How full a queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// The peer may ask for more.
    Low,
    /// Its frames are no longer read until replies were taken.
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

    /// The next reply that may go once the event `sent` was sent. A child's `job.accepted` lets the others go first: one
    /// of them may be the answer that it waited for.
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

    /// Drops the replies that follow events which are not sent any more.
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

    pub(super) fn held(&self) -> usize {
        self.bytes + self.queue.len() * 64
    }
}
