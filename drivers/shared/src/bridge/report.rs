//! Progress, artifacts and costs of a CAP job as ARCP events.

use std::fmt::Write as _;
use std::time::Duration;

use nuncio_core::arcp::{Body, Number};
use serde_json::value::RawValue;
use tracing::warn;

use super::note::Note;
use crate::arcp::{ErrorCode, Failure, JobContext, Level, Refused};
use crate::cap::{JobResult, ProgressEvent};
use crate::io::Sanitized;

/// The step of a progress packet whose message is a cost (ours).
const COST_STEP: &str = "x-cost";
/// The name of the metric that charges the budget.
const COST_METRIC: &str = "cost.pool";
/// The media type of an artifact that is known by its pointer only.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// That nothing was heard of a job from the pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence<'a> {
    /// The id of the client that has submitted it.
    pub(super) client: &'a str,
    /// The topic of the job.
    pub(super) topic: &'a str,
    pub(super) after: Duration,
}

/// Reports that nothing was heard of a job, and notes that.
pub(super) async fn silent(ctx: &JobContext, note: &mut Note, silence: Silence<'_>) -> Result<(), Failure> {
    let Silence { client, topic, after } = silence;
    if std::mem::replace(&mut note.silent, true) {
        return Ok(());
    }
    warn!(job = %Sanitized(&ctx.job_id()), client, topic, ?after, "no worker of the pool has said that it has begun the job");
    let text = format!(
        "no worker of the pool has said within {after:?} that it has begun the job. Check that a worker serves the topic \
         {topic:?} and is not busy with other jobs, and that a router runs on the same bus and accepts requests of \
         {client:?}. A worker may also run the job and report no progress"
    );
    let source = RawValue::from_string(r#"{"source":"pool"}"#.to_owned()).ok();
    let body = Body::log(Level::Warn.as_str(), &text, source.as_deref());
    Ok(ctx.emit_noted(&body, &note.text()?).await?)
}

/// Reports progress as an event, or as a charge if it is a cost, and notes that.
pub(super) async fn report_progress(
    ctx: &JobContext,
    note: &mut Note,
    progress: &ProgressEvent,
) -> Result<(), Failure> {
    if !note.is_new(progress) {
        return Ok(());
    }
    if progress.step_id == COST_STEP {
        return charge(ctx, note, &progress.message).await;
    }
    for pointer in &progress.artifact_ptrs {
        ctx.artifact(pointer, UNKNOWN_TYPE).await?;
    }
    let message = match (progress.step_id.as_str(), progress.message.as_str()) {
        ("", message) => message.to_owned(),
        (step, "") => step.to_owned(),
        (step, message) => format!("{step}: {message}"),
    };
    // A packet of 2.10 may say anything.
    let percent = Number::from(u64::from(progress.percent.clamp(0, 100).unsigned_abs()));
    let message = Some(message.as_str()).filter(|message| !message.is_empty());
    let body = Body::progress(&percent, Some(&Number::from(100_u64)), None, message)?;
    match ctx.emit_noted(&body, &note.text()?).await {
        Err(refused @ Refused::TooLarge { .. }) => {
            warn!(job = %Sanitized(&ctx.job_id()), refused = %Sanitized(&refused), "progress of the pool is not reported");
            Ok(())
        }
        reported => Ok(reported?),
    }
}

/// Charges an amount, as `0.05 USD`.
async fn charge(ctx: &JobContext, note: &Note, cost: &str) -> Result<(), Failure> {
    let parts = cost.split_once(' ').and_then(|(amount, currency)| Some((Number::parse(amount)?, currency.trim())));
    let body = parts.and_then(|(amount, currency)| Body::metric(COST_METRIC, &amount, Some(currency), None).ok());
    let charged = match body {
        Some(body) => ctx.emit_noted(&body, &note.text()?).await,
        None => Err(Refused::Invalid("it is not an amount with a currency, as 0.05 USD".into())),
    };
    match charged {
        Err(Refused::Invalid(reason)) => {
            warn!(job = %Sanitized(&ctx.job_id()), ?cost, reason = %Sanitized(&reason), "the cost that a worker reports is not charged");
            let text = format!("the worker reports a cost that is not charged: {reason}");
            let body = Body::log(Level::Warn.as_str(), &text, None);
            Ok(ctx.emit_noted(&body, &note.text()?).await?)
        }
        charged => Ok(charged?),
    }
}

/// Reports the artifacts of a result, and notes each.
pub(super) async fn artifacts(ctx: &JobContext, note: &mut Note, result: &JobResult) -> Result<(), Failure> {
    for body in bodies(result).iter().skip(note.artifacts) {
        note.artifacts += 1;
        ctx.emit_noted(body, &note.text()?).await?;
    }
    Ok(())
}

/// Returns the events of the artifacts of a result, of which 2.17 says more than 2.10.
fn bodies(result: &JobResult) -> Vec<Body> {
    let described = result.artifact_refs.iter().map(|artifact| {
        let media_type = if artifact.media_type.is_empty() { UNKNOWN_TYPE } else { &artifact.media_type };
        let digest = artifact.sha256.iter().fold(String::new(), |mut text, byte| {
            // Writing into a string cannot fail.
            let _infallible = write!(text, "{byte:02x}");
            text
        });
        let digest = Some(digest.as_str()).filter(|digest| !digest.is_empty());
        Body::artifact(&artifact.uri, media_type, Some(artifact.size_bytes), digest)
    });
    let is_described = |pointer: &String| result.artifact_refs.iter().any(|artifact| artifact.uri == *pointer);
    let named = result.artifact_ptrs.iter().filter(|pointer| !is_described(pointer));
    described.chain(named.map(|pointer| Body::artifact(pointer, UNKNOWN_TYPE, None, None))).collect()
}

/// Returns the failure of a job whose budget is exhausted (§9.6).
pub(super) fn exhausted(ctx: &JobContext) -> Option<Failure> {
    let budget = ctx.budget()?;
    let currency = budget.exhausted().next()?.as_str();
    Some(Failure::new(ErrorCode::BudgetExhausted, format!("the budget of the job in {currency} is exhausted")))
}
