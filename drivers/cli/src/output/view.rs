//! What is shown of a job, and how.

use clap::Args;
use nuncio_tokio::arcp::{EventKind, JobEvent};

/// The kinds of events that the specification names (§8.2).
const KINDS: [&str; 9] =
    ["log", "thought", "tool_call", "tool_result", "status", "metric", "artifact_ref", "delegate", "progress"];

/// Options of commands that follow a job: what they show of it.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct View {
    /// Show only events of this kind, such as log or x-vendor.acme.note. Repeat it, or separate kinds with commas, for several
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    kinds: Vec<String>,
    /// Begin lines with the time, such as 2026-11-21T07:12:03.123Z, instead of the time since the job was accepted
    #[arg(long)]
    pub(super) timestamps: bool,
    /// Print nothing but the result, and what goes wrong
    #[arg(short, long, conflicts_with = "json")]
    pub(super) quiet: bool,
    /// Print a result that is a JSON string as plain text, without quotes
    #[arg(short, long, conflicts_with = "json")]
    pub(super) raw: bool,
    /// Events up to and including this number are not shown.
    #[arg(skip)]
    after: u64,
}

impl View {
    /// Leaves out the events up to and including this number.
    pub(crate) fn after(self, seq: u64) -> View {
        View { after: seq, ..self }
    }

    /// Whether what has this number in the session is shown.
    pub(super) fn is_after(&self, seq: u64) -> bool {
        seq > self.after
    }

    /// Whether only the result is wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether an event is shown.
    pub(super) fn shows(&self, event: &JobEvent) -> bool {
        self.is_after(event.seq) && (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == event.kind.as_str()))
    }
}

/// Parses the name of a kind of events.
pub(crate) fn kind(text: &str) -> Result<String, String> {
    let is_known = match EventKind::parse(text) {
        EventKind::Other(_) => text.starts_with("x-"),
        EventKind::ResultChunk => false,
        _ => true,
    };
    if is_known {
        Ok(text.to_owned())
    } else {
        Err(format!("the kinds are {}, and those of vendors, such as x-vendor.acme.note", KINDS.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::{KINDS, kind};

    #[test]
    fn kinds_are_those_of_the_specification_and_of_vendors() {
        for known in KINDS.into_iter().chain(["x-vendor.acme.note"]) {
            assert_eq!(kind(known).as_deref(), Ok(known));
        }
        for unknown in ["", "logs", "LOG", "result_chunk", "progress "] {
            let error = kind(unknown).expect_err(unknown);
            assert!(error.contains("log, thought, tool_call") && error.contains("x-vendor."), "{error}");
        }
    }
}
