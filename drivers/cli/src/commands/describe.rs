//! `nuncio describe`.

use std::io::{self, Write as _};
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use futures_lite::StreamExt as _;
use nuncio_tokio::arcp::{
    Client, ClientError, Credential, EventKind, JobEvent, JobId, JobRow, Json, ListQuery, Outcome, Product, SessionId,
    Subscribe, Subscribed, Subscription, Update,
};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::find;
use super::listing::until_interrupted;
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{self, age, expected, took};
use crate::text::{json, sanitize};
use crate::time::HumanDuration;

/// How many of the last events of a session are read to find the progress of a job.
const RECENT: u64 = 1_000;
/// How long they are read at most.
const LATEST: Duration = Duration::from_secs(1);
/// After such a pause between two of them, there are no more.
const PAUSE: Duration = Duration::from_millis(200);

const AFTER_HELP: &str = "\
Examples:
  nuncio describe job_01KAJ6Y3M2Q4T5V6W7X8Y9Z0AB
  nuncio describe 0AB9 --json | jq .lease

Prints everything that the runtime tells about the job. This does not include
the input, which a runtime does not keep. `nuncio tail` prints a streamed
result. Secrets of credentials are not printed. The progress of a running job is
the last that it has reported, if it is among the last 1000 events of the
session that the job was submitted in. For this, a description of a running job
may take a second.

Exit codes:
  0    the job was described
  2    invalid usage
  5    the runtime refused the token or the request, or has no such job
  6    the runtime is unreachable, or the session is lost
  7    stdout cannot be written
  130  left by Ctrl-C before the job was described";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// Id of the job, or a part of it that no other job has
    #[arg(value_name = "JOB", value_parser = NonEmptyStringValueParser::new())]
    job: String,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(options: Options) -> Exit {
    let described = until_interrupted(describe(&options), false).await;
    output::finish_with(options.json, described).await
}

async fn describe(options: &Options) -> Result<(), Error> {
    let client = options.connection.connect().await?;
    let job_id = find::job(&client, &options.job).await?;
    let rows = find::all(&client, &ListQuery::default()).await?;
    let recent = recent(&rows, &job_id);
    let is_running = recent.history;
    let mut subscription = client.subscribe(&job_id, recent).await?;
    let row = rows.iter().find(|row| row.job_id == *subscription.job_id());
    let info = subscription.info().clone();
    let is_live = matches!(info.current_status.as_deref(), None | Some("pending" | "running"));
    // The terminal of a job that has ended follows its subscription at once.
    let outcome = if is_live { None } else { Some(subscription.outcome().await.map_err(ClientError::Ended)?) };
    let children = rows.iter().filter(|row| row.parent_job_id.as_ref() == Some(&info.job_id));
    let questions = if is_live { questions(&client, &job_id).await? } else { Vec::new() };
    let progress = if is_live && is_running { last_progress(&mut subscription).await } else { None };
    // The number of its last event belongs to the same moment as its progress.
    let last_event_seq = match &progress {
        Some(_) => last_event_seq(&client, &info.job_id).await?,
        None => None,
    };
    let description = Description {
        progress: progress.as_ref().and_then(|event| event.body.parse().ok()),
        progress_at: progress.as_ref().map(JobEvent::ts),
        last_event_seq: last_event_seq.or(row.and_then(|row| row.last_event_seq)),
        ..Description::of(&info, row, outcome.as_ref(), children, questions)
    };
    client.close().await;
    description.print(options.json).map_err(Error::stdout)
}

/// Returns the number of the last event of a job as of now.
async fn last_event_seq(client: &Client, job_id: &JobId) -> Result<Option<u64>, Error> {
    let rows = find::all(client, &ListQuery::default()).await?;
    Ok(rows.iter().find(|row| row.job_id == *job_id).and_then(|row| row.last_event_seq))
}

/// Asks for the last events of a job that runs, among which its progress is looked for.
fn recent(rows: &[JobRow], job_id: &str) -> Subscribe {
    let running = rows.iter().find(|row| row.job_id.as_str() == job_id && row.status == "running");
    match running.and_then(|row| row.last_event_seq) {
        Some(last) => Subscribe { history: true, from_event_seq: Some(last.saturating_sub(RECENT)) },
        None => Subscribe::default(),
    }
}

/// Reads the past events of a job, and returns the last progress that it has reported.
///
/// No frame says where the past ends. A runtime sends it without pauses, if it does not have to read it from a file first.
async fn last_progress(subscription: &mut Subscription) -> Option<JobEvent> {
    let latest = Instant::now() + LATEST;
    let (mut progress, mut patience) = (None, LATEST);
    while let Ok(Some(Ok(update))) = timeout_at(latest.min(Instant::now() + patience), subscription.next()).await {
        patience = PAUSE;
        match update {
            Update::Event(event) if event.kind == EventKind::Progress => progress = Some(event),
            _ => {}
        }
    }
    progress
}

/// Returns the open questions of a job; none if the runtime has no questions at all.
async fn questions(client: &Client, job_id: &str) -> Result<Vec<String>, Error> {
    match super::questions::open(client, Some(job_id)).await {
        Ok(open) => Ok(open
            .into_iter()
            .map(|open| {
                format!("{} {} ({})", open.question.question_id, open.question.prompt, expected(&open.question))
            })
            .collect()),
        Err(Error::Refused(_)) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Everything that the runtime tells of a job.
#[derive(Serialize)]
struct Description<'a> {
    job_id: &'a str,
    agent: &'a str,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress_at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_job_id: Option<&'a str>,
    children: Vec<Child<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_event_seq: Option<u64>,
    /// The session that `last_event_seq` counts in.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    /// Whether that session is over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    session_closed: bool,
    /// How long its agent may run, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_runtime_sec: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_constraints: Option<&'a Json>,
    budget: Vec<String>,
    credentials: Vec<Shown<'a>>,
    questions: Vec<String>,
    /// Its result, unless it was streamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure<'a>>,
}

#[derive(Serialize)]
struct Child<'a> {
    job_id: &'a str,
    agent: &'a str,
    status: &'a str,
}

/// A credential without its value.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    endpoint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'a str>,
}

#[derive(Serialize)]
struct Failure<'a> {
    code: &'a str,
    message: &'a str,
}

impl<'a> Description<'a> {
    fn of(
        info: &'a Subscribed,
        row: Option<&'a JobRow>,
        outcome: Option<&'a Outcome>,
        children: impl Iterator<Item = &'a JobRow>,
        questions: Vec<String>,
    ) -> Description<'a> {
        let known = outcome.filter(|outcome| Error::of_unknown_end(outcome).is_none());
        let status = known.map(|outcome| outcome.status.as_str()).or(info.current_status.as_deref());
        let fault = known.and_then(|outcome| outcome.fault.as_ref());
        let listed = row.and_then(|row| row.ended.as_ref());
        Description {
            job_id: info.job_id.as_str(),
            agent: info.agent.as_deref().unwrap_or_default(),
            status: status.unwrap_or_default(),
            phase: row.and_then(|row| row.phase.as_deref()).filter(|_| outcome.is_none()),
            progress: None,
            progress_at: None,
            created_at: row.and_then(|row| row.created_at.as_deref()),
            completed_at: known
                .and_then(|outcome| outcome.completed_at.as_deref())
                .or(listed.map(|end| end.completed_at.as_str())),
            parent_job_id: info.parent_job_id.as_ref().map(JobId::as_str),
            children: children
                .map(|row| Child { job_id: row.job_id.as_str(), agent: &row.agent, status: &row.status })
                .collect(),
            trace_id: info.trace_id.map(|id| id.to_string()),
            last_event_seq: None,
            session_id: row.and_then(|row| row.session_id.as_ref()).map(SessionId::as_str),
            session_closed: row.is_some_and(|row| row.session_closed),
            max_runtime_sec: row.and_then(|row| row.max_runtime_sec),
            lease: info.lease.as_ref().and_then(|lease| lease.parse().ok()),
            lease_constraints: info.lease_constraints.as_ref().and_then(|constraints| constraints.parse().ok()),
            budget: info.budget.iter().map(|(currency, amount)| format!("{currency} {amount}")).collect(),
            credentials: info.credentials.iter().map(shown).collect(),
            questions,
            result: known.and_then(|outcome| match &outcome.result {
                Product::Inline(result) => Some(result.as_str()).and_then(|text| serde_json::from_str(text).ok()),
                Product::None | Product::Streamed { .. } | Product::Unknown => None,
            }),
            error: fault.map(|fault| Failure { code: &fault.code, message: &fault.message }),
        }
    }

    fn print(&self, as_json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if as_json {
            writeln!(out, "{}", json(self)?)?;
            return out.flush();
        }
        for (name, text) in self.lines() {
            writeln!(out, "{name:<11} {}", sanitize(&text))?;
        }
        out.flush()
    }

    /// The lines for people: a name, and what it is.
    fn lines(&self) -> Vec<(&'static str, String)> {
        let status = with(self.status, self.phase.map(str::to_owned));
        let mut lines = vec![("job", self.job_id.to_owned()), ("agent", self.agent.to_owned()), ("status", status)];
        let mut line = |name, text: Option<String>| lines.extend(text.map(|text| (name, text)));
        let ago = self.progress_at.and_then(age).map(|age| format!("{age} ago"));
        let progress = self.progress.map(|body| output::progress(body.get()).unwrap_or_else(|| body.get().to_owned()));
        line("progress", progress.map(|progress| with(&progress, ago)));
        line("created", self.created_at.map(|at| with(at, age(at).map(|age| format!("{age} ago")))));
        let took = self.created_at.zip(self.completed_at).and_then(|(from, to)| took(from, to));
        line("ended", self.completed_at.map(|at| with(at, took.map(|took| format!("after {took}")))));
        line("error", self.error.as_ref().map(|error| format!("{}: {}", error.code, error.message)));
        line("result", self.result.map(|result| result.get().to_owned()));
        line("parent", self.parent_job_id.map(str::to_owned));
        for child in &self.children {
            line("child", Some(format!("{} {} {}", child.job_id, child.agent, child.status)));
        }
        let over = self.session_closed.then(|| "which is over".to_owned());
        line("session", self.session_id.map(|id| with(id, over)));
        // A job that outlives the session counts its events on from the last number there.
        let of_session = if self.session_closed { "" } else { " of the session" };
        line("events", self.last_event_seq.map(|seq| format!("up to #{seq}{of_session}")));
        line("max runtime", self.max_runtime_sec.map(|secs| HumanDuration::new(Duration::from_secs(secs)).to_string()));
        line("lease", self.lease.map(|lease| lease.get().to_owned()));
        line("constraints", self.lease_constraints.map(|constraints| constraints.get().to_owned()));
        line("budget left", (!self.budget.is_empty()).then(|| self.budget.join(", ")));
        for Shown { id, endpoint, profile } in &self.credentials {
            let profile = profile.map(|profile| format!(" ({profile})")).unwrap_or_default();
            line("credential", Some(format!("{id} for {endpoint}{profile}")));
        }
        for question in &self.questions {
            line("question", Some(question.clone()));
        }
        line("trace", self.trace_id.clone());
        lines
    }
}

fn shown(credential: &Credential) -> Shown<'_> {
    Shown { id: &credential.id, endpoint: &credential.endpoint, profile: credential.profile.as_deref() }
}

fn with(text: &str, more: Option<String>) -> String {
    more.map_or_else(|| text.to_owned(), |more| format!("{text}, {more}"))
}
