//! Jobs as a table.

use std::borrow::Cow;

use console::{Style, Term};
use nuncio_tokio::arcp::{JobRow, Time};

use super::fit::{Soft, fit};
use super::grid::grid;
use crate::text::sanitize;
use crate::time::now;

const WIDE: [&str; 9] = ["JOB", "AGENT", "STATUS", "CREATED", "TOOK", "LAST SEQ", "SESSION", "ERROR", "PARENT"];
/// The parts of a job's row that it is known by and how it goes; the rest of a narrow line is for its error.
const NARROW: [&str; 6] = ["JOB", "AGENT", "STATUS", "AGE", "TOOK", "ERROR"];
/// The error and the agent are cut off if a terminal is narrow.
const SOFT: [Soft; 2] = [(5, 14), (1, 5)];

/// How much a table of jobs shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// What fits this number of columns, or what is of use without them.
    Narrow(Option<usize>),
    /// Everything.
    Wide,
}

/// The narrow width of stdout: that of its terminal, if it is one.
pub(crate) fn columns() -> Width {
    Width::Narrow(terminal_width())
}

/// Returns the columns of the terminal that stdout is, if it is one.
pub(crate) fn terminal_width() -> Option<usize> {
    let term = Term::stdout();
    term.is_term().then(|| usize::from(term.size().1))
}

/// A heading and a line per job. Columns are as wide as their widest cell; in a wide table the parents' column is left out if
/// no job has one.
pub(crate) fn table(jobs: &[JobRow], width: Width) -> Vec<String> {
    let style = |column, cell: &str| if column == 2 { coloured(cell) } else { cell.to_owned() };
    match width {
        Width::Narrow(columns) => {
            let rows: Vec<[Cow<'_, str>; 6]> = jobs.iter().map(narrow).collect();
            fit(NARROW, rows, NARROW.len(), columns, &SOFT, style)
        }
        Width::Wide => {
            let rows: Vec<[Cow<'_, str>; 9]> = jobs.iter().map(wide).collect();
            let has_parents = jobs.iter().any(|job| job.parent_job_id.is_some());
            grid(WIDE, &rows, if has_parents { WIDE.len() } else { WIDE.len() - 1 }, style)
        }
    }
}

fn narrow(job: &JobRow) -> [Cow<'_, str>; 6] {
    [
        sanitize(job.job_id.as_str()),
        sanitize(&job.agent),
        sanitize(status(job)),
        job.created_at.as_deref().and_then(age).unwrap_or_default().into(),
        duration(job).into(),
        error(job),
    ]
}

fn wide(job: &JobRow) -> [Cow<'_, str>; 9] {
    [
        sanitize(job.job_id.as_str()),
        sanitize(&job.agent),
        sanitize(status(job)),
        job.created_at.as_deref().map(|at| to_the_second(&sanitize(at)).into()).unwrap_or_default(),
        duration(job).into(),
        job.last_event_seq.map(|seq| seq.to_string().into()).unwrap_or_default(),
        session(job).unwrap_or_default(),
        error(job),
        job.parent_job_id.as_ref().map(|id| sanitize(id.as_str())).unwrap_or_default(),
    ]
}

/// The status of a job, or what a running one is about: it is being cancelled, or asks something.
fn status(job: &JobRow) -> &str {
    job.phase.as_deref().unwrap_or(&job.status)
}

/// The session that the job's number of its last event counts in.
fn session(job: &JobRow) -> Option<Cow<'_, str>> {
    let id = sanitize(job.session_id.as_ref()?.as_str());
    Some(if job.session_closed { format!("{id} (over)").into() } else { id })
}

/// How long an ended job took.
fn duration(job: &JobRow) -> String {
    let times = job.created_at.as_deref().zip(job.ended.as_ref());
    times.and_then(|(from, end)| took(from, &end.completed_at)).unwrap_or_default()
}

/// Why a job did not succeed.
fn error(job: &JobRow) -> Cow<'_, str> {
    let end = job.ended.as_ref();
    match end.map(|end| (end.code.as_deref(), end.message.as_deref())) {
        Some((Some(code), Some(message))) => sanitize(&format!("{code}: {message}")).into_owned().into(),
        Some((Some(code), None)) => sanitize(code),
        _ => Cow::Borrowed(""),
    }
}

/// The time since a timestamp, for people.
pub(crate) fn age(at: &str) -> Option<String> {
    Time::parse_rfc3339(at).map(|at| interval(now().since(at)))
}

/// The time until a timestamp, for people.
pub(crate) fn left(until: &str) -> Option<String> {
    Time::parse_rfc3339(until).map(|until| interval(until.since(now())))
}

/// The time from one timestamp to another, for people.
pub(crate) fn took(from: &str, to: &str) -> Option<String> {
    Some(interval(Time::parse_rfc3339(to)?.since(Time::parse_rfc3339(from)?)))
}

/// A number of microseconds in one or two units.
pub(super) fn interval(micros: u64) -> String {
    let secs = micros / 1_000_000;
    match secs {
        0..10 => format!("{}.{}s", secs, micros / 100_000 % 10),
        10..60 => format!("{secs}s"),
        60..3_600 => format!("{}m{:02}s", secs / 60, secs % 60),
        3_600..86_400 => format!("{}h{:02}m", secs / 3_600, secs / 60 % 60),
        _ => format!("{}d{:02}h", secs / 86_400, secs / 3_600 % 24),
    }
}

/// A timestamp without fractions of a second.
fn to_the_second(at: &str) -> String {
    match at.split_once('.') {
        Some((whole, fraction)) => format!("{whole}{}", fraction.trim_start_matches(|c: char| c.is_ascii_digit())),
        None => at.to_owned(),
    }
}

fn coloured(status: &str) -> String {
    let style = match status.trim_end() {
        "success" => Style::new().green(),
        "error" | "timed_out" => Style::new().red(),
        "running" => Style::new().cyan(),
        "asking" => Style::new().magenta(),
        "cancelled" | "cancelling" => Style::new().yellow(),
        _ => Style::new().dim(),
    };
    style.apply_to(status).to_string()
}

#[cfg(test)]
mod tests {
    use super::{JobRow, Width, interval, table};

    fn row(job_id: &str, agent: &str, status: &str, parent: Option<&str>) -> JobRow {
        JobRow {
            job_id: job_id.into(),
            agent: agent.to_owned(),
            status: status.to_owned(),
            lease: None,
            parent_job_id: parent.map(Into::into),
            created_at: Some("2026-11-21T07:12:03.123Z".to_owned()),
            trace_id: None,
            last_event_seq: Some(12),
            session_id: Some("sess_1".into()),
            session_closed: false,
            max_runtime_sec: None,
            ended: None,
            phase: None,
        }
    }

    #[test]
    fn a_job_that_asks_or_is_to_stop_does_not_look_like_one_that_runs() {
        console::set_colors_enabled(false);
        let mut asking = row("job_1", "echo", "running", None);
        asking.phase = Some("asking".to_owned());
        for width in [Width::Narrow(None), Width::Narrow(Some(80)), Width::Wide] {
            let lines = table(std::slice::from_ref(&asking), width);
            assert!(lines[1].contains(" asking ") && !lines[1].contains("running"), "{lines:?}");
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        console::set_colors_enabled(false);
        let jobs = [row("job_1", "echo", "success", None), row("job_2", "weekly-report@2.0.0", "timed_out", None)];
        insta::assert_snapshot!(table(&jobs, Width::Wide).join("\n"), @r"
        JOB    AGENT                STATUS     CREATED               TOOK  LAST SEQ  SESSION  ERROR
        job_1  echo                 success    2026-11-21T07:12:03Z        12        sess_1
        job_2  weekly-report@2.0.0  timed_out  2026-11-21T07:12:03Z        12        sess_1
        ");
        let jobs =
            [row("job_1", "echo", "running", None), row("job_2", "ver\u{1b}[2J\u{4e16}", "pending", Some("job_1"))];
        insta::assert_snapshot!(table(&jobs, Width::Wide).join("\n"), @r"
        JOB    AGENT           STATUS   CREATED               TOOK  LAST SEQ  SESSION  ERROR  PARENT
        job_1  echo            running  2026-11-21T07:12:03Z        12        sess_1
        job_2  ver\u{1b}[2J世  pending  2026-11-21T07:12:03Z        12        sess_1          job_1
        ");
    }

    #[test]
    fn a_session_that_is_over_is_shown_as_such() {
        console::set_colors_enabled(false);
        let mut job = row("job_1", "echo", "success", None);
        job.session_closed = true;
        assert!(table(std::slice::from_ref(&job), Width::Wide)[1].ends_with("  12        sess_1 (over)"));
    }

    #[test]
    fn intervals_have_one_or_two_units() {
        let shown = [0, 1_250_000, 59_000_000, 61_000_000, 7_260_000_000, 90_000_000_000].map(interval);
        assert_eq!(shown, ["0.0s", "1.2s", "59s", "1m01s", "2h01m", "1d01h"]);
    }
}
