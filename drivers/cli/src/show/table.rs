//! Jobs as a table.

use std::borrow::Cow;

use console::{Alignment, Style, pad_str};
use nuncio_tokio::arcp::JobRow;

use crate::text::plain;

const HEAD: [&str; 6] = ["JOB", "AGENT", "STATUS", "CREATED", "LAST SEQ", "PARENT"];

/// A line per job under a head, the columns as wide as they need to be. Colours only where stdout has them.
pub(crate) fn table(jobs: &[JobRow]) -> Vec<String> {
    let rows: Vec<[Cow<'_, str>; 6]> = jobs.iter().map(cells).collect();
    // Most jobs have no parent.
    let columns = if jobs.iter().any(|job| job.parent_job_id.is_some()) { HEAD.len() } else { HEAD.len() - 1 };
    let widths = HEAD.iter().enumerate().map(|(column, head)| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| console::measure_text_width(cell));
        cells.chain([head.len()]).max().unwrap_or_default()
    });
    let widths: Vec<usize> = widths.take(columns).collect();
    let head = line(HEAD.iter().copied(), &widths, |_, cell| Style::new().bold().apply_to(cell).to_string());
    let rows = rows.iter().map(|row| {
        let cells = row.iter().map(AsRef::as_ref);
        line(cells, &widths, |column, cell| if column == 2 { coloured(cell) } else { cell.to_owned() })
    });
    [head].into_iter().chain(rows).collect()
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize], style: impl Fn(usize, &str) -> String) -> String {
    let cells = cells.zip(widths).enumerate();
    let padded = cells.map(|(column, (cell, width))| style(column, &pad_str(cell, *width, Alignment::Left, None)));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

fn cells(job: &JobRow) -> [Cow<'_, str>; 6] {
    [
        plain(&job.job_id),
        plain(&job.agent),
        plain(&job.status),
        job.created_at.as_deref().map(|at| to_the_second(&plain(at)).into()).unwrap_or_default(),
        job.last_event_seq.map(|seq| seq.to_string().into()).unwrap_or_default(),
        job.parent_job_id.as_deref().map(plain).unwrap_or_default(),
    ]
}

/// A timestamp without the fraction of its second.
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
            job_id: job_id.to_owned(),
            agent: agent.to_owned(),
            status: status.to_owned(),
            lease: None,
            parent_job_id: parent.map(str::to_owned),
            created_at: Some("2026-11-21T07:12:03.123Z".to_owned()),
            trace_id: None,
            last_event_seq: Some(12),
        }
    }

    #[test]
    fn columns_are_as_wide_as_they_need_to_be() {
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
        JOB    AGENT      STATUS   CREATED               LAST SEQ  PARENT
        job_1  echo       running  2026-11-21T07:12:03Z  12
        job_2  ver [2J世  pending  2026-11-21T07:12:03Z  12        job_1
        ");
    }
}
