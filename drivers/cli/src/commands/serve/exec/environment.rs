//! The environment variables of a program.

use nuncio_core::trace::{SpanId, TraceContext, TraceFlags, TraceParent};
use nuncio_tokio::arcp::JobContext;
use serde_json::value::RawValue;
use tokio::process::Command;

/// Sets the variables that describe the job.
///
/// The job's credentials are not passed: every descendant inherits the environment, and the system shows it to other
/// processes of the same user.
pub(super) fn set(command: &mut Command, ctx: &JobContext) {
    let agent = match ctx.version() {
        Some(version) => format!("{}@{version}", ctx.agent()),
        None => ctx.agent().to_owned(),
    };
    command
        .env("NUNCIO_JOB_ID", ctx.job_id().to_string())
        .env("NUNCIO_AGENT", agent)
        .env("NUNCIO_PRINCIPAL", ctx.principal().replace('\0', "\u{fffd}"))
        .env("NUNCIO_RESTARTS", ctx.restarts().to_string())
        .env("NUNCIO_TRACE_ID", ctx.trace_id().to_string())
        .env("NUNCIO_LEASE", ctx.lease().to_json())
        .env("NUNCIO_BUDGET", ctx.budget().map_or_else(|| "{}".to_owned(), |budget| budget.to_json_numbers()));
    if let Some(end) = [ctx.deadline(), ctx.expires_at()].into_iter().flatten().min() {
        command.env("NUNCIO_DEADLINE", end.to_rfc3339());
    }
    command.env_remove("TRACEPARENT").env_remove("TRACESTATE");
    if let Some(context) = trace(ctx) {
        command.env("TRACEPARENT", context.parent.to_string());
        if let Some(state) = context.state {
            command.env("TRACESTATE", state.as_str());
        }
    }
}

/// The trace context that the submitter sent, or else a new one within the job's trace.
fn trace(ctx: &JobContext) -> Option<TraceContext> {
    #[derive(serde::Deserialize)]
    struct Extensions<'a> {
        #[serde(borrow, rename = "x-vendor.opentelemetry.tracecontext")]
        context: Option<&'a RawValue>,
    }
    let extensions = ctx.extensions().and_then(|json| serde_json::from_str::<Extensions<'_>>(json.get()).ok());
    let sent = extensions.and_then(|extensions| TraceContext::from_json(extensions.context?.get()));
    sent.or_else(|| {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).ok()?;
        let span_id = SpanId::from_bytes(bytes)?;
        let parent = TraceParent { trace_id: ctx.trace_id(), span_id, flags: TraceFlags::default() };
        Some(TraceContext { parent, state: None })
    })
}
