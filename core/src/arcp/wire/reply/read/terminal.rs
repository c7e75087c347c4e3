//! `job.result` and `job.error` (§7.3).

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::RemoteFault;
use super::maybe::Maybe;
use super::raw::Raw;
use crate::arcp::wire::envelope::Int;
use crate::arcp::wire::error::ErrorCode;
use crate::arcp::wire::job::FinalStatus;
use crate::json::{Text, present};

/// A `job.result` or `job.error`. Each of them may have any `final_status`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Terminal<'a> {
    #[serde(borrow)]
    pub(crate) job_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    final_status: Maybe<Text<'a>>,
    #[serde(borrow, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) encoding: Maybe<Text<'a>>,
    #[serde(borrow)]
    pub(crate) result_id: Maybe<Text<'a>>,
    pub(crate) result_size: Maybe<Int>,
    #[serde(borrow)]
    pub(crate) summary: Maybe<Text<'a>>,
    #[serde(borrow)]
    pub(crate) completed_at: Maybe<Text<'a>>,
    #[serde(borrow)]
    code: Maybe<Text<'a>>,
    #[serde(borrow)]
    message: Maybe<Text<'a>>,
    retryable: Maybe<bool>,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
    /// The `details` of the C# SDK: a text.
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
}

impl Terminal<'_> {
    /// Returns how the job ended: as `final_status` says, or else as the error code and the message type suggest.
    ///
    /// `cancelled` tells whether this client has cancelled the job. Then `CANCELLED` is not a failure, although some
    /// runtimes send it with the `final_status` `error`.
    pub(crate) fn status(&self, kind: &str, fault: Option<&RemoteFault>, cancelled: bool) -> FinalStatus {
        let status = self.written_status(kind, fault);
        let is_cancel = cancelled && fault.and_then(RemoteFault::known) == Some(ErrorCode::Cancelled);
        if status == FinalStatus::Error && is_cancel { FinalStatus::Cancelled } else { status }
    }

    fn written_status(&self, kind: &str, fault: Option<&RemoteFault>) -> FinalStatus {
        if let Some(status) = self.final_status.as_str().and_then(FinalStatus::parse_lenient) {
            return status;
        }
        match fault.map(RemoteFault::known) {
            Some(Some(ErrorCode::Cancelled)) => FinalStatus::Cancelled,
            Some(Some(ErrorCode::Timeout)) => FinalStatus::TimedOut,
            Some(_) => FinalStatus::Error,
            None if kind == "job.error" => FinalStatus::Error,
            None => FinalStatus::Success,
        }
    }

    /// Returns the fault, if there is a code.
    pub(crate) fn fault(&self, frame: &Bytes) -> Option<RemoteFault> {
        RemoteFault::read(frame, &self.code, &self.message, &self.retryable, self.details.or(self.detail))
    }

    /// Returns whether this can be a refused cancel, in the form of the TypeScript SDK: the error of a job that goes on,
    /// without the members that the end of a job has there. `traced` tells whether the envelope has a trace id.
    pub(crate) fn can_refuse_a_cancel(&self, traced: bool) -> bool {
        let code = self.code.as_str().and_then(ErrorCode::parse);
        !traced
            && self.completed_at.0.is_none()
            && matches!(code, Some(ErrorCode::PermissionDenied | ErrorCode::JobNotFound))
    }

    /// Returns whether this refuses a submit because its idempotency key belongs to `job` (§7.2).
    pub(crate) fn is_duplicate_of(&self, job: &str) -> bool {
        #[derive(Deserialize)]
        struct Details<'a> {
            #[serde(borrow)]
            existing_job_id: Text<'a>,
        }
        let details = self.details.and_then(|json| serde_json::from_str::<Details<'_>>(json.get()).ok());
        self.code.as_str() == Some(ErrorCode::DuplicateKey.as_str())
            && details.is_some_and(|details| details.existing_job_id.as_str() == job)
    }

    /// Returns the inline result: `result`, or `output` as some runtimes call it.
    pub(crate) fn inline(&self, frame: &Bytes) -> Option<Raw> {
        self.result.or(self.output).map(|result| Raw::new(frame, result))
    }
}
