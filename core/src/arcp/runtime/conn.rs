//! A connection: its credit, the replies that wait for it, its signs of life.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bytes::Bytes;

use crate::arcp::runtime::host::{JobId, SessionKey, Via};
use crate::arcp::runtime::session::ConnState;
use crate::arcp::wire::feature::Features;
use crate::arcp::wire::ids::SessionId;
use crate::time::Time;

/// A hello that waits for the host.
#[derive(Clone, Debug)]
pub(crate) struct Greeting {
    pub(crate) request_id: Option<Box<str>>,
    pub(crate) features: Features,
    pub(crate) python: bool,
    pub(crate) resume: Option<Claim>,
}

/// What a resume claims.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// `None`: the session is found by its token.
    pub(crate) session: Option<SessionId>,
    /// The id was there but can be none of ours.
    pub(crate) foreign: bool,
    /// SHA-256 of the token.
    pub(crate) token: [u8; 32],
    pub(crate) last: u64,
}

/// An unnumbered frame that waits for credit.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) frame: Bytes,
    /// Sent once the event of this number was, and before the next one.
    pub(crate) after: u64,
    /// A child's `job.accepted`: it waits while a submit is unanswered, so that no peer takes it for the answer.
    pub(crate) hold: bool,
    /// It tells of nothing that was stored, so it does not wait for the journal while that is stuck.
    pub(crate) free: bool,
    /// The `job.subscribed` of this job: its events are timed from here (`python-1.1`).
    pub(crate) subscribed: Option<JobId>,
}

/// A frame that was given to the driver and not yet reported as written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outstanding {
    pub(crate) bytes: usize,
    pub(crate) seq: Option<u64>,
    pub(crate) subscribed: Option<JobId>,
}

/// How a connection is closed once its queue is empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) struct Conn {
    pub(crate) via: Via,
    pub(crate) state: ConnState,
    pub(crate) greeting: Option<Box<Greeting>>,
    /// The how-manieth hello of the runtime its hello was.
    pub(crate) hello: u64,
    pub(crate) session: Option<SessionKey>,
    pub(crate) replies: VecDeque<Reply>,
    pub(crate) reply_bytes: usize,
    pub(crate) outstanding: VecDeque<Outstanding>,
    pub(crate) outstanding_bytes: usize,
    pub(crate) ping: Option<Bytes>,
    /// The last store that what was sent depends on.
    pub(crate) after: u64,
    pub(crate) last_received: Time,
    pub(crate) last_sent: Time,
    pub(crate) last_ping: Time,
    pub(crate) last_written: Time,
    /// A frame of this session's client was received: it holds the newest resume token.
    pub(crate) proved: bool,
    pub(crate) paused: bool,
    pub(crate) bad_frames: u32,
    pub(crate) bad_since: Time,
    pub(crate) ending: Option<Ending>,
    pub(crate) greeting_at: Option<Time>,
    pub(crate) heartbeat_at: Option<Time>,
    pub(crate) stall_at: Option<Time>,
    pub(crate) linger_at: Option<Time>,
    /// It stands in the queue of connections to flush.
    pub(crate) touched: bool,
}

impl Conn {
    pub(crate) fn new(via: Via, now: Time) -> Conn {
        Conn {
            via,
            state: ConnState::Greeting,
            greeting: None,
            hello: 0,
            session: None,
            replies: VecDeque::new(),
            reply_bytes: 0,
            outstanding: VecDeque::new(),
            outstanding_bytes: 0,
            ping: None,
            after: 0,
            last_received: now,
            last_sent: now,
            last_ping: now,
            last_written: now,
            proved: false,
            paused: false,
            bad_frames: 0,
            bad_since: now,
            ending: None,
            greeting_at: None,
            heartbeat_at: None,
            stall_at: None,
            linger_at: None,
            touched: false,
        }
    }

    pub(crate) fn queue(&mut self, reply: Reply) {
        self.reply_bytes += reply.frame.len();
        self.replies.push_back(reply);
    }

    /// The next reply that may go once the event `sent` was sent. A child's `job.accepted` lets the others go first: one of
    /// them may be the answer it waited for.
    fn next_reply(&self, sent: u64, hold: bool) -> Option<usize> {
        let first = |held: bool| self.replies.iter().position(|reply| reply.hold == held && reply.after <= sent);
        first(false).or_else(|| if hold { None } else { first(true) })
    }

    pub(crate) fn take_reply(&mut self, sent: u64, hold: bool) -> Option<Reply> {
        let reply = self.replies.remove(self.next_reply(sent, hold)?)?;
        self.reply_bytes -= reply.frame.len();
        Some(reply)
    }

    /// The bytes of the reply that [`Conn::take_reply`] would take.
    pub(crate) fn ready_reply(&self, sent: u64, hold: bool) -> Option<usize> {
        let reply = self.replies.get(self.next_reply(sent, hold)?)?;
        Some(reply.frame.len())
    }

    /// Whether a reply must go before the event after `sent`.
    pub(crate) fn reply_before(&self, sent: u64) -> bool {
        self.replies.iter().any(|reply| reply.after <= sent)
    }

    /// Drops the replies that belong behind events which are not sent any more.
    pub(crate) fn drop_late_replies(&mut self) {
        self.replies.retain(|reply| reply.after == 0);
        self.reply_bytes = self.replies.iter().map(|reply| reply.frame.len()).sum();
    }

    pub(crate) fn has_credit(&self, bytes: usize, max_frames: usize, max_bytes: usize) -> bool {
        self.outstanding.is_empty()
            || (self.outstanding.len() < max_frames && self.outstanding_bytes + bytes <= max_bytes)
    }

    pub(crate) fn held(&self) -> usize {
        self.reply_bytes + self.replies.len() * 64 + self.outstanding.len() * 40 + 512
    }
}
