//! What a router does with the actions of its machine.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use nuncio_core::cap::{AuthorityEvent, Decision, RouterEvent, RouterJob};
use tracing::{debug, error, info, warn};

use super::policy::{JobPolicy, PolicyCheck};
use super::state::{Action, Reported, RouterState};
use crate::cap::node::hub::{Hub, Role};
use crate::io::sync::caught;
use crate::io::{Io, Sanitized};

/// A function of the application that is told of events, with the id of the job.
pub(crate) type OnEvent = Box<dyn Fn(&RouterEvent, Option<&str>) + Send + Sync>;

/// The parts of a router beside its machine.
pub(crate) struct RouterRole {
    pub(super) id: String,
    /// The policy, with the thread that it runs on.
    pub(super) policy: Option<(Arc<dyn JobPolicy>, Arc<dyn Io>)>,
    pub(super) on_event: Option<OnEvent>,
}

impl Role for RouterRole {
    type State = RouterState;

    fn perform(hub: &Arc<Hub<RouterRole>>, action: Action) {
        match action {
            Action::Acknowledge(acknowledgement) => hub.io.spawn(Box::pin(async move {
                if let Err(error) = acknowledgement.acknowledge().await {
                    debug!(error = %Sanitized(&error), "a message was not acknowledged, and comes again");
                }
            })),
            Action::Check(job, check) => ask(hub, job, *check),
            Action::Report(event, job) => report(hub, &event, job.as_ref()),
        }
    }
}

/// Asks the policy about a job.
fn ask(hub: &Arc<Hub<RouterRole>>, job: RouterJob, check: PolicyCheck) {
    let Some((policy, thread)) = &hub.role.policy else { return };
    let (policy, task) = (Arc::clone(policy), Arc::clone(hub));
    thread.spawn(Box::pin(async move {
        let job_id = check.request.job_id.clone();
        // The hook is called inside the block, since it may panic before it returns a future.
        let decision = caught(async { policy.check(check).await }).await.unwrap_or_else(|| {
            error!(job_id, "the policy has panicked, and the job is denied");
            Decision::Deny { reason: "the policy has failed".to_owned() }
        });
        if let Err(refused) = task.run(|state, now| state.machine.decide(now, job, decision)) {
            warn!(job_id, refused = %Sanitized(&refused), "a decision of the policy was refused");
        }
    }));
}

fn report(hub: &Hub<RouterRole>, event: &RouterEvent, job: Option<&Reported>) {
    let job_id = job.map(|job| job.job_id.as_str());
    let (topic, submitter) = (job.map(|job| job.topic.as_str()), job.map(|job| job.submitter.as_str()));
    let job_id_text = job_id.unwrap_or_default();
    match event {
        RouterEvent::Accepted { .. } => info!(job_id = job_id_text, topic, submitter, "a job was accepted"),
        RouterEvent::Approval { reason, .. } => info!(job_id = job_id_text, ?reason, "a person has to approve the job"),
        RouterEvent::Dispatched { worker, attempt, .. } => {
            debug!(job_id = job_id_text, ?worker, attempt, "the job was sent to a worker");
        }
        RouterEvent::Running { worker, .. } => debug!(job_id = job_id_text, ?worker, "the job runs"),
        RouterEvent::Retrying { reason, .. } => warn!(job_id = job_id_text, ?reason, "the job will be sent again"),
        RouterEvent::Ended { status, .. } => {
            info!(job_id = job_id_text, topic, submitter, ?status, "the job has ended");
        }
        RouterEvent::Conflict { ended, ignored, .. } => {
            warn!(job_id = job_id_text, ?ended, ?ignored, "another result came for an ended job, and was ignored");
        }
        RouterEvent::WorkerJoined { worker } => info!(?worker, "a worker has announced itself"),
        RouterEvent::WorkerLost { worker } => warn!(?worker, "nothing is heard of a worker"),
        RouterEvent::Trust(AuthorityEvent::Trusted { worker, is_renewal, .. }) => {
            info!(?worker, is_renewal, "a worker has a trust session");
        }
        RouterEvent::Trust(AuthorityEvent::Rejected { worker, reason }) => {
            warn!(?worker, ?reason, "a request for a trust session was rejected");
        }
        RouterEvent::Trust(AuthorityEvent::Dropped) => debug!("a request for a trust session got no answer"),
        RouterEvent::Refused { subject, reason } => {
            warn!(subject = %Sanitized(&subject), error = %Sanitized(&reason), "a packet was refused");
        }
        RouterEvent::Unsendable { subject, reason } => {
            error!(subject = %Sanitized(&subject), error = %Sanitized(&reason), "a packet was not sent");
        }
        RouterEvent::PrefixPair { subject } => {
            warn!(subject = %Sanitized(&subject), "receivers disagree about the signature, because a map has a key that another key begins with");
        }
        _ => {}
    }
    if let Some(on_event) = &hub.role.on_event
        && catch_unwind(AssertUnwindSafe(|| on_event(event, job_id))).is_err()
    {
        error!("the function that is told of events has panicked");
    }
}
