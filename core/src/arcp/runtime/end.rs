//! Every way a job ends (§7.3). A job has exactly one terminal.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use super::Runtime;
use super::append::event_len;
use super::event::Event;
use super::host::{JobFailure, JobKey, Refused, SessionKey};
use super::jobs::ending::JobEnd;
use super::jobs::job::Job;
use super::jobs::state::{Cause, JobState};
use super::record::{JobEnded, Record};
use super::sessions::session::Session;
use super::sessions::watches::Role;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::job::{FinalStatus, Terminal};
use crate::arcp::wire::reply::{self, Success};
use crate::json::{Members, Object};
use crate::time::Time;

/// The maximum length of an agent's message and of a client's reason, in characters. They fit the smallest frame even
/// if every character is escaped.
pub(super) const MAX_MESSAGE: usize = 4 << 10;

impl Runtime {
    /// Ends a job whose agent has failed. A code that is not one of the 15 becomes `INTERNAL_ERROR`, and stands as `code`
    /// among the details.
    ///
    /// Errors: [`Refused::Terminal`], [`Refused::NotRunning`], [`Refused::Stale`].
    #[expect(clippy::needless_pass_by_value, reason = "an answer is given away")]
    pub fn fail(&mut self, now: Time, job: JobKey, failure: JobFailure) -> Result<(), Refused> {
        self.input(now, |this| {
            this.running(job)?;
            let message = if failure.message.is_empty() { "the agent failed" } else { &failure.message };
            let message: String = message.chars().take(MAX_MESSAGE).collect();
            let limit = this.frame_limit(this.jobs.get(job).and_then(Job::owner)) / 2;
            let details = failure.details.as_ref().map(|details| details.get()).filter(|text| text.len() <= limit);
            let fault = match ErrorCode::parse(&failure.code) {
                Some(code) => Fault { details: details.map(Into::into), ..Fault::new(code, message) },
                None => {
                    let details = Some(with_own_code(&failure.code, details));
                    Fault { details, ..Fault::new(ErrorCode::InternalError, message) }
                }
            };
            this.end_fault(job, Cause::Failed, fault);
            Ok(())
        })
    }

    /// Ends a job that does not succeed, after the jobs below it. A job that was cancelled ends as cancelled, and a job
    /// that was refused an operation because its lease had expired ends as expired, whatever `cause` is.
    pub(super) fn end_fault(&mut self, id: JobKey, cause: Cause, fault: Fault) {
        if self.jobs.get(id).is_some_and(|job| job.would_end(cause) && !job.is_ending()) {
            self.end_family(id, JobEnd::Fault(cause, fault));
        }
    }

    pub(super) fn end_cancelled(&mut self, id: JobKey, cause: Cause) {
        self.end_fault(id, cause, cancelled());
    }

    pub(super) fn end_expired(&mut self, id: JobKey) {
        self.end_fault(id, Cause::Expired, expired());
    }

    /// Ends a job that has run longer than `max_runtime_sec`.
    pub(super) fn time_out(&mut self, id: JobKey) {
        self.end_fault(id, Cause::TimedOut, Fault::new(ErrorCode::Timeout, "the job ran longer than max_runtime_sec"));
    }

    pub(super) fn end_success(&mut self, id: JobKey, success: &Success<'_>) {
        if self.jobs.get(id).is_none_or(|job| job.state() != JobState::Running) {
            self.end_cancelled(id, Cause::Finished);
            return;
        }
        let terminal = reply::success(success, self.clock.text());
        let result = match success {
            Success::Inline(json) | Success::Base64(json) => Some(Bytes::copy_from_slice(json.as_bytes())),
            Success::Streamed { .. } => None,
        };
        self.end_family(id, JobEnd::Success(terminal, result));
    }

    /// Ends a job below which no job is left.
    pub(super) fn end_alone(&mut self, id: JobKey, ending: JobEnd) {
        match ending {
            JobEnd::Fault(cause, fault) => self.end_one(id, cause, fault),
            JobEnd::Success(terminal, result) => {
                if self.jobs.end(id, Cause::Finished, &mut self.timers).is_some() {
                    self.conclude(id, true, terminal, None, result);
                }
            }
        }
    }

    fn end_one(&mut self, id: JobKey, cause: Cause, fault: Fault) {
        let Some(job) = self.jobs.get(id) else { return };
        let (was_running, refused) = (job.state().is_running(), job.is_expired());
        let Some(status) = self.jobs.end(id, cause, &mut self.timers) else { return };
        let fault = match (status, refused) {
            (FinalStatus::Cancelled, _) => cancelled(),
            (FinalStatus::Error, true) => expired(),
            _ => fault,
        };
        let terminal = reply::failure(status, &fault, self.clock.text());
        self.conclude(id, was_running, terminal, Some(fault), None);
    }

    /// Sends the terminal of an ended job, and releases what the job held.
    fn conclude(
        &mut self,
        id: JobKey,
        was_running: bool,
        terminal: Terminal,
        fault: Option<Fault>,
        result: Option<Bytes>,
    ) {
        let (status, terminal) = (terminal.status, Arc::new(terminal));
        self.jobs.set_terminal(id, Arc::clone(&terminal));
        let Some(job) = self.jobs.get(id) else { return };
        let (ulid, owner, parent) = (job.ulid(), job.owner(), job.parent());
        let (accepted, budget) = (Arc::clone(job.accepted()), job.budget().cloned());
        let agent = &*accepted.agent;
        let ran = job.in_phase(self.clock.now()).filter(|_| was_running);
        for credential in self.credentials.withdraw(id) {
            self.revoke(ulid, Some(credential.id), Some(credential.value), 1);
        }
        self.show_terminal(id, &terminal);
        self.jobs.conclude(id, self.clock.now());
        self.idempotency.end(ulid);
        if let Some(session) = owner.and_then(|key| self.sessions.get_mut(key)) {
            session.job_ends();
        }
        // What is left of a child's budget returns to its parent after the child's last event.
        if let Some(parent) = self.jobs.leave_family(id, parent, budget.as_ref()) {
            self.show_remaining(parent);
        }
        self.totals.count_ended(status);
        self.agents.count_ended(agent, status, ran);
        self.event(Event::Ended { job: id, status, fault, result });
        if was_running {
            self.free_slot(agent);
        } else {
            self.agents.leave(agent, id);
        }
        self.evict();
        self.check_drained();
    }

    /// Returns the terminal for a session, and whether it is the job's own. If its frame would be too large, it is the one
    /// that a job without `result_chunk` would have in that session.
    pub(super) fn terminal_for(
        &self,
        key: SessionKey,
        job: JobUlid,
        terminal: &Terminal,
    ) -> (&'static str, Bytes, bool) {
        let dialect = self.sessions.get(key).map(Session::dialect).unwrap_or_default();
        let (kind, payload) = dialect.numbered(job, terminal.kind, &terminal.payload);
        let max = self.frame_limit(Some(key));
        if event_len(payload.len()) <= max {
            return (kind, payload, true);
        }
        let fault = Fault::limit("frame_bytes", max as u64);
        let other = reply::failure(FinalStatus::Error, &fault, &self.clock.wall().to_rfc3339());
        let (kind, payload) = dialect.numbered(job, other.kind, &other.payload);
        (kind, payload, false)
    }

    /// Appends the terminal to the log of every session that watches the job, in the form of that session.
    fn show_terminal(&mut self, id: JobKey, terminal: &Terminal) {
        let Some(job) = self.jobs.get(id) else { return };
        let (watchers, ulid) = (job.watchers().to_vec(), job.ulid());
        let (mut to, mut numbered) = (Vec::new(), None);
        for key in watchers.iter().copied() {
            // If history has to be sent first, the terminal follows it.
            let Some(session) = self.sessions.get(key).filter(|session| session.is_shown_live(id)) else { continue };
            let owner = session.role(id) == Some(Role::Owner);
            let (kind, payload, is_own) = self.terminal_for(key, ulid, terminal);
            let shown = self.show(key, id, kind, payload.clone(), None);
            self.unwatch(key, id);
            let Some(target) = shown else { continue };
            if owner {
                numbered = Some(target.seq);
            }
            if is_own {
                if self.durability.is_kept() {
                    to.push(target);
                }
            } else if let Some(accepted) = self.jobs.get(id).map(|job| Arc::clone(job.accepted())) {
                self.record_shown(accepted.about(), kind, &payload, None, target);
            }
        }
        if let Some(job) = self.jobs.get_mut(id) {
            job.number(numbered);
        }
        self.record(|this| {
            let job = this.jobs.get(id)?;
            let record = JobEnded {
                job: job.ulid(),
                trace_id: job.accepted().trace_id,
                at: this.clock.now(),
                status: terminal.status,
                kind: terminal.kind,
                payload: terminal.payload.clone(),
                seq: job.last_seq(),
                to,
            };
            Some(Record::JobEnded(record.into()))
        });
        let stored = self.outputs.stored();
        if let Some(job) = self.jobs.get_mut(id) {
            job.ended_in(stored);
        }
        for key in watchers {
            self.press(key);
        }
    }
}

/// Returns an agent's details with a code of its own as `code`, which replaces a member of that name.
fn with_own_code(code: &str, details: Option<&str>) -> String {
    let code: String = code.chars().take(256).collect();
    let own = details.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Members(Vec::new()));
    let own = own.0.iter().filter(|(name, _)| name.as_str() != "code");
    own.fold(Object::new().text("code", &code), |all, (name, value)| all.named(name.as_str(), value.get())).close()
}

/// The fault of a job that was cancelled.
pub(super) fn cancelled() -> Fault {
    Fault::new(ErrorCode::Cancelled, "the job was cancelled")
}

fn expired() -> Fault {
    Fault::new(ErrorCode::LeaseExpired, "the job's lease has expired")
}
