//! Credentials that are issued for one job (§9.8).

use std::io;
use std::sync::Arc;

use nuncio_core::arcp::{Credential, Fault, JobId, JobView, Secret};
use nuncio_core::budget::Amounts;
use nuncio_core::lease::Lease;
use nuncio_core::time::Time;
use nuncio_core::trace::TraceId;

use crate::io::BoxFuture;

/// The job that credentials are issued for. They must allow no more than its lease does, and for no longer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Grant {
    /// The job's id.
    pub job: JobId,
    /// The principal that submitted the job.
    pub principal: Arc<str>,
    /// The agent's bare name.
    pub agent: String,
    /// The agent's resolved version, if it has versions.
    pub version: Option<String>,
    /// The effective lease.
    pub lease: Lease,
    /// When the lease ends.
    pub expires_at: Option<Time>,
    /// The amounts that the lease grants.
    pub granted: Option<Amounts>,
    /// The trace of the job.
    pub trace_id: TraceId,
}

impl Grant {
    pub(super) fn of(view: &JobView<'_>) -> Grant {
        Grant {
            job: view.id.into(),
            principal: Arc::clone(view.principal),
            agent: view.agent.to_owned(),
            version: view.version.map(str::to_owned),
            lease: view.lease.clone(),
            expires_at: view.expires_at,
            granted: view.granted.cloned(),
            trace_id: view.trace_id,
        }
    }
}

/// Credentials to revoke.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Revocation {
    /// The job that they were issued for.
    pub job: JobId,
    /// The credential's id, or `None` for everything that was issued for the job, if anything was.
    ///
    /// It is `None` after a crash between the call of [`issue`](Provisioner::issue) and the record of its answer, and for
    /// an answer that was not valid.
    pub id: Option<String>,
    /// The value to revoke, since a rotated credential has had several, or `None` for every value of the credential.
    ///
    /// It is `None` after a restart, since values are not recorded.
    pub value: Option<Secret>,
    /// The number of failed attempts so far.
    pub attempt: u32,
}

impl Revocation {
    /// Revokes one value of a credential.
    pub(super) fn of(job: &JobId, credential: &Credential) -> Revocation {
        Revocation {
            job: job.clone(),
            id: Some(credential.id.clone()),
            value: Some(credential.value.clone()),
            attempt: 0,
        }
    }

    /// Revokes everything that was issued for a job.
    pub(super) fn of_job(job: JobId) -> Revocation {
        Revocation { job, id: None, value: None, attempt: 0 }
    }
}

/// Issues and revokes the credentials of jobs.
///
/// Credentials are sent to sessions that have negotiated them, over connections that nobody can listen to. With a
/// [journal](crate::arcp::ServerBuilder::journal), a record says that credentials are to be issued before
/// [`issue`](Provisioner::issue) is called, and another one names each of them before the client sees it. After a crash
/// they are therefore all revoked: by id, or by job if the crash came during `issue`. A provisioner should be able to
/// find what it has issued for a job. Without a journal, credentials outlive a crash until they expire.
///
/// The methods run on a thread of the server's own, in the driver's async runtime. One that blocks the thread delays other
/// hellos and submits. A panic counts as a failure.
///
/// ```
/// use std::io;
///
/// use nuncio_shared::arcp::{Credential, Fault, Grant, Provisioner, Revocation, Secret};
///
/// /// Issues a key of its own for every job.
/// struct Keys;
///
/// impl Provisioner for Keys {
///     async fn issue(&self, grant: &Grant) -> Result<Vec<Credential>, Fault> {
///         let value = Secret::new(format!("key-of-{}", grant.job));
///         let endpoint = "https://api.example".to_owned();
///         Ok(vec![Credential { id: "api".to_owned(), value, endpoint, profile: None, constraints: None }])
///     }
///
///     async fn revoke(&self, revocation: &Revocation) -> io::Result<()> {
///         println!("revoke the keys of {}", revocation.job);
///         Ok(())
///     }
/// }
/// ```
pub trait Provisioner: Send + Sync + 'static {
    /// Returns the job's credentials; none if it needs none. No value may be that of another credential (§9.8.2).
    ///
    /// A fault refuses the submit, and its message is sent to the client. An answer that takes longer than
    /// `Config::submit_timeout` comes too late, and its credentials are revoked.
    fn issue(&self, grant: &Grant) -> impl Future<Output = Result<Vec<Credential>, Fault>> + Send;

    /// Revokes what a [`Revocation`] says. An error is followed by further attempts. What was already revoked is `Ok`.
    fn revoke(&self, revocation: &Revocation) -> impl Future<Output = io::Result<()>> + Send;
}

/// [`Provisioner`] in a form that can be a trait object.
pub(super) trait DynProvisioner: Send + Sync {
    fn issue_boxed<'a>(&'a self, grant: &'a Grant) -> BoxFuture<'a, Result<Vec<Credential>, Fault>>;
    fn revoke_boxed<'a>(&'a self, revocation: &'a Revocation) -> BoxFuture<'a, io::Result<()>>;
}

impl<P: Provisioner> DynProvisioner for P {
    fn issue_boxed<'a>(&'a self, grant: &'a Grant) -> BoxFuture<'a, Result<Vec<Credential>, Fault>> {
        Box::pin(self.issue(grant))
    }

    fn revoke_boxed<'a>(&'a self, revocation: &'a Revocation) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(self.revoke(revocation))
    }
}
