//! Events as lines for people, in colour where these are enabled.

use console::Style;
use nuncio_tokio::arcp::{EventKind, Time};

use super::human;
use super::table::interval;
use crate::text::sanitize;

/// Where a line is printed, which decides whether it has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn style(self) -> Style {
        match self {
            Stream::Stdout => Style::new(),
            Stream::Stderr => Style::new().for_stderr(),
        }
    }
}

/// What is shown of an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) seq: u64,
    /// The job or the agent that it is of, if the line has to say so.
    pub(crate) of: Option<&'a str>,
    pub(crate) kind: &'a EventKind,
    pub(crate) ts: &'a str,
    /// The body, as JSON.
    pub(crate) body: &'a str,
}

/// The time at the beginning of lines.
#[derive(Debug)]
pub(crate) enum Clock {
    /// As the runtime has written it.
    Full,
    /// Since the job was accepted, or else since the first event that has come.
    Elapsed(Option<Time>),
}

impl Clock {
    /// Shows times in full, or the time since the start.
    pub(crate) fn new(full: bool) -> Clock {
        if full { Clock::Full } else { Clock::Elapsed(None) }
    }

    /// Takes the time when the job was accepted.
    pub(crate) fn begin(&mut self, at: Option<&str>) {
        if let Clock::Elapsed(start) = self {
            *start = start.or_else(|| at.and_then(Time::parse_rfc3339));
        }
    }

    /// Returns a time with a space after it, for the beginning of a line; empty if it is not known.
    pub(crate) fn show(&mut self, at: Option<&str>) -> String {
        self.begin(at);
        match (&self, at) {
            (Clock::Full, Some(at)) if !at.is_empty() => format!("{} ", sanitize(at)),
            (Clock::Elapsed(_), Some(at)) => self.since(at).map(|since| format!("+{since} ")).unwrap_or_default(),
            (Clock::Full, _) | (Clock::Elapsed(_), None) => String::new(),
        }
    }

    /// Returns the time from the start to another time; `None` if times are shown in full, or are not known.
    pub(super) fn since(&self, at: &str) -> Option<String> {
        match self {
            Clock::Elapsed(Some(start)) => Time::parse_rfc3339(at).map(|at| interval(at.since(*start))),
            Clock::Elapsed(None) | Clock::Full => None,
        }
    }
}

/// Returns the line of an event. It has nothing from outside that a terminal acts on.
pub(crate) fn event_line(stream: Stream, clock: &mut Clock, event: Shown<'_>) -> String {
    let Shown { seq, of, kind, ts, body } = event;
    let style = || stream.style();
    let colour = match kind {
        EventKind::ToolResult if human::is_error(body) => style().red(),
        EventKind::ToolCall | EventKind::ToolResult => style().blue(),
        EventKind::Thought => style().magenta(),
        EventKind::Metric => style().green(),
        EventKind::Status | EventKind::Delegate => style().yellow(),
        EventKind::Log
        | EventKind::ArtifactRef
        | EventKind::Progress
        | EventKind::ResultChunk
        | EventKind::Other(_) => style().cyan(),
    };
    let of = of.map(|of| style().bold().apply_to(format!("{}: ", sanitize(of))).to_string()).unwrap_or_default();
    let text = human::event(kind, body);
    let text = sanitize(&text);
    let text = match text.split_once(": ").filter(|_| *kind == EventKind::Log) {
        Some((level, message)) => format!("{}: {message}", of_level(level, style()).apply_to(level)),
        None => text.into_owned(),
    };
    format!(
        "{}{of}{} {text}",
        style().dim().apply_to(format_args!("{}#{seq} ", clock.show(Some(ts)))),
        colour.apply_to(sanitize(kind.as_str())),
    )
}

/// The colour of the level of a log event (§8.2).
fn of_level(level: &str, style: Style) -> Style {
    match level {
        "error" => style.red().bold(),
        "warn" => style.yellow(),
        "info" => style.green(),
        "debug" => style.dim(),
        _ => style,
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn the_time_is_since_the_start_or_in_full() {
        let [start, later] = ["2026-11-21T07:12:03.100Z", "2026-11-21T07:13:05.400Z"];
        let mut elapsed = Clock::new(false);
        elapsed.begin(Some(start));
        assert_eq!((elapsed.show(Some(start)), elapsed.show(Some(later))), ("+0.0s ".to_owned(), "+1m02s ".to_owned()));
        assert_eq!(elapsed.show(Some("not a time")), "");
        let mut without = Clock::new(false);
        assert_eq!(without.show(None), "");
        assert_eq!(without.show(Some(later)), "+0.0s ", "the first event that has come is the start");
        let mut full = Clock::new(true);
        full.begin(Some(start));
        assert_eq!((full.show(Some(later)), full.since(later)), (format!("{later} "), None));
    }
}
