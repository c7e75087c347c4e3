//! The end of every input: what it left to be done is done, in one place and without recursion.
//!
//! ```text
//! input --> one handler --> flush: agents that may go on | jobs whose agent has a slot | connections that may send
//!                             ^---------------------------- each may leave more ---------------------------'
//! ```

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use super::Runtime;
use crate::arcp::runtime::host::{ConnId, JobId, SessionKey};
use crate::time::Time;

/// What an input left to be done at its end.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    /// Jobs that waited for room in a log or for the journal.
    woken: VecDeque<JobId>,
    /// Agents of which a running job has ended.
    freed: VecDeque<Box<str>>,
    /// Connections that may have something to send, to close or to read.
    touched: VecDeque<ConnId>,
    /// Connections that end once they were given what is due.
    leaving: VecDeque<(ConnId, u16, &'static str)>,
}

impl Runtime {
    /// Handles one input: dispatches it once, then flushes once.
    pub(super) fn input<R>(&mut self, now: Time, handle: impl FnOnce(&mut Runtime) -> R) -> R {
        self.now = self.now.max(now);
        let result = handle(self);
        self.flush();
        result
    }

    /// Notes that a job that waited may go on.
    pub(super) fn wake(&mut self, job: JobId) {
        self.work.woken.push_back(job);
    }

    /// Notes that a running job of this agent has ended.
    pub(super) fn free_slot(&mut self, agent: &str) {
        let Some(known) = self.agents.get_mut(agent) else { return };
        known.running = known.running.saturating_sub(1);
        if !known.waiting.is_empty() {
            self.work.freed.push_back(agent.into());
        }
    }

    /// Notes that a connection may have something to send.
    pub(super) fn touch(&mut self, conn: ConnId) {
        if let Some(open) = self.conns.get_mut(conn)
            && !core::mem::replace(&mut open.touched, true)
        {
            self.work.touched.push_back(conn);
        }
    }

    /// Notes that the connection of a session may have something to send.
    pub(super) fn touch_session(&mut self, key: SessionKey) {
        if let Some(conn) = self.sessions.get(key).and_then(|session| session.conn) {
            self.touch(conn);
        }
    }

    /// Notes that a connection ends once it was given what is due.
    pub(super) fn end_after_flush(&mut self, conn: ConnId, code: u16, reason: &'static str) {
        self.work.leaving.push_back((conn, code, reason));
    }

    pub(super) fn flush(&mut self) {
        loop {
            if let Some(job) = self.work.woken.pop_front() {
                self.resume_agent(job);
            } else if let Some(agent) = self.work.freed.pop_front() {
                self.run_next(&agent);
            } else if let Some(conn) = self.work.touched.pop_front() {
                if let Some(open) = self.conns.get_mut(conn) {
                    open.touched = false;
                }
                self.pump(conn);
            } else if let Some((conn, code, reason)) = self.work.leaving.pop_front() {
                self.end(conn, code, reason);
            } else {
                return;
            }
        }
    }
}
