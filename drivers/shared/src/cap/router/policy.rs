//! Who decides whether a job may run.

use nuncio_core::cap::{Decision, JobRequest};

use crate::io::BoxFuture;

/// A question to the policy of a router: may this job run?
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PolicyCheck {
    /// The request.
    pub request: JobRequest,
    /// The trace.
    pub trace_id: String,
    /// The submitter, whose signature was verified if the router has keys.
    pub sender_id: String,
}

/// Decides whether jobs may run (spec/06). Without an answer within the router's `check_timeout` a job is denied, and so it is
/// if the policy panics.
///
/// A function `async fn(PolicyCheck) -> Decision` is a policy.
///
/// ```
/// use nuncio_shared::cap::{Decision, PolicyCheck};
///
/// async fn policy(check: PolicyCheck) -> Decision {
///     if check.request.topic.starts_with("job.dangerous.") {
///         return Decision::RequireHuman { reason: "this may break things".into() };
///     }
///     Decision::Allow
/// }
/// // A router takes it with `Router::builder().policy(policy)`.
/// ```
pub trait JobPolicy: Send + Sync + 'static {
    /// Decides about one job.
    fn check(&self, check: PolicyCheck) -> BoxFuture<'static, Decision>;
}

impl<F, R> JobPolicy for F
where
    F: Fn(PolicyCheck) -> R + Send + Sync + 'static,
    R: Future<Output = Decision> + Send + 'static,
{
    fn check(&self, check: PolicyCheck) -> BoxFuture<'static, Decision> {
        Box::pin(self(check))
    }
}
