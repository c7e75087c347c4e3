//! Deliberate mistakes in CAP: in the core, and in what its drivers share.

use super::{Mutation, Suite, Tests, at};

/// The mistakes in CAP.
pub(super) const CAP: [Mutation; 41] = [
    at(
        "cap: a request that comes again is run again",
        "cap/worker/request.rs",
        "if let Some(key) = self.jobs.find(&request.job_id).filter(|_| rerun.is_none()) {",
        "if let Some(key) = self.jobs.find(&request.job_id).filter(|_| false) {",
    ),
    at(
        "cap: an attempt that comes again is run again",
        "cap/worker/rerun.rs",
        "attempt => attempt > last,",
        "attempt => attempt >= last,",
    ),
    at(
        "cap: a silent job gives no sign",
        "cap/worker/announce.rs",
        "self.outbox.publish(Subject::Heartbeat, trace_id, heartbeat);\n        self.give_signs();",
        "self.outbox.publish(Subject::Heartbeat, trace_id, heartbeat);",
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
        "job.runtime.set(self.clock.now().plus(runtime), &mut self.timers);",
        "job.runtime.set(self.clock.now().plus(runtime.saturating_mul(2)), &mut self.timers);",
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
        "self.session.as_ref().filter(|session| !session.expiry.is_over(now))",
        "self.session.as_ref().filter(|session| session.expiry.over() != now)",
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
        "is_some_and(|trust| trust.resume(self.clock.now(), worker, session));",
        "is_some_and(|trust| trust.resume(self.clock.now(), worker, session) && trust.revoke_session(worker));",
    ),
    at(
        "cap: a worker is asked for its result again without end",
        "cap/router/report.rs",
        "job.asked_again.replace(until) != Some(until)",
        "job.asked_again.replace(until).is_some() | true",
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
        "        if expires_at.plus(self.skew) <= wall {\n            return Err(ProfileFault::Expired);\n        }\n        if expires_at > wall.plus(self.lifetime).plus(self.skew) { Err(ProfileFault::Lifetime) } else { Ok(()) }\n    }\n\n    /// What the wall clock shows when a packet is refused as expired, so that it has to be remembered until then.\n    pub(super) fn forgotten_at(self, expires_at: Time) -> Time {\n        expires_at.plus(self.skew)",
        "        if expires_at > wall.plus(self.lifetime).plus(self.skew) { Err(ProfileFault::Lifetime) } else { Ok(()) }\n    }\n\n    pub(super) fn forgotten_at(self, expires_at: Time) -> Time {\n        expires_at.plus_secs(100_000)",
    ),
    at(
        "cap: a packet is admitted on any subject",
        "cap/signature/production.rs",
        "if terms.audience != audience {",
        "if terms.audience.len() == audience.len() + 1_000 {",
    ),
    Mutation {
        // The simulator rarely has a result that is late by a whole dispatch.
        suite: Suite::Tests(Tests { package: "nuncio-core", target: "cap", filter: "router::superseded::" }),
        ..at(
            "cap: a result of a superseded dispatch counts",
            "cap/router/report.rs",
            "return dispatch != Some(&job.dispatch());",
            "return dispatch.is_none();",
        )
    },
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
    at(
        "cap: a request that waits goes to a worker that is revoked",
        "cap/router/trust.rs",
        "            self.outbox.withdraw(&Subject::Direct(id.clone()));\n",
        "",
    ),
    at(
        "cap: a restarted router asks a worker that was revoked",
        "cap/router/dispatch.rs",
        "if self.config.trust.is_required() && !self.has_session(worker.as_str()) {",
        "if false && !self.has_session(worker.as_str()) {",
    ),
    at(
        "cap: a packet is forgotten once the wall clock has shown its expiry",
        "cap/signature/replay.rs",
        "        self.make_room()?;",
        "        while let Some((_, key)) = self.by_expiry.first().filter(|(at, _)| *at <= wall).copied() {\n            \
         self.by_expiry.pop_first();\n            self.seen.remove(&key);\n        }\n        self.make_room()?;",
    ),
    at(
        "cap: a token does not follow a wall clock that is set ahead",
        "cap/trust/authority/record.rs",
        "answered.chain(open).chain(session)",
        "answered.chain(open).chain(session.take(0))",
    ),
    at(
        "cap: a token lasts longer once the wall clock is set back",
        "cap/trust/authority/record.rs",
        ".for_each(|expiry| expiry.follow(clock));",
        ".for_each(|expiry| *expiry = Expiry::new(expiry.at(), clock));",
    ),
    at(
        "cap: a token is judged by a clock that is never set",
        "cap/trust/authority/record.rs",
        "filter(|session| !session.expiry.is_over(now))",
        "filter(|session| session.expiry.at() > now)",
    ),
    at(
        "cap: a worker that is revoked after its session has expired gets what waits",
        "cap/router/trust.rs",
        "let kept_session = this.keeps_session(worker);\n            let was_enrolled",
        "let kept_session = this.has_session(worker);\n            let was_enrolled",
    ),
    at(
        "cap: progress that the router repeats is a sign of the worker",
        "cap/router/report.rs",
        "let came_before = job.progress().iter().any(|kept| **kept == *bytes);",
        "let came_before = job.progress().iter().any(|kept| kept.len() > bytes.len());",
    ),
];
