//! The spans of submits. With the feature `opentelemetry`, a submit carries the trace context of its span.

use tracing::Span;
use tracing::field::Empty;

/// Returns the span of a submit, from its request to its answer.
pub(super) fn of_submit(agent: &str) -> Span {
    let span = tracing::info_span!("submit", otel.kind = Empty, arcp.agent = agent, arcp.job_id = Empty);
    // The kind has to be set before the span is first entered.
    #[cfg(feature = "opentelemetry")]
    span.record("otel.kind", "client");
    span
}

#[cfg(feature = "opentelemetry")]
pub(super) mod opentelemetry {
    //! W3C trace context in the extensions of a submit.

    use std::collections::BTreeMap;

    use ::opentelemetry::Context;
    use ::opentelemetry::trace::TraceContextExt as _;
    use nuncio_core::arcp::Json;
    use nuncio_core::trace::{SpanId, TraceContext, TraceFlags, TraceId, TraceParent, TraceState};
    use tracing::Span;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    /// Returns the trace context of a submit's span, or of its caller where `tracing` does not lead to OpenTelemetry.
    pub(crate) fn sent(span: &Span) -> Option<TraceContext> {
        let below = span.context();
        let (below, around) = (below.span().span_context().clone(), Context::current().span().span_context().clone());
        let context = if below.is_valid() { below } else { around };
        let parent = TraceParent {
            trace_id: TraceId::from_bytes(context.trace_id().to_bytes())?,
            span_id: SpanId::from_bytes(context.span_id().to_bytes())?,
            flags: TraceFlags::from_byte(context.trace_flags().to_u8()),
        };
        Some(TraceContext { parent, state: TraceState::parse(&context.trace_state().header()) })
    }

    /// Returns the extensions with a trace context added and their text otherwise unchanged, or `None` if they have the
    /// key already, even as `null`, or are not an object.
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
}
