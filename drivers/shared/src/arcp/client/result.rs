//! The result of a job.

use nuncio_core::arcp::JobId;
use nuncio_core::arcp::client::{Outcome, OutcomeSource, Product};
use serde::de::DeserializeOwned;

use super::backlog::Backlog;
use super::error::{CallError, JobError};

/// The outcome of a job that succeeded, and its whole result. From [`Follow::collect`](super::Follow::collect).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Collected {
    /// How the job ended.
    pub outcome: Outcome,
    /// The streamed result, or the bytes of an inline one that is in base64 (`Outcome::inline_bytes`); otherwise empty.
    pub streamed: Vec<u8>,
}

impl Collected {
    /// Puts outcome and chunks together, or says why they are no result.
    pub(super) fn new(
        job_id: &JobId,
        outcome: Outcome,
        backlog: &mut Backlog,
        cap: usize,
    ) -> Result<Collected, CallError> {
        let Some(bytes) = streamed(job_id, &outcome, backlog.fault())? else {
            let streamed = outcome.inline_bytes().map_or_else(Vec::new, Vec::from);
            return Ok(Collected { outcome, streamed });
        };
        if backlog.exceeded().is_some() || backlog.len() > cap {
            return Err(CallError::TooLarge { cap: backlog.exceeded().unwrap_or(cap) });
        }
        match bytes.saturating_sub(backlog.len() as u64) {
            0 => Ok(Collected { outcome, streamed: backlog.take() }),
            bytes => Err(CallError::Consumed { bytes }),
        }
    }

    /// The result as text: the streamed bytes, or the JSON text of an inline result. `None` if the bytes are not UTF-8.
    pub fn text(&self) -> Option<&str> {
        match &self.outcome.result {
            Product::Inline(json) => Some(json.as_str()),
            Product::None | Product::Streamed { .. } | Product::Unknown => std::str::from_utf8(&self.streamed).ok(),
        }
    }

    /// The result read as JSON, inline or streamed. A job that succeeded without a result has the result `null`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        match &self.outcome.result {
            Product::Inline(json) => json.parse(),
            Product::None | Product::Unknown => serde_json::from_str("null"),
            Product::Streamed { .. } => serde_json::from_slice(&self.streamed),
        }
    }
}

/// The bytes of the streamed result of a job that succeeded; `None` if it was not streamed. `fault` is what broke the
/// stream, if that is known.
pub(super) fn streamed(
    job_id: &JobId,
    outcome: &Outcome,
    fault: Option<&'static str>,
) -> Result<Option<u64>, CallError> {
    match outcome.source {
        OutcomeSource::Silence => return Err(CallError::Silent),
        OutcomeSource::Dropped => return Err(CallError::Dropped),
        _ => {}
    }
    if let Some(error) = JobError::new(job_id, outcome) {
        return Err(error.into());
    }
    match outcome.result {
        Product::None | Product::Inline(_) => Ok(None),
        Product::Unknown => Err(CallError::Unknown),
        Product::Streamed { complete: true, bytes, .. } => Ok(Some(bytes)),
        Product::Streamed { complete: false, .. } => {
            Err(CallError::Broken(fault.unwrap_or("the job ended before its result was complete")))
        }
    }
}
