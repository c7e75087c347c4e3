//! What goes to the wire: replies and log entries, while a connection has credit.

use alloc::sync::Arc;

use bytes::Bytes;

use super::Runtime;
use crate::arcp::runtime::conn::Outstanding;
use crate::arcp::runtime::event::{Output, Timer};
use crate::arcp::runtime::host::{ConnId, SessionKey};
use crate::arcp::runtime::job::Job;
use crate::arcp::runtime::session;
use crate::arcp::runtime::session::{ConnState, Session};
use crate::arcp::wire::credential::Credential;
use crate::arcp::wire::envelope;
use crate::arcp::wire::feature::Feature;
use crate::arcp::wire::reply;
use crate::time::Time;

/// How long the events of a subscription wait after its `job.subscribed`, in a `python-1.1` session.
const PYTHON_SUBSCRIPTION_DELAY: u64 = 50_000;

/// What goes next to a connection.
enum Next {
    Frame(Bytes, Outstanding, After),
    /// Events of a subscription's history can be appended.
    Refill(SessionKey),
    /// The next events are in the journal only.
    Fetch(SessionKey),
    /// Nothing, or no credit for it.
    Wait,
}

/// What has to be durable before a frame is sent.
#[derive(Clone, Copy)]
enum After {
    /// Everything that is stored by now.
    All,
    /// This store.
    Store(u64),
    /// Nothing, if the journal is stuck: the frame tells of nothing that was stored.
    Free,
}

impl Runtime {
    /// The driver gave this many frames to the socket: their credit returns. Late reports, and reports of more than was
    /// sent, are ignored.
    pub fn handle_sent(&mut self, now: Time, conn: ConnId, frames: usize) {
        self.input(now, |this| {
            let now = this.now;
            let Some(open) = this.conns.get_mut(conn) else { return };
            let mut written = None;
            let mut subscribed = None;
            for _ in 0..frames {
                let Some(sent) = open.outstanding.pop_front() else { break };
                open.outstanding_bytes -= sent.bytes;
                open.last_written = now;
                written = sent.seq.or(written);
                subscribed = sent.subscribed.or(subscribed);
            }
            if let Some(key) = open.session {
                if let (Some(seq), Some(session)) = (written, this.sessions.get_mut(key)) {
                    session.log.wrote(seq);
                    this.unblock(key);
                }
                if subscribed.is_some() {
                    this.start_subscriptions(key, now);
                }
            }
            this.touch(conn);
        })
    }

    /// `job.subscribed` was written: its events follow in a moment.
    fn start_subscriptions(&mut self, key: SessionKey, now: Time) {
        let at = now.plus_micros(PYTHON_SUBSCRIPTION_DELAY);
        let Some(session) = self.sessions.get_mut(key) else { return };
        for watch in session.watches.values_mut() {
            if let Some(cursor) = watch.cursor.as_mut().filter(|cursor| cursor.not_before == Time::MAX) {
                cursor.not_before = at;
            }
        }
        self.arm(at, Timer::Subscription, key);
    }

    /// Sends whatever may be sent.
    pub(super) fn pump(&mut self, conn: ConnId) {
        loop {
            match self.next_frame(conn) {
                Next::Frame(frame, meta, after) => self.send(conn, frame, meta, after),
                Next::Refill(key) => {
                    if !self.refill(key) {
                        break;
                    }
                }
                Next::Fetch(key) => {
                    self.fetch_log(key);
                    break;
                }
                Next::Wait => break,
            }
        }
        self.settle(conn);
    }

    fn next_frame(&mut self, conn: ConnId) -> Next {
        let (frames, bytes) = (self.config.limits.send_window, self.config.limits.send_window_bytes);
        let Some(open) = self.conns.get_mut(conn) else { return Next::Wait };
        if let Some(ping) = open.ping.clone() {
            if !open.has_credit(ping.len(), frames, bytes) {
                return Next::Wait;
            }
            open.ping = None;
            let meta = Outstanding { bytes: ping.len(), seq: None, subscribed: None };
            return Next::Frame(ping, meta, After::Free);
        }
        let key = open.session;
        let session = key.and_then(|key| self.sessions.get_mut(key));
        let (sent, hold) = session.as_ref().map_or((u64::MAX, false), |s| (s.log.sent(), s.unanswered > 0));
        if let Some(len) = open.ready_reply(sent, hold) {
            if !open.has_credit(len, frames, bytes) {
                return Next::Wait;
            }
            if let Some(reply) = open.take_reply(sent, hold) {
                let meta = Outstanding { bytes: len, seq: None, subscribed: reply.subscribed };
                return Next::Frame(reply.frame, meta, if reply.free { After::Free } else { After::All });
            }
        }
        let (Some(session), Some(key)) = (session, key) else { return Next::Wait };
        // A held reply that belongs before the next event holds that, too.
        if open.state != ConnState::Bound || open.reply_before(sent) {
            return Next::Wait;
        }
        let form = session.form();
        let (epoch, principal) = (session.epoch, Arc::clone(&session.principal));
        let session_id = session.id;
        let Some((seq, entry)) = session.log.peek() else {
            return match session.log.missing() {
                Some(_) if session.fetching => Next::Wait,
                Some(_) => Next::Fetch(key),
                None if session.replaying.is_empty() => Next::Wait,
                None => Next::Refill(key),
            };
        };
        if let Some(announcement) = entry.accepted.as_mut().filter(|a| a.epoch != epoch && !form.python) {
            if hold && announcement.request_id.is_none() {
                return Next::Wait;
            }
            let accepted = &announcement.accepted;
            let submitter = accepted.principal == principal;
            let shown = credentials_now(self.jobs.get(announcement.job), submitter, form);
            let payload = reply::accepted(accepted, form, shown, announcement.request_id.as_deref());
            let head = session::job_head(session_id, accepted);
            let frame = envelope::frame(announcement.id, "job.accepted", &head, None, &[&payload]);
            if !open.has_credit(frame.len(), frames, bytes) {
                return Next::Wait;
            }
            announcement.epoch = epoch;
            let meta = Outstanding { bytes: frame.len(), seq: None, subscribed: None };
            return Next::Frame(frame, meta, After::All);
        }
        if !open.has_credit(entry.frame_len(), frames, bytes) {
            return Next::Wait;
        }
        let payload = entry.secret.as_ref().unwrap_or(&entry.payload);
        // Payloads were made from text.
        let Ok(payload) = core::str::from_utf8(payload) else { return Next::Wait };
        let frame = envelope::frame(entry.id, entry.kind, &entry.head, Some(seq), &[payload]);
        let after = After::Store(entry.after);
        session.log.advance();
        let meta = Outstanding { bytes: frame.len(), seq: Some(seq), subscribed: None };
        Next::Frame(frame, meta, after)
    }

    fn send(&mut self, conn: ConnId, frame: Bytes, meta: Outstanding, after: After) {
        let (now, stall) = (self.now, self.config.stall_timeout);
        let (stored, stuck, kept) = (self.stored, self.stuck(), self.config.journal.is_kept());
        let Some(open) = self.conns.get_mut(conn) else { return };
        // Who has not been welcomed, which waits for a store, is told of nothing that was stored.
        let stranger = kept && open.after == 0;
        let after = match after {
            After::Free if stuck || stranger => open.after,
            After::Free | After::All => stored,
            After::Store(seq) => open.after.max(seq.min(stored)),
        };
        open.after = after;
        if open.outstanding.is_empty() {
            open.last_written = now;
        }
        open.outstanding.push_back(meta);
        open.outstanding_bytes += meta.bytes;
        open.last_sent = now;
        let stall_at = now.plus(stall);
        let arm = open.stall_at.is_none();
        if arm {
            open.stall_at = Some(stall_at);
        }
        self.outputs.push_back(Output::Send { conn, frame, after });
        if arm {
            self.arm(stall_at, Timer::Stall, conn);
        }
    }

    /// Closes what has nothing left to send, reads on where replies have gone.
    fn settle(&mut self, conn: ConnId) {
        let (max_frames, max_bytes) = (self.config.limits.reply_frames, self.config.limits.reply_bytes);
        let Some(open) = self.conns.get_mut(conn) else { return };
        match open.state {
            ConnState::Closing => {
                if open.replies.is_empty()
                    && let Some(ending) = open.ending
                {
                    self.cut(conn, ending.code, ending.reason);
                }
            }
            ConnState::Bound => {
                if open.paused && open.replies.len() < max_frames && open.reply_bytes < max_bytes {
                    open.paused = false;
                    self.outputs.push_back(Output::Reading { conn });
                }
            }
            ConnState::Greeting | ConnState::Authenticating | ConnState::Gone => {}
        }
    }
}

/// The credentials a session may see of a job: its submitter's alone, while it lives (§9.8, §14).
pub(super) fn credentials_now(job: Option<&Job>, submitter: bool, form: reply::Form) -> &[Credential] {
    match job {
        Some(job) if submitter && job.state.is_live() && form.features.has(Feature::ProvisionedCredentials) => {
            &job.credentials
        }
        _ => &[],
    }
}

impl Session {
    pub(crate) fn form(&self) -> reply::Form {
        reply::Form { features: self.features, python: self.python }
    }
}
