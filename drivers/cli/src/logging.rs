//! Logs on stderr.

use std::fmt::{self, Debug};
use std::io::IsTerminal;

use tracing::Metadata;
use tracing::field::Field;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::text::{eprint_line, sanitize};

/// Logs events of `level` and above, or those that `RUST_LOG` selects (`target=level,…`).
pub(crate) fn install(level: LevelFilter) {
    let variable = std::env::var("RUST_LOG").ok();
    let parsed = variable.as_deref().map(str::parse::<Targets>).transpose();
    let selected = parsed.as_ref().ok().cloned().flatten().unwrap_or(Targets::new().with_default(level));
    let layer = tracing_subscriber::fmt::layer()
        .fmt_fields(fields())
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        // They would be printed on stderr, where printing panics once the terminal is closed.
        .log_internal_errors(false)
        .with_filter(selected.and(filter_fn(is_free_of_secrets)));
    tracing_subscriber::registry().with(layer).init();
    if let Err(error) = parsed {
        eprint_line(&format!("nuncio: RUST_LOG is not valid and is ignored: {error}"));
    }
}

/// Formats the message of an event and its fields. Values from outside, such as the subject of a JSON Web Token, can
/// neither forge a line nor act on the terminal.
fn fields() -> impl for<'writer> FormatFields<'writer> {
    use tracing_subscriber::field::MakeExt as _;
    debug_fn(|writer: &mut Writer<'_>, field: &Field, value: &dyn Debug| field_to(writer, field.name(), value))
        .delimited(" ")
}

fn field_to(writer: &mut Writer<'_>, name: &str, value: &dyn Debug) -> fmt::Result {
    let text = format!("{value:?}");
    let text = sanitize(&text);
    match name {
        "message" => write!(writer, "{text}"),
        name if writer.has_ansi_escapes() => write!(writer, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m{text}"),
        name => write!(writer, "{name}={text}"),
    }
}

/// Below `info`, tungstenite logs whole frames, and ureq-proto whole responses, tokens included. `RUST_LOG` cannot turn that
/// on.
fn is_free_of_secrets(metadata: &Metadata<'_>) -> bool {
    let logs_secrets = ["tungstenite", "ureq_proto"].iter().any(|target| metadata.target().starts_with(target));
    !logs_secrets || *metadata.level() <= LevelFilter::INFO
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_value_from_outside_cannot_forge_a_line() {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer()
            .fmt_fields(fields())
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone());
        let principal = "me\nERROR nuncio: all is lost \u{1b}[2J\u{202e}";
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = tracing::info_span!("job", trace_id = principal);
            span.in_scope(|| tracing::warn!(%principal, resumed = true, "the session {principal} is live"));
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
        assert!(text.contains(r"principal=me ERROR nuncio: all is lost \u{1b}[2J\u{202e}"), "{text}");
        assert!(text.contains("resumed=true"), "{text}");
    }
}
