//! Credentials minted for one job (§9.8).

use std::io;
use std::sync::Arc;

use nuncio_core::arcp::{Credential, Fault, JobUlid, JobView, Secret};
use nuncio_core::budget::Amounts;
use nuncio_core::lease::Lease;
use nuncio_core::time::Time;
use nuncio_core::trace::TraceId;

use crate::io::BoxFuture;

/// The job that credentials are wanted for: they must allow no more than its lease does, for no longer.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The job.
    pub job: JobUlid,
    /// Who submitted it.
    pub principal: Arc<str>,
    /// The agent's bare name.
    pub agent: String,
    /// The resolved version.
    pub version: Option<String>,
    /// The effective lease.
    pub lease: Lease,
    /// When the lease ends.
    pub expires_at: Option<Time>,
    /// The amounts the lease grants.
    pub granted: Option<Amounts>,
    /// The trace of the job.
    pub trace_id: TraceId,
}

impl Grant {
    pub(crate) fn of(view: &JobView<'_>) -> Grant {
        Grant {
            job: view.id,
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

/// A credential to revoke.
#[derive(Clone, Debug)]
pub struct Revocation {
    /// The job it was minted for.
    pub job: JobUlid,
    /// The credential's id. `None` if the process ended after [`issue`](Provisioner::issue) was asked and before its answer
    /// was on record, or if that answer could not be used: then everything that was minted for the job is to be revoked,
    /// if anything was.
    pub id: Option<String>,
    /// The very value to revoke: a rotated credential has had several. `None` after a restart, since values are not
    /// recorded: then every value this credential has ever had is to be revoked.
    pub value: Option<Secret>,
    /// How often it was tried before.
    pub attempt: u32,
}

impl Revocation {
    pub(super) fn of(job: JobUlid, credential: &Credential) -> Revocation {
        Revocation { job, id: Some(credential.id.clone()), value: Some(credential.value.clone()), attempt: 0 }
    }
}

/// Mints credentials, and revokes them.
///
/// Credentials are offered to sessions that negotiated them over a connection nobody listens to. With a
/// [journal](crate::arcp::ServerBuilder::journal) the order is: a record that they are asked for, [`issue`](Provisioner::issue),
/// a record of each, and only then does the client see them; so that after a crash everything is revoked: by its id, or by
/// its job if the crash came in the middle of `issue`. An issuer should therefore be able to tell what it minted for a
/// job. Without a journal, credentials outlive a crash for as long as their issuer lets them.
///
/// The methods run on a thread of the driver's own, in a tokio runtime with timers and sockets. One that blocks delays
/// the hellos and submits of others. A panic counts as a failure.
pub trait Provisioner: Send + Sync + 'static {
    /// The job's credentials, none if it needs none; no value is that of another credential (§9.8.2). A fault refuses the
    /// submit; its message goes to the client. The answer has a deadline, `Config::submit_timeout`; credentials that come
    /// later are revoked.
    fn issue<'a>(&'a self, grant: &'a Grant) -> BoxFuture<'a, Result<Vec<Credential>, Fault>>;

    /// Revokes a credential by its value, all its values by its id, or everything by its job. What fails is tried again;
    /// what was revoked before must be `Ok`.
    fn revoke<'a>(&'a self, revocation: &'a Revocation) -> BoxFuture<'a, io::Result<()>>;
}
