//! `nuncio jobs`.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use console::Term;
use nuncio_tokio::arcp::{Client, JobId, JobRow, Json, ListQuery, Time};
use serde::Serialize;

use super::listing::{Cursors, Listed, until_interrupted};
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{self, table, terminal};
use crate::text::{eprint_line, json};
use crate::time::{HumanDuration, now, positive_duration};

const AFTER_HELP: &str = "\
Examples:
  nuncio jobs --status running --agent report --since 2h
  nuncio jobs --all --json | jq -r 'select(.status == \"error\").job_id'
  nuncio jobs --status pending,running --watch

Jobs are listed oldest first. Unless the runtime's policy says otherwise, only
those of the token's principal are listed, and ended jobs only for a while
(`nuncio serve --retention`).

Exit codes:
  0    the jobs were listed; with --watch, Ctrl-C was pressed
  2    invalid usage
  5    the runtime refused the token or the request
  6    the runtime is unreachable, or the session is lost
  7    stdout cannot be written
  130  left by Ctrl-C before the jobs were listed";

const STATUSES: [&str; 6] = ["pending", "running", "success", "error", "cancelled", "timed_out"];
/// The longest page that a runtime returns.
const MAX_PAGE: u32 = 1_000;
/// The number of pages that --all and --watch read. A runtime that keeps its promises needs fewer.
const MAX_PAGES: usize = 1_000;
/// The list of jobs.
const LISTED: Listed = Listed {
    what: "jobs",
    most: MAX_PAGES,
    narrower: "choose fewer with --agent, --status, --since or --until",
    instead: "tell its operator, or read single pages with --limit",
};

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// List only jobs of this agent. A name without a version matches every version
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// List only jobs with this status. Repeat it, or separate statuses with commas, for several
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = PossibleValuesParser::new(STATUSES))]
    status: Vec<String>,
    /// List only jobs created after this time: a duration before now such as 2h, or a timestamp such as
    /// 2026-11-21T07:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Time>,
    /// List only jobs created before this time, written as for --since
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Time>,
    /// List at most this many jobs, from 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Continue after an earlier page, with the cursor that was printed at its end
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// List all jobs, not only one page
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// List all jobs again every INTERVAL until Ctrl-C. A terminal is redrawn; elsewhere a list is printed when something
    /// has changed [default interval: 2s]
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, require_equals = true, default_missing_value = "2s")]
    #[arg(value_parser = positive_duration, conflicts_with_all = ["limit", "cursor"])]
    watch: Option<Duration>,
    /// Print a JSON object per job and line; with --watch, only jobs whose status has changed
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

fn moment(text: &str) -> Result<Time, &'static str> {
    if let Some(time) = Time::parse_rfc3339(text) {
        return Ok(time);
    }
    let ago: HumanDuration = text.parse().map_err(|_| "write a time as 90s, 2h or 2026-11-21T07:00:00Z")?;
    Ok(Time(now().0.saturating_sub(ago.micros())))
}

pub(crate) async fn run(options: Options) -> Exit {
    let listed = until_interrupted(list(&options), options.watch.is_some()).await;
    output::finish_with(options.json, listed).await
}

async fn list(options: &Options) -> Result<(), Error> {
    let client = options.connection.connect().await?;
    match options.watch {
        Some(interval) => watch(&client, options, interval).await?,
        None => {
            let page = options.page(&client).await?;
            page.print(options.json).map_err(Error::stdout)?;
        }
    }
    client.close().await;
    Ok(())
}

async fn watch(client: &Client, options: &Options, interval: Duration) -> Result<(), Error> {
    let term = Term::stdout();
    let mut screen = Screen { redraws: !options.json && terminal::can_redraw(&term), term, lines: Vec::new() };
    let mut statuses: HashMap<JobId, String> = HashMap::new();
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut page = options.page(client).await?;
        if options.json {
            page.jobs.retain(|job| statuses.get(&job.job_id) != Some(&job.status));
            statuses.extend(page.jobs.iter().map(|job| (job.job_id.clone(), job.status.clone())));
            page.print(true).map_err(Error::stdout)?;
        } else {
            screen.draw(table(&page.jobs)).map_err(Error::stdout)?;
        }
    }
}

/// Some of the jobs, and the cursor for the next page.
struct Page {
    jobs: Vec<JobRow>,
    next_cursor: Option<String>,
}

impl Options {
    /// Fetches one page, or with `--all` and `--watch` every page.
    async fn page(&self, client: &Client) -> Result<Page, Error> {
        let all = self.all || self.watch.is_some();
        let mut page = Page { jobs: Vec::new(), next_cursor: self.cursor.clone() };
        let mut cursors = Cursors::new(&LISTED);
        loop {
            let query = ListQuery {
                status: self.status.iter().map(Into::into).collect(),
                agent: self.agent.as_deref().map(Into::into),
                created_after: self.since,
                created_before: self.until,
                limit: Some(if all { MAX_PAGE } else { self.limit }),
                cursor: page.next_cursor.as_deref().map(Into::into),
            };
            let listed = client.list(&query).await?;
            page.jobs.extend(listed.jobs);
            page.next_cursor = listed.next_cursor;
            match &page.next_cursor {
                Some(cursor) if all => cursors.follow(cursor)?,
                Some(_) | None => return Ok(page),
            }
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Job {
        job_id: &'a JobId,
        agent: &'a str,
        status: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        created_at: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        last_event_seq: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        parent_job_id: Option<&'a JobId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        trace_id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        lease: Option<&'a Json>,
    },
    /// The last line of a page that another one follows.
    More { next_cursor: &'a str },
}

impl Page {
    fn print(&self, as_json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if as_json {
            for job in &self.jobs {
                writeln!(out, "{}", json(&Line::of(job))?)?;
            }
            if let Some(next_cursor) = &self.next_cursor {
                writeln!(out, "{}", json(&Line::More { next_cursor })?)?;
            }
            return out.flush();
        }
        if self.jobs.is_empty() {
            eprint_line("there are no jobs to list; the runtime forgets ended jobs after a while");
            return Ok(());
        }
        for line in table(&self.jobs) {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        if let Some(cursor) = &self.next_cursor {
            eprint_line(&format!("there are more jobs: add --cursor {cursor} for the next page, or --all for all"));
        }
        Ok(())
    }
}

impl<'a> Line<'a> {
    fn of(job: &'a JobRow) -> Line<'a> {
        Line::Job {
            job_id: &job.job_id,
            agent: &job.agent,
            status: &job.status,
            created_at: job.created_at.as_deref(),
            last_event_seq: job.last_event_seq,
            parent_job_id: job.parent_job_id.as_ref(),
            trace_id: job.trace_id.map(|id| id.to_string()),
            lease: job.lease.as_ref().and_then(|lease| lease.parse().ok()),
        }
    }
}

/// The lines that `--watch` has shown last.
struct Screen {
    term: Term,
    redraws: bool,
    lines: Vec<String>,
}

impl Screen {
    fn draw(&mut self, mut lines: Vec<String>) -> io::Result<()> {
        if self.redraws {
            self.fit(&mut lines);
        }
        if lines == self.lines {
            return Ok(());
        }
        if self.redraws {
            self.term.clear_last_lines(self.lines.len())?;
        } else if !self.lines.is_empty() {
            self.term.write_line("")?;
        }
        for line in &lines {
            self.term.write_line(line)?;
        }
        self.term.flush()?;
        self.lines = lines;
        Ok(())
    }

    /// Fits lines to the terminal: a line that scrolled away or wrapped could not be replaced. The newest jobs stay.
    fn fit(&self, lines: &mut Vec<String>) {
        let (rows, columns) = self.term.size();
        let room = usize::from(rows).saturating_sub(1).max(2);
        if lines.len() > room {
            let hidden = lines.len() - room + 1;
            lines.splice(1..=hidden, [format!("… {hidden} older jobs")]);
        }
        for line in lines {
            *line = console::truncate_str(line, usize::from(columns).max(8), "…").into_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursors, LISTED, MAX_PAGES};

    #[test]
    fn a_list_that_would_never_end_is_refused() {
        let mut cursors = Cursors::new(&LISTED);
        assert!(cursors.follow("a").is_ok() && cursors.follow("b").is_ok());
        let repeated = cursors.follow("a").expect_err("it would begin again").to_string();
        assert!(repeated.contains("it has sent before"), "{repeated}");

        let mut cursors = Cursors::new(&LISTED);
        assert!((0..MAX_PAGES).all(|page| cursors.follow(&page.to_string()).is_ok()));
        let endless = cursors.follow("more").expect_err("it never ends").to_string();
        assert!(endless.contains("1000 pages") && endless.contains("--since"), "{endless}");
    }
}
