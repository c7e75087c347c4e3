//! What an agent gets of Caracal: [`JobCaracal`].

use std::fmt;
use std::sync::Arc;

use tracing::warn;

use super::carried::{self, InvalidCaller, NoCaller};
use super::session::ChildSession;
use crate::arcp::{ErrorCode, Failure, JobContext};
#[cfg(feature = "cap")]
use crate::cap;
use crate::caracal::{ActiveContext, CallError, Caracal, Envelope, SpawnBuilder};
use crate::io::{Driver, Sanitized};

/// A job for an application of Caracal: who has submitted it, and the session that its agent acts in. From
/// [`JobContext::caracal`].
///
/// The agent always acts with the application's own token. What the submitter says about itself is not verified: it is there
/// to be passed on, and never grants anything.
///
/// ```
/// use nuncio_shared::arcp::{Failure, JobContext};
/// use nuncio_shared::caracal::Caracal;
/// # use nuncio_smol::Smol;
///
/// async fn report(caracal: Caracal<Smol>, ctx: JobContext) -> Result<String, Failure> {
///     // A session for the job, which ends with the future. Calls in it have the trace and the baggage of the submitter.
///     let job = ctx.caracal(&caracal);
///     job.run(async { caracal.headers().await }).await??;
///     Ok("done".to_owned())
/// }
/// ```
pub struct JobCaracal<D: Driver> {
    caracal: Caracal<D>,
    caller: Result<Option<Box<Envelope>>, InvalidCaller>,
    session: Option<Arc<ChildSession>>,
}

impl JobContext {
    /// Returns the job for an application of Caracal: who has submitted it, and the session that its agent acts in.
    ///
    /// A context of the submitter that cannot be read is ignored with a warning; an agent that needs one asks with
    /// [`require_caller`](JobCaracal::require_caller).
    pub fn caracal<D: Driver>(&self, caracal: &Caracal<D>) -> JobCaracal<D> {
        let caller = carried::of_extensions(self.extensions());
        if let Err(invalid) = &caller {
            warn!(job = %Sanitized(&self.job_id()), invalid = %Sanitized(&invalid), "the Caracal context of a job is ignored");
        }
        let session = ChildSession::of(self, caracal);
        JobCaracal { caracal: caracal.clone(), caller: caller.map(|caller| caller.map(Box::new)), session }
    }
}

#[cfg(feature = "cap")]
impl cap::JobContext {
    /// Returns the job for an application of Caracal: who has submitted it, as its labels say, also through an ARCP server.
    ///
    /// A context that cannot be read is ignored with a warning; a handler that needs one asks with
    /// [`require_caller`](JobCaracal::require_caller).
    pub fn caracal<D: Driver>(&self, caracal: &Caracal<D>) -> JobCaracal<D> {
        let caller = carried::of_labels(self.labels());
        if let Err(invalid) = &caller {
            warn!(job = ?self.job_id(), invalid = %Sanitized(&invalid), "the Caracal context of a job is ignored");
        }
        JobCaracal { caracal: caracal.clone(), caller: caller.map(|caller| caller.map(Box::new)), session: None }
    }
}

impl<D: Driver> JobCaracal<D> {
    /// Returns what the submitter says about itself, if the job carries that. It has no token, and nothing of it is verified.
    /// A job that was delegated has what its parent's submitter says.
    pub fn caller(&self) -> Option<&Envelope> {
        self.caller.as_ref().ok()?.as_deref()
    }

    /// Returns what the submitter says about itself. An agent that returns the error ends the job with `INVALID_REQUEST`.
    pub fn require_caller(&self) -> Result<&Envelope, NoCaller> {
        match &self.caller {
            Ok(Some(caller)) => Ok(caller),
            Ok(None) => Err(NoCaller::Missing),
            Err(invalid) => Err(NoCaller::Invalid(*invalid)),
        }
    }

    /// Returns the context of the session that the delegating job has opened for this one, with
    /// [`Caracal::delegate_job`]. The session ends with the job.
    pub fn context(&self) -> Option<&ActiveContext> {
        self.session.as_ref().map(|session| &session.context)
    }

    /// Returns the scopes of the edge into the session of [`context`](JobCaracal::context); none without one.
    pub fn scopes(&self) -> &[Box<str>] {
        self.session.as_ref().map_or(&[], |session| &session.scopes)
    }

    /// Returns a session to open for the job: below that of [`context`](JobCaracal::context), or else a root on behalf of the
    /// submitter, whose trace, hops and baggage it passes on.
    pub fn spawn(&self) -> SpawnBuilder<D> {
        let spawn = self.caracal.spawn();
        match (self.context(), self.caller()) {
            (Some(context), _) => spawn.from(context),
            (None, Some(caller)) => spawn.on_behalf_of(caller),
            (None, None) => spawn,
        }
    }

    /// Runs a future in the session of the job: that of [`context`](JobCaracal::context), or else one that is opened before
    /// and terminated after.
    pub async fn run<T>(&self, body: impl Future<Output = T>) -> Result<T, CallError> {
        match self.context() {
            Some(context) => Ok(context.run(body).await),
            None => self.spawn().run(body).await,
        }
    }
}

impl<D: Driver> fmt::Debug for JobCaracal<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobCaracal")
            .field("caller", &self.caller)
            .field("context", &self.context())
            .finish_non_exhaustive()
    }
}

impl From<CallError> for Failure {
    /// An agent that returns the error fails with `PERMISSION_DENIED` if the coordinator permits less, and with
    /// `INTERNAL_ERROR` otherwise.
    fn from(error: CallError) -> Failure {
        let is_forbidden = matches!(&error, CallError::Refused(fault) if fault.status == 403);
        let code = if is_forbidden { ErrorCode::PermissionDenied } else { ErrorCode::InternalError };
        Failure::new(code, error.to_string())
    }
}
