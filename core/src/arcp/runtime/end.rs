//! Every way a job ends, and cancellation (§7.3, §7.4). A job has exactly one terminal.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use super::Runtime;
use super::frames::Request;
use crate::arcp::runtime::event::{Event, Timer};
use crate::arcp::runtime::host::{Failure, JobId, Refused, SessionKey};
use crate::arcp::runtime::job::{JobEvent, JobState};
use crate::arcp::runtime::record::{JobEnded, Record};
use crate::arcp::runtime::session::Role;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::job::FinalStatus;
use crate::arcp::wire::job::Terminal;
use crate::arcp::wire::reply::{self, Success};
use crate::arcp::wire::request;
use crate::json::Object;
use crate::time::Time;

/// Characters that go out of an agent's own message and of a client's reason: escaped they still fit the smallest frame.
const MAX_MESSAGE: usize = 4 << 10;

impl Runtime {
    pub(super) fn on_cancel(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        let cancel: request::Cancel<'_> = request::decode(request.kind, request.envelope.payload)?;
        if let (Some(inner), Some(outer)) = (&cancel.job_id, &request.envelope.job_id)
            && inner != outer
        {
            return Err(Fault::invalid("the message names two different jobs"));
        }
        let named = request::job_id(cancel.job_id, request.envelope.job_id.as_ref())?;
        let id = self.visible(key, &named)?;
        let reason: Option<String> = cancel.reason.map(|reason| reason.as_str().chars().take(MAX_MESSAGE).collect());
        let Some(job) = self.jobs.get(id) else { return Ok(()) };
        if job.owner != Some(key) {
            return Err(Fault::new(ErrorCode::PermissionDenied, "only the session that submitted a job may cancel it"));
        }
        if !job.state.is_live() {
            // The terminal in the session's log is the answer.
            return Ok(());
        }
        let payload = Object::new()
            .plain("job_id", job.accepted.id)
            .opt_text("reason", reason.as_deref())
            .text("request_id", request.id)
            .close();
        self.reply(key, "job.cancelled", Some(id), &payload);
        self.cancel(id, reason.as_deref());
        Ok(())
    }

    /// Asks a job's agent, and those of the jobs below it, to stop.
    fn cancel(&mut self, id: JobId, reason: Option<&str>) {
        let mut open = Vec::from([id]);
        while let Some(id) = open.pop() {
            if self.jobs.get(id).is_some_and(|job| job.state == JobState::Asked) {
                self.drop_asked(id, cancelled());
            } else if self.cancel_one(id, reason)
                && let Some(job) = self.jobs.get(id)
            {
                open.extend(job.children.iter().rev());
            }
        }
    }

    /// Asks a job's agent to stop; says whether it was, and the agents below it are still to be asked.
    fn cancel_one(&mut self, id: JobId, reason: Option<&str>) -> bool {
        let Some(job) = self.jobs.get_mut(id) else { return false };
        let Some(state) = job.state.next(JobEvent::Cancel) else { return false };
        if job.state == JobState::Pending {
            self.end_cancelled(id, JobEvent::Cancel);
            return false;
        }
        let finished = job.tail.is_some();
        let deadline = self.now.plus(self.config.cancel_grace);
        job.state = state;
        job.deadlines.grace = Some(deadline);
        self.arm(deadline, Timer::Grace, id);
        if finished {
            // Its agent has returned: nothing is left to be asked.
            self.end_cancelled(id, JobEvent::GraceOver);
            return false;
        }
        self.journal_doom(id, true);
        self.event(Event::Cancel { job: id, reason: reason.map(Into::into), deadline });
        true
    }

    /// The agent failed. A code outside the 15 becomes `INTERNAL_ERROR` with details `{code}`.
    ///
    /// Errors: [`Refused::Terminal`], [`Refused::NotRunning`], [`Refused::Stale`].
    #[expect(clippy::needless_pass_by_value, reason = "an answer is given away")]
    pub fn fail(&mut self, now: Time, job: JobId, failure: Failure) -> Result<(), Refused> {
        self.input(now, |this| {
            this.running(job)?;
            let message = if failure.message.is_empty() { "the agent failed" } else { &failure.message };
            let message: String = message.chars().take(MAX_MESSAGE).collect();
            let fault = match ErrorCode::parse(&failure.code) {
                Some(code) => {
                    let limit = this.frame_limit(this.jobs.get(job).and_then(|job| job.owner)) / 2;
                    let details =
                        failure.details.as_ref().map(|details| details.get()).filter(|text| text.len() <= limit);
                    Fault { details: details.map(Into::into), ..Fault::new(code, message) }
                }
                None => {
                    let code: String = failure.code.chars().take(256).collect();
                    Fault::new(ErrorCode::InternalError, message).with_detail("code", &code)
                }
            };
            this.end_fault(job, JobEvent::Fail, fault);
            Ok(())
        })
    }

    /// Ends a job that does not succeed. A job that was cancelled, or whose lease was refused as expired, ends so,
    /// whatever else happens to it.
    pub(super) fn end_fault(&mut self, id: JobId, event: JobEvent, fault: Fault) {
        if self.jobs.get(id).is_some_and(|job| job.ending(event).is_some()) {
            self.end_descendants(id);
            self.end_one(id, event, fault);
        }
    }

    fn end_one(&mut self, id: JobId, event: JobEvent, fault: Fault) {
        let Some(job) = self.jobs.get(id) else { return };
        let Some(state) = job.ending(event) else { return };
        let fault = match (state, job.expired) {
            (JobState::Cancelled, _) => cancelled(),
            (JobState::Error, true) => expired(),
            _ => fault,
        };
        let Some(status) = state.final_status() else { return };
        let terminal = reply::failure(status, &fault, &self.now.to_rfc3339());
        self.conclude(id, state, terminal, Some(fault), None);
    }

    pub(super) fn end_cancelled(&mut self, id: JobId, event: JobEvent) {
        self.end_fault(id, event, cancelled());
    }

    pub(super) fn end_expired(&mut self, id: JobId, event: JobEvent) {
        self.end_fault(id, event, expired());
    }

    pub(super) fn end_success(&mut self, id: JobId, success: &Success<'_>) {
        let Some(job) = self.jobs.get(id) else { return };
        let Some(state) = job.state.next(JobEvent::Finish) else { return };
        if state == JobState::Cancelled {
            self.end_cancelled(id, JobEvent::Finish);
            return;
        }
        let terminal = reply::success(success, &self.now.to_rfc3339());
        let result = match success {
            Success::Inline(json) => Some(Bytes::copy_from_slice(json.as_bytes())),
            Success::Streamed { .. } => None,
        };
        self.end_descendants(id);
        self.conclude(id, state, terminal, None, result);
    }

    fn conclude(
        &mut self,
        id: JobId,
        state: JobState,
        terminal: Terminal,
        fault: Option<Fault>,
        result: Option<Bytes>,
    ) {
        let now = self.now;
        let terminal = Arc::new(terminal);
        let Some(job) = self.jobs.get_mut(id) else { return };
        let was_running = job.state.is_running();
        job.state = state;
        job.terminal = Some(Arc::clone(&terminal));
        job.blocked = false;
        job.tail = None;
        job.gathered = None;
        job.input = None;
        job.extensions = None;
        job.delegate_ids.clear();
        let deadlines = core::mem::take(&mut job.deadlines);
        let credentials = core::mem::take(&mut job.credentials);
        let (ulid, owner, parent) = (job.accepted.id, job.owner, job.parent);
        let agent = job.accepted.agent.clone();
        self.disarm(deadlines.runtime, Timer::Runtime, id);
        self.disarm(deadlines.expiry, Timer::Expiry, id);
        self.disarm(deadlines.grace, Timer::Grace, id);
        for credential in credentials {
            self.revoke(ulid, credential.id, Some(credential.value), 1);
        }
        self.show_terminal(id, &terminal);
        let bytes = self.jobs.get(id).map_or(0, crate::arcp::runtime::job::Job::held);
        self.live_jobs -= 1;
        if let Some(session) = owner.and_then(|key| self.sessions.get_mut(key)) {
            session.jobs -= 1;
        }
        self.leave_family(id, parent);
        self.ended.push_back((now, id));
        self.ended_bytes += bytes;
        let (status, code) = (terminal.status, fault);
        self.totals.count_ended(status);
        self.event(Event::Ended { job: id, status, fault: code, result });
        if was_running {
            self.free_slot(&agent);
        } else {
            self.leave_queue(&agent, id);
        }
        self.evict();
        self.check_drained();
    }

    /// A terminal as a session is shown it: where its frame would be too large, what a job without `result_chunk` would
    /// have ended with in that session.
    pub(super) fn terminal_for(&self, key: SessionKey, terminal: &Terminal) -> (&'static str, Bytes) {
        let python = self.sessions.get(key).is_some_and(|session| session.python);
        let (kind, payload) = terminal.for_form(python);
        let max = self.frame_limit(Some(key));
        if Runtime::event_len(payload.len()) <= max {
            return (kind, payload.clone());
        }
        let fault = Fault::limit("frame_bytes", max as u64);
        let other = reply::failure(FinalStatus::Error, &fault, &self.now.to_rfc3339());
        (other.kind, other.payload)
    }

    /// The terminal goes to everyone who is shown the job, in the form of each.
    fn show_terminal(&mut self, id: JobId, terminal: &Terminal) {
        let watchers = self.jobs.get(id).map(|job| job.watchers.clone()).unwrap_or_default();
        let mut to = Vec::new();
        for key in watchers.iter().copied() {
            let Some(session) = self.sessions.get(key) else { continue };
            let Some(watch) = session.watches.get(&id) else { continue };
            if watch.cursor.is_some() {
                // It comes after the history that is still to be shown.
                continue;
            }
            let owner = watch.role == Role::Owner;
            let (kind, payload) = self.terminal_for(key, terminal);
            let itself = payload == terminal.for_form(session.python).1;
            let Some(target) = self.show(key, id, kind, payload.clone(), None) else { continue };
            self.unwatch(key, id);
            if let (true, Some(job)) = (owner, self.jobs.get_mut(id)) {
                job.last_seq = target.seq.max(job.last_seq + 1);
            }
            if itself {
                to.push(target);
            } else if let Some(accepted) = self.jobs.get(id).map(|job| Arc::clone(&job.accepted)) {
                self.journal_shown(&accepted, kind, &payload, None, target);
            }
        }
        if let Some(job) = self.jobs.get_mut(id).filter(|job| job.owner.is_none()) {
            job.last_seq += 1;
        }
        self.journal(|this| {
            let job = this.jobs.get(id)?;
            let record = JobEnded {
                job: job.accepted.id,
                trace_id: job.accepted.trace_id,
                at: this.now,
                status: terminal.status,
                kind: terminal.kind,
                payload: terminal.payload.clone(),
                python: terminal.python.clone(),
                seq: job.last_seq,
                to,
            };
            Some(Record::JobEnded(record.into()))
        });
        for key in watchers {
            self.press(key);
            self.touch_session(key);
        }
    }

    /// Ends the jobs below this one, deepest first: each of them before the terminal of the one above it.
    fn end_descendants(&mut self, id: JobId) {
        for child in self.descendants(id) {
            match self.jobs.get(child).map(|job| job.state) {
                Some(JobState::Asked) => self.drop_asked(child, cancelled()),
                Some(_) => self.end_one(child, JobEvent::ParentEnded, cancelled()),
                None => {}
            }
        }
    }

    /// The jobs below this one, each before the one it was delegated by.
    fn descendants(&self, id: JobId) -> Vec<JobId> {
        let children = |id: JobId| self.jobs.get(id).map_or(&[][..], |job| &job.children);
        let mut open: Vec<JobId> = children(id).to_vec();
        let mut found = Vec::new();
        while let Some(id) = open.pop() {
            found.push(id);
            open.extend(children(id));
        }
        // Found parents first and siblings last to first: the other way round is what is wanted.
        found.reverse();
        found
    }

    /// A child's budget returns to its parent, after the child's last event.
    pub(super) fn leave_family(&mut self, id: JobId, parent: Option<JobId>) {
        if let Some(parent) = self.return_budget(id, parent) {
            self.show_remaining(parent);
        }
    }

    /// The same untold; what comes back is the parent, if its budget has changed.
    pub(super) fn return_budget(&mut self, id: JobId, parent: Option<JobId>) -> Option<JobId> {
        let budget = self.jobs.get(id).and_then(|job| job.budget.clone());
        let job = self.jobs.get_mut(parent?)?;
        job.children.retain(|child| *child != id);
        let (ours, childs) = (job.budget.as_mut()?, budget?);
        ours.give_back(&childs);
        parent
    }

    /// A job cannot end well any more.
    pub(super) fn journal_doom(&mut self, id: JobId, cancelled: bool) {
        self.journal(|this| {
            let job = this.jobs.get(id)?.accepted.id;
            Some(Record::JobDoomed { job, cancelled })
        });
    }

    /// The job a session names, if its principal may know of it: one answer for all others.
    pub(super) fn visible(&self, key: SessionKey, named: &str) -> Result<JobId, Fault> {
        let found = JobUlid::parse(named).and_then(|ulid| self.job_ids.get(&ulid).copied());
        let known = found.filter(|id| {
            let (Some(session), Some(job)) = (self.sessions.get(key), self.jobs.get(*id)) else { return false };
            self.access(session, &job.accepted) != crate::arcp::Access::Hidden
        });
        known.ok_or_else(super::watch::unknown)
    }
}

fn cancelled() -> Fault {
    Fault::new(ErrorCode::Cancelled, "the job was cancelled")
}

fn expired() -> Fault {
    Fault::new(ErrorCode::LeaseExpired, "the job's lease has expired; submit it again with a later expires_at")
}

/// The fault of a job that ran too long.
pub(super) fn timed_out() -> Fault {
    Fault::new(ErrorCode::Timeout, "the job ran longer than max_runtime_sec")
}
