//! Deliberate mistakes in the core of CAP.

use super::{Mutation, at};

/// The mistakes in CAP.
pub(super) const CAP: [Mutation; 32] = [
    at(
        "cap: a request that comes again is run again",
        "cap/worker/request.rs",
        "if let Some(key) = self.jobs.find(&request.job_id) {",
        "if let Some(key) = self.jobs.find(&request.job_id).filter(|_| false) {",
    ),
    at(
        "cap: an attempt that comes again is run again",
        "cap/worker/rerun.rs",
        "attempt => attempt > last,",
        "attempt => attempt >= last,",
    ),
    at(
        "cap: a topic that is not the subject is accepted",
        "cap/worker/receive.rs",
        "if request.topic != topic.as_str() {",
        "if request.topic.is_empty() {",
    ),
    at(
        "cap: more handlers run than there are slots",
        "cap/worker/jobs.rs",
        "if self.running >= slots {",
        "if self.running > slots {",
    ),
    at(
        "cap: a slot is free before its handler has stopped",
        "cap/worker/jobs.rs",
        "if job.state() == WorkerJobState::Ended {",
        "if job.state() != WorkerJobState::Running {",
    ),
    at(
        "cap: a job that waits cannot be cancelled",
        "cap/worker/job/state.rs",
        "end: Queued | Fetching",
        "end: Fetching",
    ),
    at(
        "cap: a result is published although its output is not stored",
        "cap/worker/answer.rs",
        "Err(message) => this.io_failed(attempt.job, message),",
        "Err(_) => this.succeed(attempt.job),",
    ),
    at(
        "cap: a deadline passes late",
        "cap/worker/request.rs",
        "job.runtime.set(self.now.plus(runtime), &mut self.timers);",
        "job.runtime.set(self.now.plus(runtime.saturating_mul(2)), &mut self.timers);",
    ),
    at(
        "cap: a handler is not told to stop",
        "cap/worker/settle.rs",
        "self.outbox.push(WorkerOutput::Stop { attempt });",
        "_ = attempt;",
    ),
    at(
        "cap: an unsigned packet is believed",
        "cap/signature/generic.rs",
        "return Err(Rejection::Unsigned);",
        "return Ok(packet);",
    ),
    at(
        "cap: the signature of a stranger is believed",
        "cap/signature/generic.rs",
        "keys.iter().any(|key| verifier.verify(key, message, signature))",
        "keys.iter().any(|key| verifier.verify(key, message, signature) || !signature.is_empty())",
    ),
    at(
        "cap: a client is told two results",
        "cap/client/receive.rs",
        "            self.jobs.end(job);\n        } else {",
        "        } else {",
    ),
    at(
        "cap: a client does not submit again after the bus was away",
        "cap/client/connection.rs",
        "self.publish_again(job);",
        "_ = job;",
    ),
    at(
        "cap: an attempt that can be retried ends the job for its client",
        "cap/client/receive.rs",
        "JobStatus::FAILED_RETRYABLE => !self.config.await_retries,",
        "JobStatus::FAILED_RETRYABLE => true,",
    ),
    at(
        "cap: the router acts before its records are durable",
        "cap/router/outbox.rs",
        "self.waiting.front().filter(|(after, _)| *after <= self.durable)?;",
        "self.waiting.front()?;",
    ),
    at(
        "cap: the router's records do not outlive a move",
        "cap/router/restore.rs",
        "if let Some((_, body)) = rows.moved {",
        "if let Some((_, body)) = rows.moved.filter(|_| false) {",
    ),
    at(
        "cap: the router forgets how a job has ended",
        "cap/router/restore.rs",
        "if let Some((_, body)) = rows.ended {",
        "if let Some((_, body)) = rows.ended.filter(|_| false) {",
    ),
    at(
        "cap: the router numbers its records from 1 after a restart",
        "cap/router/outbox.rs",
        "(self.stored, self.durable) = (last, last);",
        "_ = last;",
    ),
    at(
        "cap: a handler runs although its output is stored",
        "cap/worker/answer.rs",
        "if output.is_some_and(|output| job.store(output.into())) {",
        "if output.is_some_and(|output| output.is_empty() && job.store(output.into())) {",
    ),
    at(
        "cap: a token that has expired is believed",
        "cap/trust/authority/record.rs",
        "self.session.as_ref().filter(|session| session.expires_at > now)",
        "self.session.as_ref().filter(|session| session.expires_at != now)",
    ),
    at(
        "cap: any token is believed",
        "cap/router/trust.rs",
        "if is_trusted { Ok(()) }",
        "if is_trusted || !token.expose().is_empty() { Ok(()) }",
    ),
    at(
        "cap: a token goes out before its session is stored",
        "cap/router/trust.rs",
        "self.outbox.store(RouterRecord::of_session(worker, session));",
        "_ = (worker, session);",
    ),
    at(
        "cap: sessions do not outlive the router",
        "cap/router/trust.rs",
        "is_some_and(|trust| trust.resume(self.now, worker, session));",
        "is_some_and(|trust| trust.resume(self.now, worker, session) && trust.revoke_session(worker));",
    ),
    at(
        "cap: a worker is asked for its result again without end",
        "cap/router/report.rs",
        "job.asked_again.replace(until) != Some(until)",
        "job.asked_again.replace(until) != Some(Time::MAX)",
    ),
    at(
        "cap: an acknowledgement does not wait for the answer",
        "cap/router/outbox.rs",
        "RouterOutput::Acknowledge { .. } => self.unsent.push(output),",
        "RouterOutput::Acknowledge { .. } => self.waiting.push_back((after, output)),",
    ),
    at(
        "cap: a packet that comes again is admitted",
        "cap/signature/profile.rs",
        "Admission::Duplicate => Ok(None),",
        "Admission::Duplicate => Ok(Some(opened.packet)),",
    ),
    at(
        "cap: a stale packet is admitted",
        "cap/signature/production.rs",
        "        if expires_at.plus(self.skew) <= now {\n            return Err(ProfileFault::Expired);\n        }\n        if expires_at > now.plus(self.lifetime).plus(self.skew) { Err(ProfileFault::Lifetime) } else { Ok(()) }\n    }\n\n    /// The time from which on a packet is refused as expired, so that it has to be remembered until then.\n    pub(super) fn forgotten_at(self, expires_at: Time) -> Time {\n        expires_at.plus(self.skew)",
        "        if expires_at > now.plus(self.lifetime).plus(self.skew) { Err(ProfileFault::Lifetime) } else { Ok(()) }\n    }\n\n    pub(super) fn forgotten_at(self, expires_at: Time) -> Time {\n        expires_at.plus_secs(100_000)",
    ),
    at(
        "cap: a packet is admitted on any subject",
        "cap/signature/production.rs",
        "if terms.audience != audience {",
        "if terms.audience.len() == audience.len() + 1_000 {",
    ),
    at(
        "cap: a result of a superseded dispatch counts",
        "cap/router/report.rs",
        "return dispatch != Some(&job.dispatch());",
        "return dispatch.is_none();",
    ),
    at(
        "cap: a job goes to a worker of another tenant",
        "cap/router/admit.rs",
        "job.head.tenant == session.enrollment.tenant_id",
        "job.head.tenant.len() == session.enrollment.tenant_id.len()",
    ),
    at(
        "cap: another tenant cancels a job before its request comes",
        "cap/router/cancelled.rs",
        "early.tenant == tenant",
        "early.tenant.len() == tenant.len()",
    ),
    at(
        "cap: what has waited for the bus is sent although it has expired",
        "cap/router/seal.rs",
        "micros(lifetime / 2)",
        "micros(lifetime * 1_000)",
    ),
];
