//! The result of a CAP job as the end of an ARCP job.

use nuncio_core::cap::{ErrorCode as CapCode, JobResult, JobStatus};
use serde_json::json;

use crate::arcp::{ErrorCode, Failure, JobContext, Json, Output};
use crate::cap::JobHandle;

/// Bytes of the longest output that is sent inline. A longer one is streamed.
const MAX_INLINE: usize = 256 << 10;

/// Returns how a job ends whose CAP job has this result.
pub(super) async fn conclude(ctx: &JobContext, job: &mut JobHandle, result: &JobResult) -> Result<Output, Failure> {
    if result.status != JobStatus::SUCCEEDED {
        return Err(failure(result));
    }
    if result.result_ptr.is_empty() {
        return Ok(Output::Inline(Json::NULL.to_owned()));
    }
    let output = job.result::<Box<Json>>().await.map_err(|error| {
        Failure::internal(format!("the job succeeded, and its output cannot be read: {error}"))
            .with_details(&json!({ "result_ptr": result.result_ptr, "worker_id": result.worker_id }))
    })?;
    if output.get().len() <= MAX_INLINE {
        return Ok(Output::Inline(output));
    }
    ctx.writer().finish_text(output.get()).await?;
    Ok(Output::Streamed { summary: None })
}

/// Returns the failure of a job that did not succeed (wire.md §5).
fn failure(result: &JobResult) -> Failure {
    let code = match (result.status, result.error_code_enum) {
        (JobStatus::CANCELLED, _) => ErrorCode::Cancelled,
        (JobStatus::TIMEOUT, _) | (_, CapCode::JOB_TIMEOUT) => ErrorCode::Timeout,
        (JobStatus::DENIED, _)
        | (
            _,
            CapCode::JOB_PERMISSION_DENIED
            | CapCode::SAFETY_DENIED
            | CapCode::SAFETY_POLICY_VIOLATION
            | CapCode::SAFETY_RISK_TAG_BLOCKED,
        ) => ErrorCode::PermissionDenied,
        (_, CapCode::JOB_INVALID_INPUT | CapCode::PROTOCOL_MALFORMED_PACKET) => ErrorCode::InvalidRequest,
        (_, CapCode::JOB_WORKER_UNAVAILABLE) => ErrorCode::AgentNotAvailable,
        _ => ErrorCode::InternalError,
    };
    let message = match result.error_message.as_str() {
        "" => format!("the job in the pool is {:?}", result.status),
        message => message.to_owned(),
    };
    let details = json!({
        "cap_status": format!("{:?}", result.status),
        "cap_error_code": result.error_code_enum.0,
        "worker_id": result.worker_id,
        "execution_ms": result.execution_ms,
    });
    Failure::new(code, message).with_details(&details)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(status: JobStatus, code: CapCode) -> String {
        let result = JobResult { status, error_code_enum: code, ..JobResult::default() };
        nuncio_core::arcp::JobFailure::from(failure(&result)).code
    }

    #[test]
    fn errors_of_cap_are_the_errors_of_arcp_with_the_same_meaning() {
        for (status, cap, arcp) in [
            (JobStatus::DENIED, CapCode::UNSPECIFIED, "PERMISSION_DENIED"),
            (JobStatus::TIMEOUT, CapCode::JOB_TIMEOUT, "TIMEOUT"),
            (JobStatus::CANCELLED, CapCode::UNSPECIFIED, "CANCELLED"),
            (JobStatus::FAILED, CapCode::JOB_INVALID_INPUT, "INVALID_REQUEST"),
            (JobStatus::FAILED, CapCode::JOB_PERMISSION_DENIED, "PERMISSION_DENIED"),
            (JobStatus::FAILED, CapCode::SAFETY_DENIED, "PERMISSION_DENIED"),
            (JobStatus::FAILED_RETRYABLE, CapCode::JOB_WORKER_UNAVAILABLE, "AGENT_NOT_AVAILABLE"),
            (JobStatus::FAILED, CapCode::UNSPECIFIED, "INTERNAL_ERROR"),
            (JobStatus::FAILED_FATAL, CapCode(1_001), "INTERNAL_ERROR"),
        ] {
            assert_eq!(code(status, cap), arcp, "{status:?} {cap:?}");
        }
    }
}
