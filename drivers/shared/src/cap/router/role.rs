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
    log(event, job);
    let job_id = job.map(|job| job.job_id.as_str());
    if let Some(on_event) = &hub.role.on_event
        && catch_unwind(AssertUnwindSafe(|| on_event(event, job_id))).is_err()
    {
        error!("the function that is told of events has panicked");
    }
}

fn log(event: &RouterEvent, job: Option<&Reported>) {
    let job_id = job.map_or("", |job| &job.job_id);
    let (topic, submitter) = (job.map(|job| job.topic.as_str()), job.map(|job| job.submitter.as_str()));
    match event {
        RouterEvent::Accepted { .. } => info!(job_id, topic, submitter, "a job was accepted"),
        RouterEvent::Approval { reason, .. } => info!(job_id, ?reason, "a person has to approve the job"),
        RouterEvent::Dispatched { worker, attempt, .. } => match (worker, job) {
            (None, Some(job)) if job.is_unserved => {
                let why = "the job was sent to its topic, and no worker that has announced itself serves this topic";
                warn!(job_id, topic, attempt, "{why}");
            }
            _ => debug!(job_id, ?worker, attempt, "the job was sent to a worker"),
        },
        RouterEvent::Running { worker, .. } => debug!(job_id, ?worker, "the job runs"),
        RouterEvent::Retrying { reason, .. } => warn!(job_id, ?reason, "the job will be sent again"),
        RouterEvent::Ended { status, .. } => {
            info!(job_id, topic, submitter, ?status, "the job has ended");
        }
        RouterEvent::Conflict { ended, ignored, .. } => {
            warn!(job_id, ?ended, ?ignored, "another result came for an ended job, and was ignored");
        }
        RouterEvent::WorkerJoined { worker } => info!(?worker, "a worker has announced itself"),
        RouterEvent::WorkerLost { worker } => warn!(?worker, "nothing is heard of a worker"),
        RouterEvent::Trust(AuthorityEvent::Trusted { worker, is_renewal: false, .. }) => {
            info!(?worker, "a worker has a trust session");
        }
        RouterEvent::Trust(AuthorityEvent::Trusted { worker, is_renewal: true, .. }) => {
            info!(?worker, "a worker has renewed its trust session");
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
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use nuncio_core::cap::{
        ComponentId, JobStatus, RefusedByRouter, Subject, Unsignable, WorkerHandshakeRejectionReason,
    };
    use nuncio_core::time::Time;

    use super::*;
    use crate::io::logged::logged;

    /// Fails unless the line has its level and all of the parts.
    fn assert_logs(event: &RouterEvent, level: &str, parts: &[&str]) {
        let job = Reported {
            job_id: "job-1".into(),
            topic: "job.echo".into(),
            submitter: "client-1".into(),
            is_unserved: false,
        };
        let line = logged(|| log(event, Some(&job)));
        assert!(line.starts_with(level) && parts.iter().all(|part| line.contains(part)), "{line}");
    }

    #[test]
    fn a_job_for_which_no_worker_is_known_is_a_warning() {
        let dispatched = RouterEvent::Dispatched { job: RouterJob::default(), worker: None, attempt: 1 };
        let line = |is_unserved| {
            let (job_id, topic, submitter) = ("job-1".into(), "job.cuont".into(), "client-1".into());
            logged(|| log(&dispatched, Some(&Reported { job_id, topic, submitter, is_unserved })))
        };
        assert!(line(false).starts_with("DEBUG"), "{}", line(false));
        let warning = line(true);
        assert!(warning.starts_with("WARN") && warning.contains("job.cuont"), "{warning}");
    }

    #[test]
    fn the_course_of_a_job_is_logged_with_its_id() {
        let (job, worker) = (RouterJob::default(), ComponentId::new("worker-1").unwrap());
        let names = ["job-1", "job.echo", "client-1"];
        assert_logs(&RouterEvent::Accepted { job }, "INFO", &[&names[..], &["a job was accepted"]].concat());
        let ended = RouterEvent::Ended { job, status: JobStatus::TIMEOUT };
        assert_logs(&ended, "INFO", &[&names[..], &["the job has ended", "TIMEOUT"]].concat());
        let approval = RouterEvent::Approval { job, reason: "it is risky".into() };
        assert_logs(&approval, "INFO", &["job-1", "a person has to approve the job", "it is risky"]);
        let dispatched = RouterEvent::Dispatched { job, worker: Some(worker.clone()), attempt: 2 };
        assert_logs(&dispatched, "DEBUG", &["job-1", "the job was sent to a worker", "worker-1", "attempt=2"]);
        let running = RouterEvent::Running { job, worker: worker.clone() };
        assert_logs(&running, "DEBUG", &["job-1", "the job runs", "worker-1"]);
        let retrying = RouterEvent::Retrying { job, reason: "it was lost".into() };
        assert_logs(&retrying, "WARN", &["job-1", "the job will be sent again", "it was lost"]);
        let conflict = RouterEvent::Conflict { job, ended: JobStatus::SUCCEEDED, ignored: JobStatus::FAILED };
        assert_logs(&conflict, "WARN", &["job-1", "another result", "SUCCEEDED", "FAILED"]);
    }

    #[test]
    fn workers_and_their_trust_sessions_are_logged() {
        let worker = ComponentId::new("worker-1").unwrap();
        assert_logs(
            &RouterEvent::WorkerJoined { worker: worker.clone() },
            "INFO",
            &["worker-1", "has announced itself"],
        );
        assert_logs(&RouterEvent::WorkerLost { worker }, "WARN", &["worker-1", "nothing is heard"]);
        for (is_renewal, sentence) in [(false, "has a trust session"), (true, "has renewed its trust session")] {
            let (worker, expires_at) = ("worker-1".into(), Time::default());
            let trusted = AuthorityEvent::Trusted { worker, expires_at, is_renewal };
            assert_logs(&RouterEvent::Trust(trusted), "INFO", &["worker-1", sentence]);
        }
        let reason = WorkerHandshakeRejectionReason::default();
        let rejected = AuthorityEvent::Rejected { worker: Some("worker-1".into()), reason };
        assert_logs(&RouterEvent::Trust(rejected), "WARN", &["worker-1", "was rejected"]);
        assert_logs(&RouterEvent::Trust(AuthorityEvent::Dropped), "DEBUG", &["got no answer"]);
    }

    #[test]
    fn packets_that_are_not_taken_or_not_sent_are_logged_with_their_subject() {
        let subject = Subject::JobResult;
        let refused =
            RouterEvent::Refused { subject: subject.clone(), reason: RefusedByRouter::Misplaced("heartbeat") };
        assert_logs(&refused, "WARN", &["sys.job.result", "a packet was refused", "a heartbeat does not belong"]);
        let unsendable = RouterEvent::Unsendable { subject: subject.clone(), reason: Unsignable::Kind };
        assert_logs(&unsendable, "ERROR", &["sys.job.result", "a packet was not sent", "not of the kind"]);
        let pair = RouterEvent::PrefixPair { subject };
        assert_logs(&pair, "WARN", &["sys.job.result", "receivers disagree about the signature"]);
    }
}
