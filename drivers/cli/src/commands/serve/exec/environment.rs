//! The environment variables of a program.

use std::io::{self, Write as _};

use nuncio_core::trace::{SpanId, TraceContext, TraceFlags, TraceParent};
use nuncio_tokio::arcp::JobContext;
use serde_json::value::RawValue;
use tempfile::NamedTempFile;
use tokio::process::Command;

/// Bytes of the longest value that is passed in a variable. The system takes 128 KiB, in which a lease of many patterns does not
/// fit. A longer value is passed in a file.
const MAX_VALUE: usize = 32 * 1024;

/// The files of the values that are too long for a variable. They are removed when this is dropped.
pub(super) struct Files(Vec<NamedTempFile>);

/// Sets the variables that describe the job.
///
/// The job's credentials are not passed: every descendant inherits the environment, and the system shows it to other
/// processes of the same user.
pub(super) fn set(command: &mut Command, ctx: &JobContext) -> io::Result<Files> {
    let agent = match ctx.version() {
        Some(version) => format!("{}@{version}", ctx.agent()),
        None => ctx.agent().to_owned(),
    };
    command
        .env("NUNCIO_JOB_ID", ctx.job_id().to_string())
        .env("NUNCIO_AGENT", agent)
        .env("NUNCIO_RESTARTS", ctx.restarts().to_string())
        .env("NUNCIO_TRACE_ID", ctx.trace_id().to_string());
    let mut files = Files(Vec::new());
    files.set(command, "NUNCIO_PRINCIPAL", &ctx.principal().replace('\0', "\u{fffd}"))?;
    files.set(command, "NUNCIO_LEASE", &ctx.lease().to_json())?;
    let budget = ctx.budget().map_or_else(|| "{}".to_owned(), |budget| budget.to_json_numbers());
    files.set(command, "NUNCIO_BUDGET", &budget)?;
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
    Ok(files)
}

impl Files {
    /// Sets a variable, or if the value is too long for it, writes the value to a file and sets the variable with `_FILE` added
    /// to the file's path.
    fn set(&mut self, command: &mut Command, name: &str, value: &str) -> io::Result<()> {
        if value.len() <= MAX_VALUE {
            command.env(name, value);
            return Ok(());
        }
        let mut file = tempfile::Builder::new().prefix(".nuncio-").tempfile()?;
        file.write_all(value.as_bytes())?;
        command.env(format!("{name}_FILE"), file.path());
        self.0.push(file);
        Ok(())
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
