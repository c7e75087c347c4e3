//! What a server does for its machine: it asks the verifier, the provisioner, the journal and the agents.

use std::sync::Arc;
use std::time::Duration;

use nuncio_core::arcp::{
    ConnId, ErrorCode, Fault, HostStatus, JobKey, Refused, Resumed, RevocationId, Runtime, StatusId,
};
use tracing::{Span, debug, warn};

use super::action::Host;
use super::hub::Hub;
use super::peers::RefusedClaim;
use super::provision::{Grant, Revocation};
use super::status::{PoolSource, journal_status};
use crate::arcp::agent::job::Job;
use crate::arcp::journal::{JournalHealth, Order, Replay};
use crate::auth::{Claim, Rejection, Verifier as _};
use crate::io::Sanitized;
use crate::io::clock::sleep;
use crate::io::sync::caught;

impl Host for Arc<Hub> {
    fn authenticate(&self, conn: ConnId, claim: Claim) {
        self.parts.hooks.spawn(Box::pin(authenticate(Arc::clone(self), conn, claim)));
    }

    fn locate(&self, conn: ConnId, resumed: Resumed) {
        self.siblings.locate(self, conn, &resumed);
    }

    fn want_slot(&self, agent: &str) {
        self.siblings.lend(self, agent);
    }

    fn free_slot(&self, agent: &str) {
        self.siblings.give_back(agent);
    }

    fn provision(&self, job: JobKey, grant: Grant) {
        self.parts.hooks.spawn(Box::pin(provision(Arc::clone(self), job, grant)));
    }

    fn revoke(&self, id: RevocationId, revocation: Revocation) {
        let hub = Arc::clone(self);
        self.parts.hooks.spawn(Box::pin(async move {
            let revoked = revoke(&hub, &revocation).await;
            let answered =
                hub.run(
                    |state, now| {
                        if revoked { state.runtime.revoked(now, id) } else { state.runtime.revoke_failed(now, id) }
                    },
                );
            if let Err(refused) = answered {
                debug!(job = %revocation.job, refused = %Sanitized(&refused), "a revocation was answered too late");
            }
        }));
    }

    fn replay(&self, replay: Replay) {
        if let Some(journal) = &self.parts.journal {
            journal.send(Order::Replay(replay));
        }
    }

    fn tell_status(&self, request: StatusId) {
        let status = host_status(&self.siblings.all(self), &self.parts.pools);
        if let Err(refused) = self.run(|state, now| state.runtime.tell_status(now, request, &status)) {
            debug!(refused = %Sanitized(&refused), "the state was told too late");
        }
    }

    fn start(&self, job: Arc<Job>, parent: Span) {
        self.parts.agents.start(self, &job, &parent);
    }

    fn drained(&self) {
        self.life.notify_emptied();
    }
}

/// Returns what operators are told, beside what the machine of the request knows: of all shards, if there are several, and of
/// the journals and the pools.
fn host_status(hubs: &[Arc<Hub>], pools: &[Arc<dyn PoolSource>]) -> HostStatus {
    let shards = if hubs.len() > 1 { hubs.iter().map(|hub| hub.look(Runtime::counts)).collect() } else { Vec::new() };
    let journal = journal_health(hubs).map(journal_status);
    HostStatus { shards, journal, pools: pools.iter().map(|pool| pool.status()).collect() }
}

/// Returns how the journals of all shards do, taken together.
pub(super) fn journal_health(hubs: &[Arc<Hub>]) -> Option<JournalHealth> {
    let journals = hubs.iter().filter_map(|hub| hub.parts.journal.as_ref());
    journals.map(|journal| journal.health.view()).reduce(|all, journal| all.and(&journal))
}

async fn authenticate(hub: Arc<Hub>, conn: ConnId, claim: Claim) {
    let verifier = &hub.parts.verifier;
    let (client, explanation) = (claim.client.clone(), claim.explanation.clone());
    let verdict = caught(async { verifier.verify(claim).await }).await.unwrap_or_else(|| {
        warn!("the verifier panicked");
        Err(Rejection::Unavailable)
    });
    let answered = match &verdict {
        Ok(principal) => hub.siblings.admit(&hub, conn, principal.as_str()),
        Err(rejection) => hub.run(|state, now| {
            state.peers.refused(conn, RefusedClaim { client: Some(client), reason: explanation.text() });
            state.runtime.reject(now, conn, rejection.fault())
        }),
    };
    if let Err(refused) = answered {
        debug!(?conn, refused = %Sanitized(&refused), "the verifier answered too late");
    }
}

async fn provision(hub: Arc<Hub>, job: JobKey, grant: Grant) {
    let Some(provisioner) = &hub.parts.provisioner else { return };
    let id = &grant.job;
    let issued = caught(async { provisioner.issue_boxed(&grant).await }).await.unwrap_or_else(|| {
        warn!(job = %Sanitized(&id), "the provisioner panicked");
        Err(not_issued())
    });
    let credentials = match issued {
        Ok(credentials) => credentials,
        Err(fault) => return decline(&hub, job, &grant, fault),
    };
    let late: Vec<_> = credentials.iter().map(|credential| Revocation::of(id, credential)).collect();
    match hub.run(|state, now| state.runtime.start(now, job, credentials)) {
        Ok(()) => {}
        Err(Refused::Stale) => {
            warn!(job = %Sanitized(&id), "credentials were issued too late for their job and are revoked");
            for revocation in late {
                revoke_until_done(&hub, revocation).await;
            }
        }
        Err(refused) => {
            warn!(job = %Sanitized(&id), refused = %Sanitized(&refused), "the provisioner's credentials are invalid and are revoked");
            // By the job, since one of the values may belong to another job as well.
            revoke_until_done(&hub, Revocation::of_job(id.clone())).await;
            decline(&hub, job, &grant, not_issued());
        }
    }
}

fn decline(hub: &Arc<Hub>, job: JobKey, grant: &Grant, fault: Fault) {
    if let Err(refused) = hub.run(|state, now| state.runtime.decline(now, job, fault)) {
        debug!(job = %Sanitized(&grant.job), refused = %Sanitized(&refused), "the provisioner answered too late");
    }
}

fn not_issued() -> Fault {
    Fault::new(ErrorCode::InternalError, "the job's credentials could not be issued")
}

/// Returns whether the credential is revoked.
async fn revoke(hub: &Hub, revocation: &Revocation) -> bool {
    let (job, id) = (&revocation.job, &revocation.id);
    // A journal can hold credentials from a time when the server had a provisioner. They stay in it until one is there.
    let Some(provisioner) = &hub.parts.provisioner else {
        warn!(%job, credential = id, "a credential cannot be revoked without a provisioner; trying again later");
        return false;
    };
    match caught(async { provisioner.revoke_boxed(revocation).await }).await {
        Some(Ok(())) => true,
        Some(Err(error)) => {
            warn!(%job, credential = id, error = %Sanitized(&error), "a credential was not revoked; trying again later");
            false
        }
        None => {
            warn!(%job, credential = id, "the provisioner panicked while revoking; trying again later");
            false
        }
    }
}

/// Revokes credentials that the machine has not taken and does not track.
async fn revoke_until_done(hub: &Hub, mut revocation: Revocation) {
    const LONGEST: Duration = Duration::from_mins(1);
    let mut pause = Duration::from_millis(500);
    while !revoke(hub, &revocation).await {
        revocation.attempt = revocation.attempt.saturating_add(1);
        sleep(&*hub.parts.hooks, pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}
