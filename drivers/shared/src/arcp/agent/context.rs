//! What an agent is given besides its input.

#[cfg(feature = "caracal")]
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use futures_channel::oneshot;
use nuncio_core::arcp::{
    Answer, Body, Chunk, Credential, Denied, Fault, JobId, JobKey, Json, Question, Refused, Runtime, Secret, SessionId,
};
use nuncio_core::budget::Budget;
use nuncio_core::lease::{Lease, Operation};
use nuncio_core::time::Time;
use nuncio_core::trace::TraceId;
use serde::Serialize;

use super::delegate::{Child, Delegation};
use super::event::json;
use super::job::{Attachment, Ended, Job};
use crate::arcp::server::hub::Hub;
use crate::io::BoxFuture;
use crate::io::clock::wall;
use crate::io::sync::CancellationToken;

/// The context of a job, which its agent is given besides the input: it emits events, asks for authority, delegates work,
/// and streams the result.
///
/// It is cheap to clone and can be passed to other tasks and threads. After the job's end, everything is refused with
/// [`Refused::Terminal`], and with [`Refused::Stale`] once the job [is left](JobContext::is_left). Methods that emit wait while the owner's event log is full (back-pressure); all others return at
/// once.
///
/// ```
/// use nuncio_shared::arcp::{Failure, JobContext};
///
/// async fn fetch(url: String, ctx: JobContext) -> Result<String, Failure> {
///     ctx.status("fetching").message(&url).await?;
///     // Act on the target that was compared with the lease.
///     let operation = ctx.authorize("net.fetch", &url)?;
///     Ok(format!("the contents of {}", operation.target()))
/// }
/// ```
#[derive(Clone)]
pub struct JobContext {
    hub: Arc<Hub>,
    job: Arc<Job>,
}

impl JobContext {
    pub(crate) fn new(hub: Arc<Hub>, job: Arc<Job>) -> JobContext {
        JobContext { hub, job }
    }

    /// Returns the job's id.
    pub fn job_id(&self) -> &JobId {
        &self.job.info.id
    }

    /// Returns the session that owned the job when it started, or `None` if it was closed by then.
    pub fn session_id(&self) -> Option<&SessionId> {
        self.job.info.session.as_ref()
    }

    /// Returns the principal that submitted the job.
    pub fn principal(&self) -> &str {
        &self.job.info.principal
    }

    /// Returns the agent's bare name.
    pub fn agent(&self) -> &str {
        &self.job.info.agent
    }

    /// Returns the resolved version, or `None` if the agent has no versions (§7.5).
    pub fn version(&self) -> Option<&str> {
        self.job.info.version.as_deref()
    }

    /// Returns the input as it was sent.
    pub fn input(&self) -> Option<&Json> {
        self.job.info.input.as_deref()
    }

    /// Returns the lease: what the job may do (§9).
    pub fn lease(&self) -> &Lease {
        &self.job.info.lease
    }

    /// Returns when the lease ends (§9.5).
    pub fn expires_at(&self) -> Option<Time> {
        self.job.info.expires_at
    }

    /// Returns when `max_runtime_sec` ends the job (§7.1).
    pub fn deadline(&self) -> Option<Time> {
        self.job.info.deadline.map(|at| self.hub.wall_at(at))
    }

    /// Returns the time until the lease or the deadline ends the job, whichever is first; `None` if neither does.
    pub fn time_left(&self) -> Option<Duration> {
        let lease = self.job.info.expires_at.map(|at| Duration::from_micros(at.since(wall())));
        let deadline = self.job.info.deadline.map(|at| self.hub.until(at));
        lease.into_iter().chain(deadline).min()
    }

    /// Returns the remaining budget, which is the parent's if the job draws on that; `None` without a budget (§9.6).
    pub fn budget(&self) -> Option<Budget> {
        self.hub.look(|runtime| runtime.job(self.job.key).and_then(|view| view.budget.cloned()))
    }

    /// Returns the credentials that are valid now (§9.8); none after the job's end.
    pub fn credentials(&self) -> Vec<Credential> {
        self.hub.look(|runtime| runtime.job(self.job.key).map_or_else(Vec::new, |view| view.credentials.to_vec()))
    }

    /// Returns the trace of the job, which all its frames carry (§11).
    pub fn trace_id(&self) -> TraceId {
        self.job.info.trace_id
    }

    /// Returns the submit's `extensions` as they were sent. A W3C `traceparent` is under
    /// `x-vendor.opentelemetry.tracecontext`.
    pub fn extensions(&self) -> Option<&Json> {
        self.job.info.extensions.as_deref()
    }

    /// Returns the name that the parent has given to this job, if it was delegated (§10).
    pub fn delegate_id(&self) -> Option<&str> {
        self.job.info.delegate_id.as_deref()
    }

    /// Returns how often the server was restarted while the agent ran: 0 in the first run of the job, more only if the agent
    /// is [run again](crate::arcp::OnRestart::Rerun). What earlier runs have emitted stays, and so does what they have spent
    /// from the budget.
    pub fn restarts(&self) -> u32 {
        self.job.info.restarts
    }

    /// Leaves a note with the job in place of the last one, for a run after a restart: for example the id of a remote job
    /// that goes on meanwhile. No client sees it, and it is dropped when the job ends. Once the future has returned, the note
    /// survives a crash, if the server has a journal.
    ///
    /// Errors: [`Refused::Limit`] for more than `Limits::note_bytes` (4 KiB); otherwise as [`emit`](JobContext::emit).
    ///
    /// ```
    /// # async fn start() -> String { "remote-7".to_owned() }
    /// use nuncio_shared::arcp::{Failure, JobContext};
    ///
    /// async fn bridge(_: (), ctx: JobContext) -> Result<String, Failure> {
    ///     let remote = match ctx.noted() {
    ///         Some(note) => String::from_utf8_lossy(&note).into_owned(),
    ///         None => start().await,
    ///     };
    ///     ctx.note(&remote).await?;
    ///     Ok(remote)
    /// }
    /// ```
    pub async fn note(&self, note: impl AsRef<[u8]>) -> Result<(), Refused> {
        let note = note.as_ref();
        let attempt = || self.hub.run(|state, now| state.runtime.note(now, self.job.key, note));
        let number = self.unblocked(attempt, |refused| matches!(refused, Refused::Blocked)).await?;
        if self.job.until_noted(number).await { Ok(()) } else { Err(Refused::Terminal) }
    }

    /// Returns the last note of the job, from this run or an earlier one; `None` if there is none, and after the job's end.
    pub fn noted(&self) -> Option<Vec<u8>> {
        self.hub.look(|runtime| runtime.job(self.job.key).and_then(|view| view.note.map(<[u8]>::to_vec)))
    }

    /// Returns a token that is cancelled when the agent is to stop (§7.4), when the job has ended, and when the job
    /// [is left](JobContext::is_left). The agent is dropped `Config::cancel_grace` after it was asked to stop.
    pub fn cancellation(&self) -> &CancellationToken {
        self.job.cancellation()
    }

    /// Waits until the agent is to stop.
    pub async fn cancelled(&self) {
        self.job.cancellation().cancelled().await;
    }

    /// Returns whether the agent is to stop.
    pub fn is_cancelled(&self) -> bool {
        self.job.cancellation().is_cancelled()
    }

    /// Returns whether the job was left to the next start of the server, which runs it again as its agent
    /// [declares](crate::arcp::OnRestart::Rerun): the server was stopped and has a journal. The job has not ended, so what it
    /// has begun elsewhere should go on.
    pub fn is_left(&self) -> bool {
        self.job.is_left()
    }

    /// Returns whether the job has ended or was left. An agent that is dropped may see this before the cancellation.
    #[cfg(feature = "cap")]
    pub(crate) fn has_ended(&self) -> bool {
        self.job.has_ended()
    }

    /// Returns the reason that the client has given for cancelling the job.
    pub fn cancel_reason(&self) -> Option<&str> {
        self.job.cancel_reason()
    }

    /// Emits a `thought` event: what the agent makes of the task.
    pub async fn thought(&self, text: &str) -> Result<(), Refused> {
        self.emit(&Body::thought(text)).await
    }

    /// Emits an event of a vendor's kind, `x-vendor.<vendor>.<name>`, or of a kind of §8.2, whose shape is checked.
    ///
    /// ```
    /// # use nuncio_shared::arcp::{JobContext, Refused};
    /// # use serde_json::json;
    /// # async fn agent(ctx: JobContext) -> Result<(), Refused> {
    /// ctx.event("x-vendor.acme.row", &json!({"row": 7})).await
    /// # }
    /// ```
    pub async fn event(&self, kind: &str, body: &(impl Serialize + ?Sized)) -> Result<(), Refused> {
        self.emit(&Body::raw(kind, &json(body)?)?).await
    }

    /// Emits what a builder has made, or reports why it made nothing.
    pub(super) fn emit_built(&self, body: Result<Body, Refused>) -> BoxFuture<'_, Result<(), Refused>> {
        Box::pin(async move { self.emit(&body?).await })
    }

    /// Emits an event, and waits while the owner's log is full. If the future is dropped while it waits, nothing is
    /// emitted.
    ///
    /// It yields now and then, so that an agent that does nothing but emit can be dropped.
    pub async fn emit(&self, body: &Body) -> Result<(), Refused> {
        self.emit_with(|runtime, now, job| runtime.emit(now, job, body)).await?;
        self.job.emitted(body.json().len(), self.hub.io());
        Ok(())
    }

    /// Emits an event as [`emit`](JobContext::emit) does, and leaves a note that says so. Both are on record or neither is.
    #[cfg(feature = "cap")]
    pub(crate) async fn emit_noted(&self, body: &Body, note: &[u8]) -> Result<(), Refused> {
        self.job.breathe(self.hub.io()).await;
        let attempt = || {
            self.hub.run(|state, now| {
                state.runtime.emit(now, self.job.key, body)?;
                Ok(state.runtime.note(now, self.job.key, note))
            })
        };
        match self.unblocked(attempt, |refused| matches!(refused, Refused::Blocked)).await? {
            // The event has taken the last room of the log.
            Err(Refused::Blocked) => self.note(note).await,
            noted => noted.map(drop),
        }
    }

    /// Emits what a command of the runtime emits, and waits while the owner's log is full.
    pub(super) async fn emit_with(
        &self,
        mut emit: impl FnMut(&mut Runtime, Time, JobKey) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        self.job.breathe(self.hub.io()).await;
        self.unblocked(|| self.with_job(&mut emit), |refused| matches!(refused, Refused::Blocked)).await
    }

    /// Gives the runtime a command about this job.
    pub(super) fn with_job<T>(&self, command: impl FnOnce(&mut Runtime, Time, JobKey) -> T) -> T {
        self.hub.run(|state, now| command(&mut state.runtime, now, self.job.key))
    }

    /// Whether both are the context of one job.
    pub(super) fn is_same_job(&self, other: &JobContext) -> bool {
        Arc::ptr_eq(&self.job, &other.job)
    }

    /// Emits an event, or returns [`Refused::Blocked`] if the owner's log is full.
    pub fn try_emit(&self, body: &Body) -> Result<(), Refused> {
        self.hub.run(|state, now| state.runtime.emit(now, self.job.key, body))
    }

    /// Checks that the lease allows an operation now (§9.3). Call it directly before the operation, and act on the
    /// [`target`](Operation::target) that it returns: this is the text that was compared with the lease.
    ///
    /// An operation that people have to approve first is answered with [`Denied::NeedsApproval`] until they have decided;
    /// [`approve`](JobContext::approve) asks them and waits.
    ///
    /// Report the fault of a [`Denied`] with [`tool_error`](JobContext::tool_error).
    pub fn authorize(&self, namespace: &str, target: &str) -> Result<Operation, Denied> {
        let operation = Operation::new(namespace, target).map_err(|error| denied(&error))?;
        self.authorize_operation(&operation)?;
        Ok(operation)
    }

    /// Checks that the lease allows the use of a model (§9.7).
    pub fn authorize_model(&self, model: &str) -> Result<Operation, Denied> {
        let operation = Operation::model(model).map_err(|error| denied(&error))?;
        self.authorize_operation(&operation)?;
        Ok(operation)
    }

    /// Checks that the lease allows an operation.
    pub fn authorize_operation(&self, operation: &Operation) -> Result<(), Denied> {
        self.hub.run(|state, now| state.runtime.authorize(now, self.job.key, operation))
    }

    /// Delegates work to another agent of this runtime (§10). The child's lease is within this job's. The child goes on
    /// if its handle is dropped. If people have to approve the delegation, this [waits](JobContext::approve) for them.
    pub async fn delegate(&self, delegation: &Delegation) -> Result<Child, Denied> {
        let (id, ended) = self.delegate_with(delegation, None).await?;
        Ok(Child::new(id, ended))
    }

    /// Delegates work with a value for the child's agent. Returns the child's id, and a receiver of its end.
    pub(crate) async fn delegate_with(
        &self,
        delegation: &Delegation,
        attachment: Option<Attachment>,
    ) -> Result<(Option<JobId>, oneshot::Receiver<Ended>), Denied> {
        let request = delegation.request()?;
        let attempt = || {
            self.hub.run(|state, now| {
                let child = state.runtime.delegate(now, self.job.key, &request)?;
                if let Some(attachment) = &attachment {
                    state.attach(child, Arc::clone(attachment));
                }
                let id = state.runtime.job(child).map(|view| view.id);
                Ok((id, state.await_end(child)))
            })
        };
        loop {
            match self.unblocked(attempt, |denied| matches!(denied, Denied::Blocked)).await {
                Ok((id, ended)) => return Ok((id.map(JobId::from), ended)),
                // Refused or approved: this operation is not asked about again.
                Err(Denied::NeedsApproval(operation)) => self.pose_approval(&operation).await?.decided().await?,
                Err(denied) => return Err(denied),
            }
        }
    }

    /// Returns the value that the delegating job has attached to this one.
    #[cfg(feature = "caracal")]
    pub(crate) fn attachment<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.job.attachment.clone()?.downcast().ok()
    }

    /// Asks a question, and returns a receiver of the answer, which is dropped when the job ends.
    pub(super) async fn asked(&self, question: &Question) -> Result<oneshot::Receiver<Answer>, Refused> {
        self.job.breathe(self.hub.io()).await;
        let attempt = || {
            self.hub.run(|state, now| {
                let number = state.runtime.ask(now, self.job.key, question)?;
                Ok(self.job.await_answer(number))
            })
        };
        self.unblocked(attempt, |refused| matches!(refused, Refused::Blocked)).await
    }

    /// Asks people to approve an operation. Returns a receiver of the answer, which is dropped when the job ends, or `None` if
    /// the operation is allowed already.
    pub(super) async fn approval(&self, operation: &Operation) -> Result<Option<oneshot::Receiver<Answer>>, Denied> {
        self.job.breathe(self.hub.io()).await;
        let attempt = || {
            self.hub.run(|state, now| {
                let asked = state.runtime.approve(now, self.job.key, operation)?;
                Ok(asked.map(|number| self.job.await_answer(number)))
            })
        };
        self.unblocked(attempt, |denied| matches!(denied, Denied::Blocked)).await
    }

    /// Rotates a credential of this job (§9.8.2): the owner receives the new value, and the old one is revoked.
    pub fn rotate(&self, credential: &str, value: Secret) -> Result<(), Refused> {
        self.hub.run(|state, now| state.runtime.rotate(now, self.job.key, credential, value))
    }

    /// Writes a piece of the result and returns how many bytes of it were taken; waits while the owner's log is full.
    pub(super) async fn write_chunk(&self, chunk: Chunk<'_>, last: bool) -> Result<usize, Refused> {
        self.job.breathe(self.hub.io()).await;
        let attempt = || self.hub.run(|state, now| state.runtime.write_chunk(now, self.job.key, chunk, last));
        let taken = self.unblocked(attempt, |refused| matches!(refused, Refused::Blocked)).await?;
        self.job.emitted(taken, self.hub.io());
        Ok(taken)
    }

    /// Makes an attempt, and makes it again each time the log has room again.
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
            // Listen before the next attempt: the log may have room directly after it.
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

pub(super) fn denied(error: &nuncio_core::lease::TargetError) -> Denied {
    Denied::Fault(Fault::new(nuncio_core::arcp::ErrorCode::PermissionDenied, error.to_string()))
}
