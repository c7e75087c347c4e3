//! The spans of jobs. With the feature `opentelemetry` they continue the traces of their submitters.

use tracing::Span;
use tracing::field::Empty;

use super::job::{Ended, Job};

/// Returns the span of a job's agent: below the span of the job that delegated it on this server, else, with the feature,
/// below the span that its submitter sent. The span that happens to be current is not its parent.
pub(crate) fn of_job(job: &Job, parent: &Span) -> Span {
    let info = &job.info;
    let span = tracing::info_span!(
        parent: parent.id(),
        "job",
        otel.kind = Empty,
        arcp.session_id = info.session.as_ref().map(display),
        arcp.job_id = %info.id,
        arcp.agent = info.agent,
        arcp.trace_id = %info.trace_id,
        arcp.lease.expires_at = info.expires_at.map(|time| display(time.to_rfc3339())),
        arcp.budget.remaining = info.budget,
        arcp.final_status = Empty,
    );
    #[cfg(feature = "opentelemetry")]
    opentelemetry::adopt(&span, job, parent);
    span
}

/// Records how the job ended.
pub(crate) fn record_end(span: &Span, ended: &Ended) {
    span.record("arcp.final_status", ended.status.as_str());
    if let Some(remaining) = &ended.budget {
        span.record("arcp.budget.remaining", remaining);
    }
    #[cfg(feature = "opentelemetry")]
    if let Some(fault) = &ended.fault {
        opentelemetry::fail(span, fault.code);
    }
}

#[cfg(feature = "opentelemetry")]
mod opentelemetry {
    use std::collections::BTreeMap;
    use std::str::FromStr as _;

    use ::opentelemetry::Context;
    use ::opentelemetry::trace::{SpanContext, SpanId, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState};
    use nuncio_core::arcp::{ErrorCode, Json};
    use nuncio_core::trace::TraceContext;
    use tracing::Span;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    use super::Job;

    /// Puts a job's span below its submitter's, unless it is below another job's.
    pub(super) fn adopt(span: &Span, job: &Job, parent: &Span) {
        span.record("otel.kind", if parent.is_none() { "server" } else { "internal" });
        let remote = job.info.extensions.as_deref().and_then(received).filter(|_| parent.is_none());
        if let Some(remote) = remote {
            // This fails where no layer makes OpenTelemetry spans: then there is no span to move.
            drop(span.set_parent(Context::new().with_remote_span_context(remote)));
        }
    }

    /// Returns the trace context in the extensions of a submit.
    fn received(extensions: &Json) -> Option<SpanContext> {
        let mut members: BTreeMap<String, &Json> = serde_json::from_str(extensions.get()).ok()?;
        let TraceContext { parent, state } = TraceContext::from_json(members.remove(TraceContext::EXTENSION)?.get())?;
        // W3C: a state that cannot be parsed is dropped, and the parent is kept.
        let state = state.and_then(|state| TraceState::from_str(state.as_str()).ok()).unwrap_or_default();
        Some(SpanContext::new(
            TraceId::from_bytes(*parent.trace_id.as_bytes()),
            SpanId::from_bytes(*parent.span_id.as_bytes()),
            TraceFlags::new(parent.flags.byte()),
            true,
            state,
        ))
    }

    /// Marks a span as failed by its code. The message is the client's alone.
    pub(super) fn fail(span: &Span, code: ErrorCode) {
        span.set_status(Status::error(code.as_str()));
    }
}
