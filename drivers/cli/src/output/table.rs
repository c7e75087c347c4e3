//! Jobs as a table.

use std::borrow::Cow;

use console::{Alignment, Style, pad_str};
use nuncio_tokio::arcp::JobRow;

use crate::text::sanitize;

const HEADING: [&str; 6] = ["JOB", "AGENT", "STATUS", "CREATED", "LAST SEQ", "PARENT"];

/// A heading and a line per job. Columns are as wide as their widest cell, and the parents' column is left out if no job
/// has one.
pub(crate) fn table(jobs: &[JobRow]) -> Vec<String> {
    let rows: Vec<[Cow<'_, str>; 6]> = jobs.iter().map(cells).collect();
    let columns = if jobs.iter().any(|job| job.parent_job_id.is_some()) { HEADING.len() } else { HEADING.len() - 1 };
    grid(HEADING, &rows, columns, |column, cell| if column == 2 { coloured(cell) } else { cell.to_owned() })
}

/// A heading and a line per row, with the first `columns` of them, as wide as their widest cell. The cells have nothing that
/// a terminal acts on; `style` is given the number of the column and a padded cell.
pub(crate) fn grid<const N: usize>(
    heading: [&str; N],
    rows: &[[Cow<'_, str>; N]],
    columns: usize,
    style: impl Fn(usize, &str) -> String,
) -> Vec<String> {
    let widths = heading.iter().enumerate().map(|(column, head)| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| console::measure_text_width(cell));
        cells.chain([head.len()]).max().unwrap_or_default()
    });
    let widths: Vec<usize> = widths.take(columns).collect();
    let head = line(heading.iter().copied(), &widths, |_, cell| Style::new().bold().apply_to(cell).to_string());
    let rows = rows.iter().map(|row| line(row.iter().map(AsRef::as_ref), &widths, &style));
    [head].into_iter().chain(rows).collect()
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize], style: impl Fn(usize, &str) -> String) -> String {
    let cells = cells.zip(widths).enumerate();
    let padded = cells.map(|(column, (cell, width))| style(column, &pad_str(cell, *width, Alignment::Left, None)));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

fn cells(job: &JobRow) -> [Cow<'_, str>; 6] {
    [
        sanitize(job.job_id.as_str()),
        sanitize(&job.agent),
        sanitize(&job.status),
        job.created_at.as_deref().map(|at| to_the_second(&sanitize(at)).into()).unwrap_or_default(),
        job.last_event_seq.map(|seq| seq.to_string().into()).unwrap_or_default(),
        job.parent_job_id.as_ref().map(|id| sanitize(id.as_str())).unwrap_or_default(),
    ]
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
        "cancelled" => Style::new().yellow(),
        _ => Style::new().dim(),
    };
    style.apply_to(status).to_string()
}

#[cfg(test)]
mod tests {
    use super::{JobRow, table};

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
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        console::set_colors_enabled(false);
        let jobs = [row("job_1", "echo", "success", None), row("job_2", "weekly-report@2.0.0", "timed_out", None)];
        insta::assert_snapshot!(table(&jobs).join("\n"), @r"
        JOB    AGENT                STATUS     CREATED               LAST SEQ
        job_1  echo                 success    2026-11-21T07:12:03Z  12
        job_2  weekly-report@2.0.0  timed_out  2026-11-21T07:12:03Z  12
        ");
        let jobs =
            [row("job_1", "echo", "running", None), row("job_2", "ver\u{1b}[2J\u{4e16}", "pending", Some("job_1"))];
        insta::assert_snapshot!(table(&jobs).join("\n"), @r"
        JOB    AGENT           STATUS   CREATED               LAST SEQ  PARENT
        job_1  echo            running  2026-11-21T07:12:03Z  12
        job_2  ver\u{1b}[2J世  pending  2026-11-21T07:12:03Z  12        job_1
        ");
    }
}
