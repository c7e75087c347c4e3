//! Logs on stderr.

use std::fmt::{self, Debug, Write as _};
use std::io;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use tracing::Metadata;
use tracing::field::Field;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::{FormatFields, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::text::{eprint_line, is_active, sanitize};

const LEVEL_HELP: &str = "Log what is at least this important. Without this flag, RUST_LOG may choose by module, as in \
                          warn,nuncio_shared::arcp=debug [default: info]";

/// What a command that serves logs, and how.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct LogOptions {
    #[arg(long, value_name = "LEVEL", value_enum, help_heading = "Logs", help = LEVEL_HELP)]
    pub(crate) log_level: Option<LogLevel>,
    /// Log lines of text, or a JSON object per line [default: text]
    #[arg(long, value_name = "FORMAT", value_enum, help_heading = "Logs")]
    pub(crate) log_format: Option<LogFormat>,
}

impl LogOptions {
    /// These options, and for those that are not given, the others.
    pub(crate) fn or(self, other: LogOptions) -> LogOptions {
        LogOptions { log_level: self.log_level.or(other.log_level), log_format: self.log_format.or(other.log_format) }
    }
}

/// The least important events that are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> LevelFilter {
        match level {
            LogLevel::Off => LevelFilter::OFF,
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        }
    }
}

/// The form of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// Starts the log of a command that serves: what it does for its clients, and what it refuses.
pub(crate) fn install_for_server(options: LogOptions) {
    install(options, LevelFilter::INFO);
}

/// Starts the log of another command, which prints what happens by itself.
pub(crate) fn install_for_client() {
    install(LogOptions::default(), LevelFilter::ERROR);
}

/// Logs what the options say, or what `RUST_LOG` selects (`target=level,…`), or else what is of the level `default`.
fn install(options: LogOptions, default: LevelFilter) {
    let variable = std::env::var("RUST_LOG").ok().filter(|_| options.log_level.is_none());
    let parsed = variable.as_deref().map(str::parse::<Targets>).transpose();
    let level = options.log_level.map_or(default, LevelFilter::from);
    let selected = parsed.as_ref().ok().cloned().flatten().unwrap_or_else(|| at_level(level));
    let lines = lines(options.log_format.unwrap_or_default(), console::colors_enabled_stderr(), io::stderr);
    tracing_subscriber::registry().with(lines.with_filter(selected.and(filter_fn(is_free_of_secrets)))).init();
    if let Err(error) = parsed {
        eprint_line(&format!("nuncio: RUST_LOG is not valid and is ignored: {error}"));
    }
}

/// Selects Nuncio's own events of a level, and no more than warnings of libraries.
fn at_level(level: LevelFilter) -> Targets {
    Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("nuncio", level)
}

/// Writes events as lines.
fn lines<W>(format: LogFormat, colours: bool, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer();
    // Errors of the log itself would be printed on stderr, where printing panics once the terminal is closed.
    match format {
        LogFormat::Text => {
            layer.fmt_fields(fields()).with_ansi(colours).log_internal_errors(false).with_writer(writer).boxed()
        }
        LogFormat::Json => {
            let layer = layer.json().flatten_event(true).with_current_span(false);
            layer.log_internal_errors(false).with_writer(JsonLines(writer)).boxed()
        }
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

/// Makes writers of lines of JSON, in which what a terminal would act on is escaped. JSON itself leaves some of it as it is.
struct JsonLines<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for JsonLines<W> {
    type Writer = JsonLine<W::Writer>;

    fn make_writer(&'a self) -> JsonLine<W::Writer> {
        JsonLine(self.0.make_writer())
    }
}

struct JsonLine<W>(W);

impl<W: io::Write> io::Write for JsonLine<W> {
    /// Writes a whole line, which is how the log calls it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(escaped(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A JSON text without anything that a terminal acts on, but for the end of its line.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character != '\n' && is_active(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _infallible = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(character);
        }
    }
    text
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

    /// What is logged of a session of this principal.
    fn logged(format: LogFormat, principal: &str) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = super::lines(format, false, move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = tracing::info_span!("job", trace_id = principal);
            span.in_scope(|| tracing::warn!(%principal, resumed = true, "the session {principal} is live"));
        });
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    const HOSTILE: &str = "me\nERROR nuncio: all is lost \u{1b}[2J\u{202e}\u{9b}";

    #[test]
    fn a_value_from_outside_cannot_forge_a_line() {
        let text = logged(LogFormat::Text, HOSTILE);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{text:?}");
        assert!(text.contains(r"principal=me ERROR nuncio: all is lost \u{1b}[2J\u{202e}"), "{text}");
        assert!(text.contains("resumed=true"), "{text}");
    }

    #[test]
    fn a_line_of_json_has_the_same_value_and_nothing_that_a_terminal_acts_on() {
        let text = logged(LogFormat::Json, HOSTILE);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{text:?}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["principal"], HOSTILE);
        assert_eq!((&line["level"], &line["resumed"]), (&"WARN".into(), &true.into()));
        assert_eq!(line["spans"][0]["trace_id"], HOSTILE);
    }

    #[test]
    fn a_level_is_that_of_nuncio_and_libraries_give_warnings_at_most() {
        for (level, ours, theirs) in [
            (LevelFilter::DEBUG, LevelFilter::DEBUG, LevelFilter::WARN),
            (LevelFilter::ERROR, LevelFilter::ERROR, LevelFilter::ERROR),
        ] {
            let selected = at_level(level);
            for other in [LevelFilter::ERROR, LevelFilter::WARN, LevelFilter::INFO, LevelFilter::DEBUG] {
                let event = other.into_level().unwrap();
                assert_eq!(selected.would_enable("nuncio_shared::arcp", &event), other <= ours);
                assert_eq!(selected.would_enable("rustls::server", &event), other <= theirs);
            }
        }
    }
}
