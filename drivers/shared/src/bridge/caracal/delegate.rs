//! A child job that acts in a session of its own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_channel::oneshot;
use nuncio_core::arcp::{Denied, Fault};
use nuncio_core::lease::Lease;
use nuncio_core::time::Time;
use tracing::warn;

use super::scopes;
use super::session::ChildSession;
use crate::arcp::{Child, Delegation, ErrorCode, Failure, JobContext};
use crate::caracal::{ActiveContext, CallError, Caracal, Constraints, Generation, Header, NewEdge, Scope, current};
use crate::io::clock::wall;
use crate::io::{BoxFuture, Driver, Sanitized};

/// The lifetime of an edge, if nothing else ends it before.
const LIFETIME: Duration = Duration::from_hours(1);
/// The steps that the comparison of the leases may take, as a runtime has by default.
const WORK: u64 = 1_000_000;

/// Work for another agent of the same server, which acts in a session of its own (§10). From [`Caracal::delegate_job`];
/// awaiting it delegates the work and returns the [`Child`].
#[must_use = "nothing is delegated before it is awaited"]
pub struct DelegateJob<'a, D: Driver> {
    caracal: Caracal<D>,
    ctx: &'a JobContext,
    delegation: &'a Delegation,
    within: Option<Vec<Box<str>>>,
    resources: Vec<Box<str>>,
    max_depth: Option<u32>,
    lifetime: Duration,
}

impl<D: Driver> Caracal<D> {
    /// Returns work for another agent of the same server, which acts in a session of its own: below the session of the
    /// present context, or that of the job's [`context`](super::JobCaracal::context), with an edge into it. The child's
    /// agent finds it with [`JobContext::caracal`]. It is terminated when the child has ended; it also ends with the session
    /// above it, so wait for the child there.
    ///
    /// The scopes of the edge follow the child's lease: `namespace:pattern` for each pattern but amounts, and the pattern
    /// alone in the namespace `x-vendor.caracal.scope`. If the delegating job has itself a session with an edge, those of
    /// its scopes which the child's lease includes. The edge ends with the child's lease, with the edge before it, and after
    /// an hour.
    ///
    /// ```
    /// # use nuncio_shared::arcp::{Delegation, Failure, JobContext, LeaseRequest, Namespace};
    /// # use nuncio_shared::caracal::Caracal;
    /// # use nuncio_smol::Smol;
    /// async fn plan(caracal: Caracal<Smol>, ctx: JobContext) -> Result<String, Failure> {
    ///     let lease = LeaseRequest::new().allow(Namespace::ToolCall, "search.web");
    ///     let search = Delegation::new("search").input("queues").lease(&lease);
    ///     let work = async { caracal.delegate_job(&ctx, &search).await?.result().await.map_err(Failure::from) };
    ///     ctx.caracal(&caracal).run(work).await?
    /// }
    /// ```
    pub fn delegate_job<'a>(&self, ctx: &'a JobContext, delegation: &'a Delegation) -> DelegateJob<'a, D> {
        DelegateJob {
            caracal: self.clone(),
            ctx,
            delegation,
            within: None,
            resources: Vec::new(),
            max_depth: None,
            lifetime: LIFETIME,
        }
    }
}

impl<'a, D: Driver> DelegateJob<'a, D> {
    /// Limits the scopes further, for example to those of an edge that the present context acts by.
    pub fn within<T: Into<Box<str>>>(mut self, scopes: impl IntoIterator<Item = T>) -> DelegateJob<'a, D> {
        self.within = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the resources of the edge. Coordinators of the generation 1.0 require some.
    pub fn resources<T: Into<Box<str>>>(mut self, resources: impl IntoIterator<Item = T>) -> DelegateJob<'a, D> {
        self.resources = resources.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how many delegations may follow each other, this one included. Without it, an edge of the generation 1.0 permits
    /// none after it, and one of 0.1 as many as are left. It is lowered to what the edge before it leaves.
    pub fn max_depth(mut self, depth: u32) -> DelegateJob<'a, D> {
        self.max_depth = Some(depth);
        self
    }

    /// Sets the longest lifetime of the edge and the session: 1 second to 1 day. Default: 1 hour.
    pub fn lifetime(mut self, lifetime: Duration) -> DelegateJob<'a, D> {
        self.lifetime = lifetime;
        self
    }

    async fn delegate(self, present: Option<ActiveContext>) -> Result<Child, DelegateJobError> {
        let DelegateJob { caracal, ctx, delegation, within, resources, max_depth, lifetime } = self;
        let own = ChildSession::of(ctx, &caracal);
        let present = present.filter(|context| caracal.owns(context));
        let source = present.or_else(|| own.as_ref().map(|own| own.context.clone()));
        let source = source.filter(|context| context.parent().is_some()).ok_or(CallError::NoSession)?;

        let lease = narrower(ctx, delegation)?;
        let within = within.as_deref();
        let mut scopes = scopes::of(&lease, own.as_ref().map(|own| &*own.scopes).or(within));
        if own.is_some() && within.is_some() {
            let limited = scopes::of(&lease, within);
            scopes.retain(|scope| limited.contains(scope));
        }
        if scopes.is_empty() {
            return Err(DelegateJobError::NoScopes);
        }

        let depth_left =
            own.as_ref().and_then(|own| own.max_depth).map_or(u32::MAX, |depth| depth.saturating_sub(1).max(1));
        let max_depth = max_depth.map(|depth| depth.min(depth_left));
        let now = wall();
        let ends =
            [delegation.expiry_asked(), ctx.expires_at(), ctx.deadline(), own.as_ref().map(|own| own.expires_at)];
        let expires_at = ends.into_iter().flatten().fold(now.plus(lifetime), Time::min);
        let time_left = Duration::from_micros(expires_at.since(now)).max(Duration::from_secs(1));
        let constraints = Constraints { resources, max_depth, expires_at: Some(expires_at), ..Constraints::default() };
        let edge = NewEdge {
            scopes,
            parent_edge: source.edge().cloned().filter(|_| caracal.generation() == Generation::Head),
            constraints: Some(constraints),
            ttl: None,
        };
        let scope = caracal.delegate_to_spawn(edge.clone()).from(&source).ttl(time_left).await?;
        let headers = caracal.unsigned_headers(scope.context())?;
        let session = Arc::new(session(&scope, edge, expires_at, headers));
        // If the server refuses the delegation, the scope is dropped, which terminates the session.
        let (id, ended) = ctx.delegate_with(delegation, Some(session)).await?;
        let (sender, receiver) = oneshot::channel();
        caracal.spawn_task(Box::pin(async move {
            if let Ok(ended) = ended.await {
                // The receiver is gone if the parent no longer waits.
                drop(sender.send(ended));
            }
            let session = scope.session().clone();
            if let Err(error) = scope.close().await {
                warn!(session = %Sanitized(&session), error = %Sanitized(&error), "the session of a delegated job is not terminated; it ends with its lifetime");
            }
        }));
        Ok(Child::new(id, receiver))
    }
}

/// Returns the lease that is asked for. One that is malformed or not within the job's is refused before anything is opened.
fn narrower(ctx: &JobContext, delegation: &Delegation) -> Result<Lease, Denied> {
    let lease = delegation.lease_asked()?;
    let mut work = WORK;
    match ctx.lease().includes(&lease, &mut work) {
        Ok(()) => Ok(lease),
        Err(error) => Err(Fault::new(ErrorCode::LeaseSubsetViolation, error.to_string()).into()),
    }
}

/// Returns what the child's agent gets. A coordinator may grant less than was asked for.
fn session<D: Driver>(scope: &Scope<D>, asked: NewEdge, mut expires_at: Time, headers: Vec<Header>) -> ChildSession {
    let NewEdge { mut scopes, constraints, .. } = asked;
    if let Some(edge) = scope.edge().filter(|edge| !edge.scopes.is_empty()) {
        scopes.retain(|scope| edge.scopes.contains(scope));
        expires_at = edge.expires_at.unwrap_or(expires_at).min(expires_at);
    }
    let max_depth = constraints.and_then(|constraints| constraints.max_depth);
    ChildSession { context: scope.context().clone(), scopes, expires_at, max_depth, headers }
}

impl<'a, D: Driver> IntoFuture for DelegateJob<'a, D> {
    type Output = Result<Child, DelegateJobError>;
    type IntoFuture = BoxFuture<'a, Result<Child, DelegateJobError>>;

    /// The context is the one in which the future is first polled.
    fn into_future(self) -> BoxFuture<'a, Result<Child, DelegateJobError>> {
        Box::pin(async move { self.delegate(current()).await })
    }
}

impl<D: Driver> fmt::Debug for DelegateJob<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelegateJob")
            .field("job", self.ctx.job_id())
            .field("delegation", &self.delegation)
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}

/// Why work was not delegated to an agent in a session of its own. No session is left open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DelegateJobError {
    /// The server refuses the delegation.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The session or the edge was not opened.
    #[error(transparent)]
    Call(#[from] CallError),
    /// No scope follows from the lease of the delegation.
    #[error("no scope that the job has is in the lease of the delegation; delegate with a lease, or without a session")]
    NoScopes,
}

impl From<DelegateJobError> for Failure {
    /// An agent that returns a refusal of the server or the coordinator fails with its code.
    fn from(error: DelegateJobError) -> Failure {
        match error {
            DelegateJobError::Denied(denied) => denied.into(),
            DelegateJobError::Call(error) => error.into(),
            DelegateJobError::NoScopes => Failure::new(ErrorCode::PermissionDenied, error.to_string()),
        }
    }
}
