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
        WorkerEvent::Trusted { is_renewal, .. } => info!(is_renewal, "the scheduler trusts the worker"),
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
