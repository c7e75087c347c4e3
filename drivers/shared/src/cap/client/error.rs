//! Why a job could not be submitted, or has no result.

use nuncio_core::cap::{ClientRefused, ErrorCode, InvalidPointer, JobResult, JobStatus};

use crate::cap::blob::BlobError;

/// Why a job could not be submitted. It does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The input cannot be written as JSON.
    #[error("the input cannot be written as JSON: {0}")]
    Input(#[source] serde_json::Error),
    /// The input cannot be stored.
    #[error("the input cannot be stored: {0}")]
    Store(#[from] BlobError),
    /// The client refuses the request.
    #[error(transparent)]
    Refused(#[from] ClientRefused),
    /// The operating system gives no random numbers for the id of the job.
    #[error("the system refused: {0}")]
    System(#[from] std::io::Error),
    /// The bus was closed.
    #[error("the bus is closed")]
    Closed,
}

/// Why no result of a job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoResult {
    /// The time to wait for it is over. The job may go on.
    #[error("no result has come within the time to wait for it; the job may go on")]
    TimedOut,
    /// The time to wait for it is over, and nothing was heard of the job at all. The job may go on.
    #[error(
        "nothing was heard of the job within the time to wait for it, {}: no worker of its topic has taken it yet, or one runs \
         it without reporting progress, or no router on this bus accepts this client", sent(*requests)
    )]
    Unheard {
        /// How often its request was sent; 0 if the bus was never reached.
        requests: u32,
    },
    /// The bus was closed. The job may go on.
    #[error("the bus was closed before a result came; the job may go on")]
    Closed,
}

/// Says how often a request was sent.
fn sent(requests: u32) -> String {
    match requests {
        0 => "because the bus was not reached".to_owned(),
        1 => "although its request was sent once".to_owned(),
        requests => format!("although its request was sent {requests} times"),
    }
}

/// A job that did not succeed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the job {job_id} ended with {status:?}: {message:?}{}", in_brackets(*code))]
#[non_exhaustive]
pub struct JobError {
    /// The job.
    pub job_id: String,
    /// How it has ended.
    pub status: JobStatus,
    /// The code of the error, if the worker has set one.
    pub code: ErrorCode,
    /// The error as a sentence for people.
    pub message: String,
    /// The worker.
    pub worker_id: String,
}

/// Returns the code of an error as a part of its sentence; nothing if there is none.
fn in_brackets(code: ErrorCode) -> String {
    if code == ErrorCode::UNSPECIFIED { String::new() } else { format!(" ({code:?})") }
}

impl JobError {
    /// Returns the error of a result; `None` for a success.
    pub(super) fn of(result: &JobResult) -> Option<JobError> {
        (result.status != JobStatus::SUCCEEDED).then(|| JobError {
            job_id: result.job_id.clone(),
            status: result.status,
            code: result.error_code_enum,
            message: result.error_message.clone(),
            worker_id: result.worker_id.clone(),
        })
    }
}

/// Why there is no output of a job.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResultError {
    /// The job did not succeed.
    #[error(transparent)]
    Job(#[from] JobError),
    /// No result has come.
    #[error(transparent)]
    NoResult(#[from] NoResult),
    /// The result has no pointer to an output, or one that cannot be read.
    #[error("the pointer to the output, {pointer:?}, cannot be used: {error}")]
    Pointer {
        /// The pointer.
        pointer: String,
        /// The fault.
        error: InvalidPointer,
    },
    /// The output is in another kind of store than the client's.
    #[error("the output is at {0:?}, which is not in the blob store of this client")]
    OtherStore(String),
    /// The output is not in the store, or no longer.
    #[error("there is no output at {0:?}, or no longer")]
    Missing(String),
    /// The store has failed.
    #[error(transparent)]
    Store(#[from] BlobError),
    /// The output is not what the caller takes.
    #[error("the output does not have the expected type: {0}")]
    Decode(#[source] serde_json::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_nothing_is_heard_of_says_how_often_its_request_was_sent() {
        let said = |requests| NoResult::Unheard { requests }.to_string();
        assert!(said(0).contains(", because the bus was not reached: no worker"), "{}", said(0));
        assert!(said(1).contains(", although its request was sent once: no worker"), "{}", said(1));
        assert!(said(3).contains(", although its request was sent 3 times: no worker"), "{}", said(3));
    }

    #[test]
    fn a_job_that_did_not_succeed_names_its_code_if_there_is_one() {
        let said = |code| {
            let result = JobResult {
                job_id: "job-1".into(),
                status: JobStatus::FAILED,
                error_code_enum: code,
                error_message: "no disk".into(),
                ..JobResult::default()
            };
            JobError::of(&result).map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(said(ErrorCode::UNSPECIFIED), r#"the job job-1 ended with FAILED: "no disk""#);
        let named = format!(r#"the job job-1 ended with FAILED: "no disk" ({:?})"#, ErrorCode::JOB_INVALID_INPUT);
        assert_eq!(said(ErrorCode::JOB_INVALID_INPUT), named);
        assert_eq!(JobError::of(&JobResult { status: JobStatus::SUCCEEDED, ..JobResult::default() }), None);
    }
}
