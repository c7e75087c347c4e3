//! What an agent can do for its job.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use nuncio_core::arcp::{Body, Chunk, Credential, Denied, Fault, JobUlid, Json, Number, Refused, Secret, SessionId};
use nuncio_core::budget::Budget;
use nuncio_core::lease::{Lease, Operation};
use nuncio_core::time::Time;
use nuncio_core::trace::TraceId;
use serde::Serialize;

use super::delegate::{Child, Delegation};
use super::job::Job;
use crate::arcp::server::hub::Hub;
use crate::io::sync::CancellationToken;

/// What an agent is given besides its input: it emits events, asks for authority, delegates, streams its result.
///
/// It is cheap to clone and can be handed to other tasks and threads. After the job's end everything is refused with
/// [`Refused::Terminal`].
///
/// An `emit` waits while the owner's event log is full of events that could not be sent yet (back-pressure); everything
/// else answers at once.
#[derive(Clone)]
pub struct JobContext {
    hub: Arc<Hub>,
    job: Arc<Job>,
}

impl JobContext {
    pub(crate) fn new(hub: Arc<Hub>, job: Arc<Job>) -> JobContext {
        JobContext { hub, job }
    }

    /// The job's id on the wire.
    pub fn job_id(&self) -> JobUlid {
        self.job.info.id
    }

    /// The session that owned the job when it started, unless it was closed by then.
    pub fn session_id(&self) -> Option<SessionId> {
        self.job.info.session
    }

    /// Who submitted the job.
    pub fn principal(&self) -> &str {
        &self.job.info.principal
    }

    /// The agent's bare name.
    pub fn agent(&self) -> &str {
        &self.job.info.agent
    }

    /// The version that was resolved, if the agent has versions (§7.5).
    pub fn version(&self) -> Option<&str> {
        self.job.info.version.as_deref()
    }

    /// The input as it was sent.
    pub fn input(&self) -> Option<&Json> {
        self.job.info.input.as_deref()
    }

    /// What the job may do (§9).
    pub fn lease(&self) -> &Lease {
        &self.job.info.lease
    }

    /// When the lease ends (§9.5).
    pub fn expires_at(&self) -> Option<Time> {
        self.job.info.expires_at
    }

    /// When `max_runtime_sec` ends the job (§7.1).
    pub fn deadline(&self) -> Option<Time> {
        self.job.info.deadline
    }

    /// How long the job still has until lease or deadline end it, whichever is first; `None` if neither does.
    pub fn time_left(&self) -> Option<Duration> {
        let end = [self.job.info.expires_at, self.job.info.deadline].into_iter().flatten().min()?;
        Some(self.hub.until(end))
    }

    /// What is left of the budget now; the parent's, if the job draws on that. `None` without a budget (§9.6).
    pub fn budget(&self) -> Option<Budget> {
        self.hub.look(|runtime| runtime.job(self.job.key).and_then(|view| view.budget.cloned()))
    }

    /// The credentials that are valid now (§9.8). None after the job's end.
    pub fn credentials(&self) -> Vec<Credential> {
        self.hub.look(|runtime| runtime.job(self.job.key).map_or_else(Vec::new, |view| view.credentials.to_vec()))
    }

    /// The trace that all frames of the job carry (§11).
    pub fn trace_id(&self) -> TraceId {
        self.job.info.trace_id
    }

    /// The submit's `extensions`, untouched: a W3C `traceparent` is under `x-vendor.opentelemetry.tracecontext`.
    pub fn extensions(&self) -> Option<&Json> {
        self.job.info.extensions.as_deref()
    }

    /// How the parent named this job, if it was delegated (§10).
    pub fn delegate_id(&self) -> Option<&str> {
        self.job.info.delegate_id.as_deref()
    }

    /// Cancelled when the job is to stop (§7.4), and when it has ended. After `Config::cancel_grace` the agent is
    /// dropped.
    pub fn cancellation(&self) -> &CancellationToken {
        self.job.cancellation()
    }

    /// Waits until the job is to stop.
    pub async fn cancelled(&self) {
        self.job.cancellation().cancelled().await;
    }

    /// Whether the job is to stop.
    pub fn is_cancelled(&self) -> bool {
        self.job.cancellation().is_cancelled()
    }

    /// Why the client wants the job to stop, if it said so.
    pub fn cancel_reason(&self) -> Option<&str> {
        self.job.cancel_reason()
    }

    /// `log` (§8.2).
    pub async fn log(&self, level: &str, message: &str) -> Result<(), Refused> {
        self.emit(&Body::log(level, message, None)).await
    }

    /// `log` with attributes.
    pub async fn log_with(&self, level: &str, message: &str, attributes: &impl Serialize) -> Result<(), Refused> {
        self.emit(&Body::log(level, message, Some(&*raw(attributes)?))).await
    }

    /// `thought`
    pub async fn thought(&self, text: &str) -> Result<(), Refused> {
        self.emit(&Body::thought(text)).await
    }

    /// `tool_call`. It asks no one: [`authorize`](JobContext::authorize) does.
    pub async fn tool_call(&self, call_id: &str, tool: &str, args: &impl Serialize) -> Result<(), Refused> {
        self.emit(&Body::tool_call(tool, Some(&*raw(args)?), call_id)).await
    }

    /// `tool_result` of a call that went well.
    pub async fn tool_result(&self, call_id: &str, result: &impl Serialize) -> Result<(), Refused> {
        self.emit(&Body::tool_result(call_id, &raw(result)?)).await
    }

    /// `tool_result` of a call that failed or was denied.
    pub async fn tool_error(&self, call_id: &str, fault: &Fault) -> Result<(), Refused> {
        self.emit(&Body::tool_error(call_id, fault)).await
    }

    /// `status`
    pub async fn status(&self, phase: &str, message: Option<&str>) -> Result<(), Refused> {
        self.emit(&Body::status(phase, message)?).await
    }

    /// `metric`. A `cost.*` whose unit is budgeted is a charge (§9.6).
    pub async fn metric(&self, name: &str, value: impl Into<Number>, unit: Option<&str>) -> Result<(), Refused> {
        self.emit(&Body::metric(name, &value.into(), unit, None)?).await
    }

    /// `metric` with dimensions.
    pub async fn metric_with(
        &self,
        name: &str,
        value: impl Into<Number>,
        unit: Option<&str>,
        dimensions: &impl Serialize,
    ) -> Result<(), Refused> {
        self.emit(&Body::metric(name, &value.into(), unit, Some(&*raw(dimensions)?))?).await
    }

    /// `artifact_ref`
    pub async fn artifact(
        &self,
        uri: &str,
        content_type: &str,
        byte_size: Option<u64>,
        sha256: Option<&str>,
    ) -> Result<(), Refused> {
        self.emit(&Body::artifact(uri, content_type, byte_size, sha256)).await
    }

    /// `progress` (§8.2.1); a session that did not negotiate it is not shown it.
    pub async fn progress(
        &self,
        current: impl Into<Number>,
        total: Option<Number>,
        units: Option<&str>,
        message: Option<&str>,
    ) -> Result<(), Refused> {
        self.emit(&Body::progress(&current.into(), total.as_ref(), units, message)?).await
    }

    /// An event of one's own, `x-vendor.<vendor>.<name>`, or any kind of §8.2, whose shape is checked.
    pub async fn event(&self, kind: &str, body: &impl Serialize) -> Result<(), Refused> {
        self.emit(&Body::raw(kind, &raw(body)?)?).await
    }

    /// Emits a body made before; waits while the owner's log is full. Dropped while it waits, it has emitted nothing.
    ///
    /// Now and then it yields, so that an agent that does nothing but emit can be dropped.
    pub async fn emit(&self, body: &Body) -> Result<(), Refused> {
        self.job.breathe().await;
        self.unblocked(|| self.try_emit(body), |refused| matches!(refused, Refused::Blocked)).await
    }

    /// Emits a body at once, or says [`Refused::Blocked`].
    pub fn try_emit(&self, body: &Body) -> Result<(), Refused> {
        self.hub.run(|state, now| state.runtime.emit(now, self.job.key, body))
    }

    /// Asks whether the lease allows an operation now (§9.3): to be called directly before it is done. Act on the
    /// [`target`](Operation::target) of the answer, which is the text that was compared.
    ///
    /// The fault of a [`Denied`] belongs into a [`tool_error`](JobContext::tool_error).
    pub fn authorize(&self, namespace: &str, target: &str) -> Result<Operation, Denied> {
        let operation = Operation::new(namespace, target).map_err(|error| denied(&error))?;
        self.authorize_operation(&operation)?;
        Ok(operation)
    }

    /// Asks whether the lease allows the use of a model (§9.7).
    pub fn authorize_model(&self, model: &str) -> Result<Operation, Denied> {
        let operation = Operation::model(model).map_err(|error| denied(&error))?;
        self.authorize_operation(&operation)?;
        Ok(operation)
    }

    /// Asks whether the lease allows an operation made before.
    pub fn authorize_operation(&self, operation: &Operation) -> Result<(), Denied> {
        self.hub.run(|state, now| state.runtime.authorize(now, self.job.key, operation))
    }

    /// Gives a part of the work to another agent of this runtime (§10). The child runs on its own, with a lease within
    /// this job's; its outcome can be awaited.
    pub async fn delegate(&self, delegation: &Delegation) -> Result<Child, Denied> {
        let request = delegation.request()?;
        let attempt = || {
            self.hub.run(|state, now| {
                let child = state.runtime.delegate(now, self.job.key, &request)?;
                let id = state.runtime.job(child).map(|view| view.id);
                Ok((id, state.await_end(child)))
            })
        };
        let (id, ended) = self.unblocked(attempt, |denied| matches!(denied, Denied::Blocked)).await?;
        Ok(Child::new(id, ended))
    }

    /// Gives a credential of this job another value (§9.8.2): the owner is told, the value before is revoked.
    pub fn rotate(&self, credential: &str, value: Secret) -> Result<(), Refused> {
        self.hub.run(|state, now| state.runtime.rotate(now, self.job.key, credential, value))
    }

    /// Writes a piece of the result and returns how many bytes of it were taken; waits while the owner's log is full.
    pub(super) async fn write_chunk(&self, chunk: Chunk<'_>, last: bool) -> Result<usize, Refused> {
        self.job.breathe().await;
        let attempt = || self.hub.run(|state, now| state.runtime.write_chunk(now, self.job.key, chunk, last));
        self.unblocked(attempt, |refused| matches!(refused, Refused::Blocked)).await
    }

    /// Repeats an attempt after each time the log has room again.
    async fn unblocked<T, E>(
        &self,
        mut attempt: impl FnMut() -> Result<T, E>,
        blocked: impl Fn(&E) -> bool,
    ) -> Result<T, E> {
        match attempt() {
            Err(refused) if blocked(&refused) => {}
            answer => return answer,
        }
        loop {
            // To be listening before the next attempt: the room may come directly after it.
            let room = self.job.room();
            match attempt() {
                Err(refused) if blocked(&refused) => room.await,
                answer => return answer,
            }
        }
    }
}

impl std::fmt::Debug for JobContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobContext")
            .field("job", &self.job.info.id)
            .field("agent", &self.job.info.agent)
            .finish_non_exhaustive()
    }
}

fn raw(value: &impl Serialize) -> Result<Box<Json>, Refused> {
    serde_json::value::to_raw_value(value)
        .map_err(|error| Refused::Invalid(Cow::Owned(format!("the value cannot be written as JSON: {error}"))))
}

fn denied(error: &nuncio_core::lease::TargetError) -> Denied {
    Denied::Fault(Fault::new(nuncio_core::arcp::ErrorCode::PermissionDenied, error.to_string()))
}
