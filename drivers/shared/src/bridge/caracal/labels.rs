//! The context of an ARCP job, in the labels of its CAP job.

use nuncio_core::caracal::Envelope;
use tracing::warn;

use super::carried::{BAGGAGE, TRACEPARENT, TRACESTATE, of_extensions};
use super::session::ChildSession;
use crate::arcp::JobContext;
use crate::caracal::{Hop, TooManyHops};
use crate::io::Sanitized;

/// Returns the labels of the CAP job of an ARCP job: those of the session that was opened for it, or else of the context that
/// its submitter has sent. They are the same whenever the agent runs. A context that cannot be read or passed on has none.
pub(in crate::bridge) fn labels(ctx: &JobContext) -> Vec<(&'static str, String)> {
    if let Some(session) = ctx.attachment::<ChildSession>() {
        return session.headers.iter().map(|header| (header.name(), header.value().expose().to_owned())).collect();
    }
    let labels = match of_extensions(ctx.extensions()) {
        Ok(None) => return Vec::new(),
        Ok(Some(caller)) => written(&caller).map_err(|error| error.to_string()),
        Err(invalid) => Err(invalid.to_string()),
    };
    labels.unwrap_or_else(|reason| {
        warn!(job = %Sanitized(&ctx.job_id()), reason, "the Caracal context of a job is not passed on to the pool");
        Vec::new()
    })
}

/// Writes what was read, with the same span.
fn written(caller: &Envelope) -> Result<Vec<(&'static str, String)>, TooManyHops> {
    let parent = caller.trace.and_then(|trace| trace.parent).map(|parent| parent.to_string());
    let state = caller.state.as_ref().map(|state| state.as_str().to_owned());
    let baggage = caller.baggage.to_header(Hop::DEFAULT_LIMIT)?.expose().to_owned();
    let fields = [(TRACEPARENT, parent), (TRACESTATE, state), (BAGGAGE, Some(baggage))];
    Ok(fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}
