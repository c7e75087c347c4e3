//! `nuncio jobs`.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use nuncio_tokio::arcp::{Client, JobId, JobRow, Json, ListQuery, SessionId, Time};
use serde::Serialize;

use super::find;
use super::listing::until_interrupted;
use super::screen::Screen;
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{self, Changes, Width, columns, table};
use crate::text::{count, eprint_line, json};
use crate::time::{HumanDuration, now, positive_duration};

const AFTER_HELP: &str = "\
Examples:
  nuncio jobs --status running --agent report --since 2h
  nuncio jobs --all --json | jq -r 'select(.status == \"error\").job_id'
  nuncio jobs --status pending,running --watch

The newest jobs are listed first. On a narrow terminal, their ids are shortened:
every command takes a part of an id. AGE is the time since a job was created,
TOOK is how long it took from its creation to its end, and ERROR says why it
failed. A running job is asking if it waits for an answer (`nuncio questions`),
and cancelling if it was asked to stop. Only the jobs of the token's principal
are listed, unless the policy of the runtime allows more. Ended jobs are listed
for a limited time (`nuncio serve --retention`).

Exit codes:
  0    the jobs were listed; with --watch, Ctrl-C was pressed
  2    invalid usage
  5    the runtime refused the token or the request
  6    the runtime is unreachable, or the session is lost
  7    stdout cannot be written
  130  left by Ctrl-C before the jobs were listed";

const STATUSES: [&str; 6] = ["pending", "running", "success", "error", "cancelled", "timed_out"];

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
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
    /// List at most this many jobs, from 1 to 1000. Not with --all or --watch, which list all jobs
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// List the oldest jobs first, one page of the runtime at a time
    #[arg(long)]
    oldest_first: bool,
    /// Continue after an earlier page, with the cursor that was printed at its end
    #[arg(long, value_name = "CURSOR", requires = "oldest_first")]
    cursor: Option<String>,
    /// Also show when each job was created, the session that submitted it, the number of its last event in that session, and
    /// the job that delegated it. Show errors in full
    #[arg(long)]
    wide: bool,
    /// List all jobs
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// List all jobs again every INTERVAL until Ctrl-C. Not with --limit or --cursor. A terminal is redrawn; elsewhere a list
    /// is printed when something has changed [default interval: 2s]
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, require_equals = true, default_missing_value = "2s")]
    #[arg(value_parser = positive_duration, conflicts_with_all = ["limit", "cursor"])]
    watch: Option<Duration>,
    /// Print a JSON object per job and line; with --watch, only jobs whose status or phase has changed
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

fn moment(text: &str) -> Result<Time, &'static str> {
    if let Some(time) = Time::parse_rfc3339(text) {
        return Ok(time);
    }
    let ago: HumanDuration =
        text.parse().map_err(|_| "write a time as 90s, 2h or 2026-11-21T07:00:00Z; a number is seconds")?;
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
            page.print(options).map_err(Error::stdout)?;
        }
    }
    client.close().await;
    Ok(())
}

async fn watch(client: &Client, options: &Options, interval: Duration) -> Result<(), Error> {
    let (mut changes, mut screen) = (Changes::of(client), Screen::new(!options.json));
    let status = |job: &JobRow| (job.status.clone(), job.phase.clone());
    let mut statuses = HashMap::new();
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let listed = async {
            ticks.tick().await;
            options.page(client).await
        };
        let mut page = changes.during(listed, || screen.leave()).await?;
        if options.json {
            page.jobs.retain(|job| statuses.get(&job.job_id) != Some(&status(job)));
            statuses.extend(page.jobs.iter().map(|job| (job.job_id.clone(), status(job))));
            page.print(options).map_err(Error::stdout)?;
        } else {
            // Ages change all the time, so that a list without them is printed where nothing is redrawn.
            let width = if options.wide || !screen.redraws() { Width::Wide } else { columns() };
            screen.draw(table(&page.jobs, width)).map_err(Error::stdout)?;
        }
    }
}

/// Some of the jobs, and the cursor for the next page.
struct Page {
    jobs: Vec<JobRow>,
    next_cursor: Option<String>,
    /// The number of older jobs that are left out.
    left_out: usize,
}

impl Options {
    /// Fetches the newest jobs, or with `--all` and `--watch` all of them. With `--oldest-first`, a page of the runtime.
    async fn page(&self, client: &Client) -> Result<Page, Error> {
        let all = self.all || self.watch.is_some();
        let query = ListQuery {
            status: self.status.iter().map(Into::into).collect(),
            agent: self.agent.as_deref().map(Into::into),
            created_after: self.since,
            created_before: self.until,
            limit: Some(self.limit),
            cursor: self.cursor.as_deref().map(Into::into),
        };
        if self.oldest_first && !all {
            let page = client.list(&query).await?;
            return Ok(Page { jobs: page.jobs, next_cursor: page.next_cursor, left_out: 0 });
        }
        let mut jobs = find::all(client, &query).await?;
        if !self.oldest_first {
            jobs.reverse();
        }
        let shown = if all { jobs.len() } else { jobs.len().min(usize::try_from(self.limit).unwrap_or(usize::MAX)) };
        let left_out = jobs.split_off(shown).len();
        Ok(Page { jobs, next_cursor: None, left_out })
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
        phase: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        created_at: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        completed_at: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        last_event_seq: Option<u64>,
        /// The session that `last_event_seq` counts in.
        #[serde(skip_serializing_if = "Option::is_none")]
        session_id: Option<&'a SessionId>,
        /// Whether that session is over.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        session_closed: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        max_runtime_sec: Option<u64>,
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
    fn print(&self, options: &Options) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if options.json {
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
        let width = if options.wide { Width::Wide } else { columns() };
        for line in table(&self.jobs, width) {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        if let Some(cursor) = &self.next_cursor {
            eprint_line(&format!("there are more jobs: add --cursor {cursor} for the next page, or --all for all"));
        }
        if self.left_out > 0 {
            let left_out = count(self.left_out as u64, "older job");
            let are = if self.left_out == 1 { "is" } else { "are" };
            eprint_line(&format!("{left_out} {are} not shown: add --limit N for more, or --all for all"));
        }
        Ok(())
    }
}

impl<'a> Line<'a> {
    fn of(job: &'a JobRow) -> Line<'a> {
        let end = job.ended.as_ref();
        Line::Job {
            job_id: &job.job_id,
            agent: &job.agent,
            status: &job.status,
            phase: job.phase.as_deref(),
            created_at: job.created_at.as_deref(),
            completed_at: end.map(|end| end.completed_at.as_str()),
            code: end.and_then(|end| end.code.as_deref()),
            message: end.and_then(|end| end.message.as_deref()),
            last_event_seq: job.last_event_seq,
            session_id: job.session_id.as_ref(),
            session_closed: job.session_closed,
            max_runtime_sec: job.max_runtime_sec,
            parent_job_id: job.parent_job_id.as_ref(),
            trace_id: job.trace_id.map(|id| id.to_string()),
            lease: job.lease.as_ref().and_then(|lease| lease.parse().ok()),
        }
    }
}
