//! `nuncio jobs`.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use console::Term;
use nuncio_tokio::arcp::{Client, JobRow, Json, ListQuery, Time};
use serde::Serialize;

use crate::connect::Connection;
use crate::interrupt::Interrupts;
use crate::show::{self, table};
use crate::text::tell;
use crate::times::{duration, now};
use crate::verdict::{Trouble, Verdict};

const EXAMPLE: &str = "\
Examples:
  nuncio jobs --status running --agent report --since 2h
  nuncio jobs --all --json | jq -r 'select(.status == \"error\").job_id'
  nuncio jobs --status pending,running --watch

Shows the oldest first, and only the jobs of the token's principal unless the runtime's policy
says otherwise. A watch ends with Ctrl-C, and exit code 0.

Exit codes:
  0  shown
  2  wrong usage
  5  refused by the runtime: the token, the request
  6  lost: the runtime is unreachable, or the session is gone
  7  stdout cannot be written
  130  left before the end";

const STATES: [&str; 6] = ["pending", "running", "success", "error", "cancelled", "timed_out"];
/// As many as a runtime gives at once.
const LONGEST_PAGE: u32 = 1_000;

/// What `nuncio jobs` takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Options {
    /// Only jobs of this agent; a bare name means every version
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// Only jobs in one of these states; may be repeated, or have commas between
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = PossibleValuesParser::new(STATES))]
    status: Vec<String>,
    /// Only jobs created after this time: a duration before now such as `2h`, or a timestamp with its zone
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Time>,
    /// Only jobs created before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Time>,
    /// The longest page
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Goes on where a page ended, with the cursor that was shown there
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// All pages
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Shows them again and again until Ctrl-C: in place on a terminal, elsewhere whenever something has changed
    #[arg(long, value_name = "EVERY", num_args = 0..=1, require_equals = true, default_missing_value = "2s")]
    #[arg(value_parser = duration, conflicts_with_all = ["limit", "cursor"])]
    watch: Option<Duration>,
    /// Prints a JSON object per line; with --watch only what has changed
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

fn moment(text: &str) -> Result<Time, String> {
    if let Some(time) = Time::parse_rfc3339(text) {
        return Ok(time);
    }
    let ago = duration(text).map_err(|_| "write it as 90s, 2h or 2026-11-21T07:00:00Z".to_owned())?;
    Ok(Time(now().0.saturating_sub(u64::try_from(ago.as_micros()).unwrap_or(u64::MAX))))
}

/// Lists.
pub(crate) async fn run(options: Options) -> Verdict {
    let json = options.json;
    let mut interrupts = match Interrupts::listen() {
        Ok(interrupts) => interrupts,
        Err(error) => return show::verdict(json, Err(Trouble::System(error))).await,
    };
    let watching = options.watch.is_some();
    tokio::select! {
        done = list(options) => show::verdict(json, done.map(|()| Verdict::Success)).await,
        // That is how a watch ends.
        () = interrupts.reach(1) => if watching { Verdict::Success } else { Verdict::Left },
    }
}

async fn list(options: Options) -> Result<(), Trouble> {
    let client = options.connection.connect().await?;
    match options.watch {
        Some(every) => watch(&client, &options, every).await?,
        None => {
            let page = options.page(&client).await?;
            page.write(options.json).map_err(unwritable)?;
        }
    }
    client.close().await;
    Ok(())
}

async fn watch(client: &Client, options: &Options, every: Duration) -> Result<(), Trouble> {
    let term = Term::stdout();
    let mut screen = Screen { redraws: !options.json && show::can_redraw(&term), term, lines: Vec::new() };
    let mut known: HashMap<String, String> = HashMap::new();
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut page = options.page(client).await?;
        if options.json {
            page.jobs.retain(|job| known.get(&job.job_id) != Some(&job.status));
            known.extend(page.jobs.iter().map(|job| (job.job_id.clone(), job.status.clone())));
            page.write(true).map_err(unwritable)?;
        } else {
            screen.draw(table(&page.jobs)).map_err(unwritable)?;
        }
    }
}

/// Some of the jobs, and where they go on.
struct Page {
    jobs: Vec<JobRow>,
    next: Option<String>,
}

impl Options {
    async fn page(&self, client: &Client) -> Result<Page, Trouble> {
        let all = self.all || self.watch.is_some();
        let mut page = Page { jobs: Vec::new(), next: self.cursor.clone() };
        loop {
            let query = ListQuery {
                status: self.status.iter().map(Into::into).collect(),
                agent: self.agent.as_deref().map(Into::into),
                created_after: self.since,
                created_before: self.until,
                limit: Some(if all { LONGEST_PAGE } else { self.limit }),
                cursor: page.next.as_deref().map(Into::into),
            };
            let got = client.list(&query).await?;
            page.jobs.extend(got.jobs);
            page.next = got.next_cursor;
            if !all || page.next.is_none() {
                return Ok(page);
            }
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Job {
        job_id: &'a str,
        agent: &'a str,
        status: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        created_at: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        last_event_seq: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        parent_job_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        trace_id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        lease: Option<&'a Json>,
    },
    /// The last line of a page that is not the last.
    More { next_cursor: &'a str },
}

impl Page {
    fn write(&self, json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if json {
            for job in &self.jobs {
                writeln!(out, "{}", serde_json::to_string(&Line::of(job))?)?;
            }
            if let Some(next_cursor) = &self.next {
                writeln!(out, "{}", serde_json::to_string(&Line::More { next_cursor })?)?;
            }
            return out.flush();
        }
        if self.jobs.is_empty() {
            tell("no jobs; the runtime forgets those that ended a while ago");
            return Ok(());
        }
        for line in table(&self.jobs) {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        if let Some(cursor) = &self.next {
            tell(&format!("there are more: --all shows them, --cursor {cursor} the next page"));
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
            parent_job_id: job.parent_job_id.as_deref(),
            trace_id: job.trace_id.map(|id| id.to_string()),
            lease: job.lease.as_ref().and_then(|lease| lease.parse().ok()),
        }
    }
}

/// What a watch has shown last.
struct Screen {
    term: Term,
    redraws: bool,
    lines: Vec<String>,
}

impl Screen {
    fn draw(&mut self, mut lines: Vec<String>) -> io::Result<()> {
        if self.redraws {
            // The newest are last, and a line that wraps could not be taken back.
            let (rows, columns) = self.term.size();
            let room = usize::from(rows).saturating_sub(1).max(2);
            if lines.len() > room {
                let hidden = lines.len() - room + 1;
                lines.splice(1..=hidden, [format!("… {hidden} older ones")]);
            }
            for line in &mut lines {
                *line = console::truncate_str(line, usize::from(columns).max(8), "…").into_owned();
            }
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
}

fn unwritable(error: io::Error) -> Trouble {
    Trouble::Output("stdout".to_owned(), error)
}
