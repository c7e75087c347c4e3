//! What a hub does for its machine once the lock is free.

use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::or;
use nuncio_core::arcp::{ConnId, ErrorCode, Fault, JobId, Refused, Secret};
use tracing::{debug, info, warn};

use crate::arcp::agent;
use crate::arcp::journal::Order;
use crate::arcp::server::hub::{Effect, Hub};
use crate::arcp::server::provision::{Grant, Revocation};
use crate::auth::{Claim, Rejection};
use crate::io::clock::sleep;
use crate::io::sync::caught;

/// Why a timer's task has woken.
enum Woken {
    Due,
    Nearer,
    Stopped,
}

impl Hub {
    pub(crate) fn perform(self: &Arc<Self>, effect: Effect) {
        match effect {
            Effect::Wake(pipe) => pipe.wake(),
            Effect::Authenticate { conn, claim } => self.authenticate(conn, claim),
            Effect::Provision { job, grant } => self.provision(job, grant),
            Effect::Run { job, parent } => agent::start(self, &job, &parent),
            Effect::Cancel { job, reason } => {
                info!(job = %job.id, "the job is to be cancelled");
                job.cancel(reason);
            }
            Effect::Unblock(job) => {
                job.unblocked.notify(usize::MAX);
            }
            Effect::End { job, awaited, ended } => {
                if let Some(job) = job {
                    let code = ended.fault.as_ref().map(|fault| fault.code.as_str());
                    info!(job = %job.id, trace = %job.trace_id, status = ?ended.status, code, "the job has ended");
                    job.end(&ended);
                }
                if let Some(awaited) = awaited {
                    // Who delegated may have stopped waiting.
                    drop(awaited.send(ended));
                }
            }
            Effect::Revoke { revocation, job, id, value, attempt } => {
                let hub = Arc::clone(self);
                self.hooks.spawn(Box::pin(async move {
                    let asked = Revocation { job, id, value, attempt };
                    let revoked = hub.revoke(asked).await;
                    // Refused is an answer that came too late.
                    drop(hub.run(|state, now| {
                        if revoked {
                            state.runtime.revoked(now, revocation)
                        } else {
                            state.runtime.revoke_failed(now, revocation)
                        }
                    }));
                }));
            }
            Effect::Replay(question) => {
                if let Some(keeper) = &self.keeper {
                    keeper.order(Order::Replay(question));
                }
            }
            Effect::SessionLive { session, principal, resumed } => {
                info!(%session, %principal, resumed, "the session is live");
            }
            Effect::SessionDetached(session) => info!(%session, "the session has no connection"),
            Effect::SessionClosed(session) => info!(%session, "the session is closed"),
            Effect::Subscription { principal, job, owner, granted } => {
                info!(%principal, %job, %owner, granted, "a subscription was decided");
            }
            Effect::RefusedFrame { conn, fault } => debug!(?conn, %fault, "a frame was refused"),
            Effect::Emptied => {
                self.emptied.notify(usize::MAX);
            }
        }
    }

    fn authenticate(self: &Arc<Self>, conn: ConnId, claim: Claim) {
        let hub = Arc::clone(self);
        self.hooks.spawn(Box::pin(async move {
            let verifier = Arc::clone(&hub.verifier);
            // A panic is an answer, too.
            let verdict = caught(async { verifier.verify(claim).await }).await;
            let verdict = verdict.unwrap_or_else(|| {
                warn!("the verifier panicked");
                Err(Rejection::Unavailable)
            });
            let answered = hub.run(|state, now| match &verdict {
                Ok(principal) => state.runtime.admit(now, conn, principal.as_str()),
                Err(rejection) => state.runtime.reject(now, conn, rejection.fault()),
            });
            if let Err(stale) = answered {
                debug!(?conn, %stale, "the connection did not wait for the verifier");
            }
        }));
    }

    fn provision(self: &Arc<Self>, job: JobId, grant: Box<Grant>) {
        let Some(provisioner) = self.provisioner.clone() else { return };
        let hub = Arc::clone(self);
        self.hooks.spawn(Box::pin(async move {
            let id = grant.job;
            let issued = caught(async { provisioner.issue(&grant).await }).await;
            let issued = issued.unwrap_or_else(|| {
                warn!(job = %id, "the provisioner panicked");
                Err(Fault::new(ErrorCode::InternalError, "the job's credentials could not be issued"))
            });
            match issued {
                Ok(credentials) => {
                    let late: Vec<_> = credentials
                        .iter()
                        .map(|credential| Revocation::of(id, &credential.id, &credential.value))
                        .collect();
                    match hub.run(|state, now| state.runtime.start(now, job, credentials)) {
                        Ok(()) => {}
                        Err(Refused::Stale) => {
                            warn!(job = %id, "credentials came too late for their job");
                            for revocation in late {
                                hub.revoke_until_done(revocation).await;
                            }
                        }
                        // By the job: a value among them may be another job's, too.
                        Err(refused) => {
                            warn!(job = %id, %refused, "credentials are not as the protocol has them");
                            hub.revoke_until_done(Revocation { job: id, id: None, value: None, attempt: 0 }).await;
                            let fault =
                                Fault::new(ErrorCode::InternalError, "the job's credentials could not be issued");
                            // Refused is an answer that came too late.
                            drop(hub.run(|state, now| state.runtime.decline(now, job, fault)));
                        }
                    }
                }
                // Refused is an answer that came too late.
                Err(fault) => drop(hub.run(|state, now| state.runtime.decline(now, job, fault))),
            }
        }));
    }

    async fn revoke(&self, revocation: Revocation) -> bool {
        let (job, id) = (revocation.job, revocation.id.clone());
        // Its journal knows of credentials from a time when there was a provisioner: they stay on record until one is there.
        let Some(provisioner) = self.provisioner.clone() else {
            warn!(%job, credential = id, "a credential is to be revoked and there is no provisioner; it is tried again");
            return false;
        };
        match caught(async { provisioner.revoke(&revocation).await }).await {
            Some(Ok(())) => true,
            Some(Err(error)) => {
                warn!(%job, credential = id, %error, "a credential was not revoked; it is tried again");
                false
            }
            None => {
                warn!(%job, credential = id, "a revocation panicked; it is tried again");
                false
            }
        }
    }

    /// For what the machine never knew of.
    async fn revoke_until_done(&self, mut revocation: Revocation) {
        const LONGEST: Duration = Duration::from_mins(1);
        let mut pause = Duration::from_millis(500);
        while !self.revoke(revocation.clone()).await {
            revocation.attempt = revocation.attempt.saturating_add(1);
            sleep(&*self.hooks, pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Tells the machine of its deadlines.
    pub(crate) async fn keep_time(self: Arc<Self>) {
        loop {
            let due = self.clock.instant(self.armed());
            let passed = async {
                self.io.sleep_until(due).await;
                Woken::Due
            };
            let nearer = async {
                self.timer.notified().await;
                Woken::Nearer
            };
            let stopped = async {
                self.stopped.cancelled().await;
                Woken::Stopped
            };
            match or(stopped, or(passed, nearer)).await {
                Woken::Due => self.run(|state, now| {
                    state.disarm();
                    state.runtime.handle_timeout(now);
                }),
                Woken::Nearer => {}
                Woken::Stopped => return,
            }
        }
    }
}

impl Revocation {
    pub(crate) fn of(job: nuncio_core::arcp::JobUlid, id: &str, value: &Secret) -> Revocation {
        Revocation { job, id: Some(id.to_owned()), value: Some(value.clone()), attempt: 0 }
    }
}
