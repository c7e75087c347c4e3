//! An ARCP job as a CAP request.

use std::time::Duration;

use super::note::Note;
use crate::arcp::{ErrorCode, Failure, JobContext, Json};
use crate::cap::{BlobError, Client, Submit, SubmitError};
use crate::io::Driver;

/// The label that names the blob of the lease (ours).
const LEASE_LABEL: &str = "x-lease-ptr";
/// The label that names the version of the agent.
const VERSION_LABEL: &str = "x-agent-version";
/// The label that names the principal, where packets name the one that the server submits for (ours).
const PRINCIPAL_LABEL: &str = "x-arcp-principal";
/// How long the lease stays in the blob store, if the job may not run longer.
const LEASE_TTL: Duration = Duration::from_hours(7 * 24);

/// Makes the request of a job, after its lease is in the blob store.
pub(super) async fn submit<D: Driver>(
    ctx: &JobContext,
    client: &Client<D>,
    note: &Note,
    input: Option<&Json>,
) -> Result<Submit, Failure> {
    let id = ctx.job_id().to_string();
    let time = note.deadline_ms.map(Duration::from_millis);
    let ttl = time.unwrap_or_default().max(LEASE_TTL);
    let stored = client.store(format!("lease:{id}"), ctx.lease().to_json().into(), Some(ttl)).await;
    let lease = stored.map_err(|error: BlobError| unavailable(&error.to_string()))?;
    let principal = ctx.principal().to_owned();
    let mut submit = Submit::new(&note.topic)
        .job_id(id)
        .trace_id(ctx.trace_id().to_string())
        .raw_input(input.map_or("null", Json::get).to_owned())
        .label(LEASE_LABEL, lease.to_string());
    submit = match client.sealed_principal() {
        // A sealed request that names another one than its packet is refused.
        Some(sealed) if sealed != principal => submit.label(PRINCIPAL_LABEL, principal),
        Some(_) | None => submit.configure(move |request| request.principal_id = principal),
    };
    #[cfg(feature = "caracal")]
    for (name, value) in super::caracal::labels(ctx) {
        submit = submit.label(name, value);
    }
    if let Some(version) = ctx.version() {
        submit = submit.label(VERSION_LABEL, version);
    }
    if let Some(time) = time {
        submit = submit.deadline(time);
    }
    Ok(submit)
}

/// Returns the failure of a job that could not be handed to the pool.
pub(super) fn not_submitted(error: &SubmitError) -> Failure {
    match error {
        SubmitError::Store(_) | SubmitError::Closed => unavailable(&error.to_string()),
        _ => Failure::internal(format!("the job cannot be submitted to the pool: {error}")),
    }
}

fn unavailable(reason: &str) -> Failure {
    Failure::new(ErrorCode::AgentNotAvailable, format!("the pool of the agent cannot be reached: {reason}"))
}
