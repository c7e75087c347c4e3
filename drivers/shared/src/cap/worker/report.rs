//! What a worker logs and counts.

use crate::io::Sanitized;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nuncio_core::cap::{JobStatus, WorkerEvent};
use tracing::{debug, error, info, warn};

use super::metrics::Metrics;
use super::state::{Ids, Report};

/// Logs a report, and passes it to the metrics.
pub(super) fn report(metrics: &dyn Metrics, worker_id: &str, report: Report) {
    match report {
        Report::Accepted { job } => {
            let (job_id, topic) = (&job.request.job_id, &job.request.topic);
            debug!(job_id, trace_id = job.trace_id, topic, sender_id = job.sender_id, "a job was accepted");
            count(|| metrics.job_received(job_id, topic));
        }
        Report::Ended { ids: Ids { job_id, trace_id, topic, sender_id }, status, message, took } => {
            if status == JobStatus::SUCCEEDED {
                info!(job_id, trace_id, topic, sender_id, ?took, "the job has succeeded");
            } else {
                warn!(job_id, trace_id, topic, sender_id, ?took, ?status, error = ?message, "the job has not succeeded");
            }
            count(|| metrics.job_completed(&job_id, &topic, took, status));
            if status != JobStatus::SUCCEEDED {
                count(|| metrics.job_failed(&job_id, &topic, &message));
            }
        }
        Report::Heartbeat => count(|| metrics.heartbeat_sent(worker_id)),
        Report::Event(event, ids) => log(&event, ids.as_ref()),
    }
}

fn log(event: &WorkerEvent, ids: Option<&Ids>) {
    let job_id = ids.map_or("", |ids| &ids.job_id);
    let trace_id = ids.map_or("", |ids| &ids.trace_id);
    match event {
        WorkerEvent::Refused { subject, reason } => {
            warn!(subject = %Sanitized(&subject), error = %Sanitized(&reason), "a packet was refused");
        }
        WorkerEvent::Unsendable { subject, reason } => {
            error!(subject = %Sanitized(&subject), error = %Sanitized(&reason), "a packet was not sent");
        }
        WorkerEvent::PrefixPair { subject } => {
            warn!(subject = %Sanitized(&subject), "receivers disagree about the signature, because a map has a key that another key begins with");
        }
        WorkerEvent::Retried { failures, message, .. } => {
            warn!(job_id, trace_id, failures, error = ?message, "an attempt has failed, and another one follows");
        }
        WorkerEvent::Recovered { .. } => info!(job_id, trace_id, "the output is stored already; no handler is called"),
        WorkerEvent::Trusted { is_renewal: false, .. } => info!("the scheduler trusts the worker"),
        WorkerEvent::Trusted { is_renewal: true, .. } => info!("the scheduler trusts the worker for longer"),
        WorkerEvent::TrustFailed { reason } => {
            warn!(error = %Sanitized(&reason), "the worker could not prove itself to the scheduler, and tries again later");
        }
        WorkerEvent::TrustExpired => warn!("the worker's session with the scheduler has expired"),
        _ => {}
    }
}

/// Calls a hook of the application.
fn count(hook: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(hook)).is_err() {
        error!("a metrics hook has panicked");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use nuncio_core::cap::{RefusedPacket, Subject, TrustFailure, Unsignable, WorkerJob};
    use nuncio_core::time::Time;

    use super::*;
    use crate::io::logged::logged;
    use crate::io::sync::lock;

    #[derive(Default)]
    struct Told(Mutex<Vec<String>>);

    impl Metrics for Told {
        fn job_completed(&self, job_id: &str, topic: &str, _took: Duration, status: JobStatus) {
            lock(&self.0).push(format!("completed {job_id} {topic} {status:?}"));
        }

        fn job_failed(&self, job_id: &str, topic: &str, message: &str) {
            lock(&self.0).push(format!("failed {job_id} {topic} {message}"));
        }

        fn heartbeat_sent(&self, _worker_id: &str) {
            panic!("the hook is broken");
        }
    }

    fn ids() -> Ids {
        Ids {
            job_id: "job-1".into(),
            trace_id: "trace-1".into(),
            topic: "job.echo".into(),
            sender_id: "client-1".into(),
        }
    }

    /// Fails unless the line has its level and all of the parts.
    fn assert_logs(line: &str, level: &str, parts: &[&str]) {
        assert!(line.starts_with(level) && parts.iter().all(|part| line.contains(part)), "{line}");
    }

    #[test]
    fn the_end_of_a_job_is_logged_and_counted() {
        let told = Told::default();
        let ended = |status, message: &str| {
            let report = Report::Ended { ids: ids(), status, message: message.into(), took: Duration::from_secs(1) };
            logged(|| super::report(&told, "worker-1", report))
        };
        let names = ["job-1", "trace-1", "job.echo", "client-1"];
        assert_logs(&ended(JobStatus::SUCCEEDED, ""), "INFO", &[&names[..], &["the job has succeeded"]].concat());
        let failed = ended(JobStatus::FAILED, "no disk");
        assert_logs(&failed, "WARN", &[&names[..], &["the job has not succeeded", "FAILED", "no disk"]].concat());
        let expected = ["completed job-1 job.echo SUCCEEDED", "completed job-1 job.echo FAILED"];
        assert_eq!(*lock(&told.0), [expected[0], expected[1], "failed job-1 job.echo no disk"]);
    }

    #[test]
    fn a_hook_that_panics_is_logged() {
        let line = logged(|| report(&Told::default(), "worker-1", Report::Heartbeat));
        assert_logs(&line, "ERROR", &["a metrics hook has panicked"]);
    }

    #[test]
    fn what_a_worker_tells_is_logged() {
        let (job, subject) = (WorkerJob::default(), Subject::JobResult);
        let line = |event| logged(|| log(&event, Some(&ids())));
        let refused = WorkerEvent::Refused { subject: subject.clone(), reason: RefusedPacket::NotTrusted };
        assert_logs(&line(refused), "WARN", &["sys.job.result", "a packet was refused", "takes no jobs"]);
        let unsendable = WorkerEvent::Unsendable { subject: subject.clone(), reason: Unsignable::Kind };
        assert_logs(&line(unsendable), "ERROR", &["sys.job.result", "a packet was not sent", "not of the kind"]);
        let pair = WorkerEvent::PrefixPair { subject };
        assert_logs(&line(pair), "WARN", &["sys.job.result", "receivers disagree about the signature"]);
        let retried = WorkerEvent::Retried { job, failures: 2, message: "no disk".into() };
        assert_logs(&line(retried), "WARN", &["job-1", "trace-1", "failures=2", "no disk", "another one follows"]);
        let recovered = WorkerEvent::Recovered { job };
        assert_logs(&line(recovered), "INFO", &["job-1", "trace-1", "the output is stored already"]);
        let trusted = |is_renewal| WorkerEvent::Trusted { expires_at: Time::default(), is_renewal };
        assert_logs(&line(trusted(false)), "INFO", &["the scheduler trusts the worker"]);
        assert_logs(&line(trusted(true)), "INFO", &["the scheduler trusts the worker for longer"]);
        let failed = WorkerEvent::TrustFailed { reason: TrustFailure::Transport("no answer".into()) };
        assert_logs(&line(failed), "WARN", &["could not prove itself", "no answer"]);
        assert_logs(&line(WorkerEvent::TrustExpired), "WARN", &["has expired"]);
    }
}
