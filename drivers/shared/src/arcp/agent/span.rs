//! The spans of submits and jobs, and how they become one trace with those of the other end.

use tracing::Span;
use tracing::field::Empty;

use crate::arcp::agent::job::{Ended, Job};
use crate::arcp::client::Submit;

/// The span of a submit, until its answer.
pub(crate) fn of_submit(submit: &Submit) -> Span {
    let span = tracing::info_span!("submit", otel.kind = Empty, arcp.agent = submit.agent(), arcp.job_id = Empty);
    // A kind is heeded only before the span is entered.
    #[cfg(feature = "opentelemetry")]
    span.record("otel.kind", "client");
    span
}

/// The span of a job's agent: below the job that delegated it here; else, with the feature, below the span that its
/// submitter sent. Who happens to wake the runtime is nobody's parent.
pub(crate) fn of_job(job: &Job, parent: &Span) -> Span {
    let span = tracing::info_span!(
        parent: parent.id(),
        "job",
        otel.kind = Empty,
        arcp.session_id = job.session.as_ref().map(display),
        arcp.job_id = %job.id,
        arcp.agent = job.agent,
        arcp.trace_id = %job.trace_id,
        arcp.lease.expires_at = job.expires_at.map(|time| display(time.to_rfc3339())),
        arcp.budget.remaining = job.budget,
        arcp.final_status = Empty,
    );
    #[cfg(feature = "opentelemetry")]
    opentelemetry::adopt(&span, job, parent);
    span
}

/// Adds what is known of a job at its end only.
pub(crate) fn end(span: &Span, ended: &Ended) {
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
pub(crate) mod opentelemetry {
    //! W3C trace context in and out, by the extension of the submit.

    use std::collections::BTreeMap;
    use std::str::FromStr as _;

    use ::opentelemetry::Context;
    use ::opentelemetry::trace::{SpanContext, SpanId, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState};
    use nuncio_core::arcp::{ErrorCode, Json};
    use nuncio_core::trace::{self, TraceContext, TraceParent};
    use tracing::Span;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    use crate::arcp::agent::job::Job;

    /// The trace context of a submit's span, or of its caller where `tracing` does not lead to OpenTelemetry.
    pub(crate) fn sent(span: &Span) -> Option<TraceContext> {
        let below = span.context();
        let (below, around) = (below.span().span_context().clone(), Context::current().span().span_context().clone());
        let context = if below.is_valid() { below } else { around };
        let parent = TraceParent {
            trace_id: trace::TraceId::from_bytes(context.trace_id().to_bytes())?,
            span_id: trace::SpanId::from_bytes(context.span_id().to_bytes())?,
            flags: trace::TraceFlags::from_byte(context.trace_flags().to_u8()),
        };
        Some(TraceContext { parent, state: trace::TraceState::parse(&context.trace_state().header()) })
    }

    /// Extensions with a trace context, their text as it was; `None` if they have one, be it `null`, or are no object.
    pub(crate) fn extended(extensions: Option<&Json>, context: &TraceContext) -> Option<Box<Json>> {
        let text = extensions.map_or("{}", Json::get);
        let present: BTreeMap<String, &Json> = serde_json::from_str(text).ok()?;
        if present.contains_key(TraceContext::EXTENSION) {
            return None;
        }
        let rest = text.trim_start().strip_prefix('{')?;
        let comma = if present.is_empty() { "" } else { "," };
        let (key, value) = (TraceContext::EXTENSION, context.to_json());
        Json::from_string(format!("{{\"{key}\":{value}{comma}{rest}")).ok()
    }

    /// Puts a job's span below its submitter's, unless it is below another job's.
    pub(super) fn adopt(span: &Span, job: &Job, parent: &Span) {
        span.record("otel.kind", if parent.is_none() { "server" } else { "internal" });
        let remote = job.extensions.as_deref().and_then(received).filter(|_| parent.is_none());
        if let Some(remote) = remote {
            // An error means that no span of OpenTelemetry is made: there is nothing to put below.
            drop(span.set_parent(Context::new().with_remote_span_context(remote)));
        }
    }

    fn received(extensions: &Json) -> Option<SpanContext> {
        let mut members: BTreeMap<String, &Json> = serde_json::from_str(extensions.get()).ok()?;
        let TraceContext { parent, state } = TraceContext::from_json(members.remove(TraceContext::EXTENSION)?.get())?;
        // An unreadable state is dropped alone, as W3C has it.
        let state = state.and_then(|state| TraceState::from_str(state.as_str()).ok()).unwrap_or_default();
        Some(SpanContext::new(
            TraceId::from_bytes(*parent.trace_id.as_bytes()),
            SpanId::from_bytes(*parent.span_id.as_bytes()),
            TraceFlags::new(parent.flags.byte()),
            true,
            state,
        ))
    }

    /// Marks a span as failed, by the code alone: a message is for the client.
    pub(super) fn fail(span: &Span, code: ErrorCode) {
        span.set_status(Status::error(code.as_str()));
    }
}
