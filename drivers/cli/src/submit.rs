//! `nuncio submit`.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use nuncio_tokio::{
    Client, ClientBuildError, ClientError, CloseReason, ConnectError, FinalStatus, JobControl, JobHandle, Json,
    Outcome, Product, RequestFailure, SessionEnd, SessionEvent, SessionEvents, Submit, Update,
};
use tokio::task::JoinSet;

use crate::text::tell;

/// What `nuncio submit` takes.
#[derive(Args, Debug)]
#[command(after_help = "Exit codes: 0 success, 1 the job failed, 2 wrong usage, 3 cancelled, 4 timed out, \
                        5 refused by the runtime, 6 the runtime is unreachable or the session was lost.\n\
                        Ctrl-C cancels the job; a second one leaves at once.")]
pub(crate) struct Options {
    /// The agent, NAME or NAME@VERSION
    #[arg(value_name = "AGENT")]
    agent: String,
    #[arg(long, env = "NUNCIO_URL", help = "Where the runtime is, such as ws://127.0.0.1:7777/arcp")]
    url: String,
    /// The bearer token
    #[arg(long, env = "NUNCIO_TOKEN", hide_env_values = true, value_parser = NonEmptyStringValueParser::new())]
    token: String,
    /// The agent's input
    #[arg(long, value_name = "JSON", value_parser = json)]
    input: Option<Box<Json>>,
    #[arg(long, value_name = "JSON", value_parser = json)]
    #[arg(help = r#"What the job may do, such as {"net.fetch":["https://example.com/**"]}"#)]
    lease: Option<Box<Json>>,
    /// Makes a repeated submit the same job
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Ends the job after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    max_runtime: Option<u32>,
}

fn json(text: &str) -> Result<Box<Json>, String> {
    serde_json::from_str(text).map_err(|error| format!("that is no JSON: {error}"))
}

/// How a submit came out; each has its exit code.
#[derive(Clone, Copy, Debug)]
enum Verdict {
    Success,
    Failed,
    Usage,
    Cancelled,
    TimedOut,
    Refused,
    Lost,
    Left,
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> ExitCode {
        ExitCode::from(match verdict {
            Verdict::Success => 0,
            Verdict::Failed => 1,
            // As for arguments that cannot be read at all.
            Verdict::Usage => 2,
            Verdict::Cancelled => 3,
            Verdict::TimedOut => 4,
            Verdict::Refused => 5,
            Verdict::Lost => 6,
            Verdict::Left => 130,
        })
    }
}

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
enum SubmitError {
    #[error("{0}; give --url as ws://HOST:PORT/arcp")]
    Url(String),
    #[error("cannot write the request: {0}")]
    Request(#[from] serde_json::Error),
    #[error("{0}; is the runtime running there, and is --url right?")]
    Unreachable(String),
    #[error("{0}; is --token right?")]
    Unwelcome(String),
    #[error("{0}; correct the request and submit it again")]
    Refused(String),
    #[error("{0}; the job may still run: submit again with the same --idempotency-key to find it")]
    Lost(String),
    #[error("the result is incomplete: {0}")]
    Broken(&'static str),
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
}

impl SubmitError {
    fn verdict(&self) -> Verdict {
        match self {
            SubmitError::Url(_) | SubmitError::Request(_) => Verdict::Usage,
            SubmitError::Unwelcome(_) | SubmitError::Refused(_) => Verdict::Refused,
            SubmitError::Unreachable(_) | SubmitError::Lost(_) | SubmitError::Broken(_) => Verdict::Lost,
            SubmitError::Output(_) => Verdict::Failed,
        }
    }
}

impl From<ClientBuildError> for SubmitError {
    fn from(error: ClientBuildError) -> SubmitError {
        let sentence = error.to_string();
        match error {
            ClientBuildError::Url(_) => SubmitError::Url(sentence),
            ClientBuildError::Session(SessionEnd::Closed(CloseReason::Refused(_))) => SubmitError::Unwelcome(sentence),
            ClientBuildError::Session(SessionEnd::Unreachable(ConnectError::Refused(_))) => {
                SubmitError::Refused(sentence)
            }
            ClientBuildError::Session(_) | ClientBuildError::System(_) => SubmitError::Unreachable(sentence),
        }
    }
}

impl From<ClientError> for SubmitError {
    fn from(error: ClientError) -> SubmitError {
        let sentence = error.to_string();
        match error {
            ClientError::Refused(_)
            | ClientError::Failed(RequestFailure::Refused(_) | RequestFailure::NotNegotiated(_)) => {
                SubmitError::Refused(sentence)
            }
            ClientError::ResultBroken(reason) => SubmitError::Broken(reason),
            ClientError::Ended(_) | ClientError::Failed(_) | ClientError::ResultTooLarge { .. } => {
                SubmitError::Lost(sentence)
            }
        }
    }
}

/// Submits, follows, and says how it came out.
pub(crate) async fn run(options: Options) -> ExitCode {
    let verdict = tokio::select! {
        done = submit(options) => done.unwrap_or_else(|error| {
            tell(&format!("nuncio: {error}"));
            error.verdict()
        }),
        // The first one is dealt with where the job is.
        () = interrupted(2) => {
            tell("nuncio: left; the job may still run");
            Verdict::Left
        }
    };
    verdict.into()
}

async fn submit(options: Options) -> Result<Verdict, SubmitError> {
    let mut request = Submit::new(&options.agent);
    if let Some(input) = &options.input {
        request = request.input(input)?;
    }
    if let Some(lease) = &options.lease {
        request = request.lease(lease)?;
    }
    if let Some(key) = &options.idempotency_key {
        request = request.idempotency_key(key);
    }
    if let Some(seconds) = options.max_runtime {
        request = request.max_runtime(Duration::from_secs(seconds.into()));
    }
    let builder = Client::builder(&options.url, &options.token).map_err(ClientBuildError::Url)?;
    let client = tokio::select! {
        client = builder.connect() => client?,
        () = interrupted(1) => return Ok(Verdict::Cancelled),
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(tell_session(client.session_events()));
    let mut job = client.submit(&request).await?;
    let agent = job.info().agent.clone().unwrap_or(options.agent);
    tell(&format!("accepted {} {}", job.job_id(), agent));
    tasks.spawn(cancel_when_interrupted(job.control()));
    let outcome = follow(&mut job, &mut tasks).await?;
    drop(tasks);
    client.close().await;
    show(&outcome)
}

/// Waits for Ctrl-C so many times.
async fn interrupted(times: u32) {
    for _ in 0..times {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn tell_session(mut events: SessionEvents) {
    while let Some(event) = events.next().await {
        match event {
            SessionEvent::Live(welcome) if welcome.resumed => tell("connection restored, session resumed"),
            SessionEvent::Lost(reason) => tell(&format!("connection lost ({reason}), reconnecting")),
            SessionEvent::Gap { from, to } => {
                tell(&format!("events {from} to {to} are lost: the runtime no longer has them"));
            }
            SessionEvent::Notice(fault) => tell(&format!("runtime says {fault}")),
            SessionEvent::Live(_) | SessionEvent::Reconnecting { .. } | SessionEvent::Over(_) => {}
        }
    }
}

async fn cancel_when_interrupted(control: JobControl) {
    interrupted(1).await;
    tell(&format!("cancelling {}", control.job_id()));
    if let Err(error) = control.cancel(Some("interrupted")).await {
        tell(&format!("nuncio: the job could not be cancelled: {error}"));
    }
}

/// Shows what happens: events on stderr, pieces of a streamed result on stdout as they come.
async fn follow(job: &mut JobHandle, tasks: &mut JoinSet<()>) -> Result<Outcome, SubmitError> {
    let mut out = io::stdout();
    while let Some(update) = job.next().await {
        match update {
            Update::Event(event) => {
                tell(&format!("#{} {} {}", event.seq, event.kind.as_str(), event.body.as_str()));
            }
            Update::Chunk(chunk) => {
                out.write_all(&chunk.data)?;
                out.flush()?;
            }
            Update::ChunkFault(reason) => return Err(SubmitError::Broken(reason)),
            Update::Child(child) => {
                tasks.spawn(follow_child(*child));
            }
            // Credentials are not for a terminal.
            _ => {}
        }
    }
    let outcome = job.outcome().await.map_err(ClientError::Ended)?;
    if outcome.status == FinalStatus::Success && matches!(outcome.result, Product::Streamed { complete: false, .. }) {
        return Err(SubmitError::Broken("the job ended before all of it came"));
    }
    Ok(outcome)
}

/// A delegated job; jobs that it delegates itself go on by themselves.
async fn follow_child(mut child: JobHandle) {
    let agent = child.info().agent.clone().unwrap_or_default();
    tell(&format!("delegated {} {}", child.job_id(), agent));
    while let Some(event) = child.events().next().await {
        tell(&format!("#{} {}: {} {}", event.seq, agent, event.kind.as_str(), event.body.as_str()));
    }
}

fn show(outcome: &Outcome) -> Result<Verdict, SubmitError> {
    if let Product::Inline(result) = &outcome.result {
        writeln!(io::stdout(), "{}", result.as_str())?;
    }
    let why = outcome.fault.as_ref().map(|fault| format!(": {fault}")).unwrap_or_default();
    let (verdict, said) = match outcome.status {
        FinalStatus::Success => (Verdict::Success, "succeeded"),
        FinalStatus::Error => (Verdict::Failed, "failed"),
        FinalStatus::Cancelled => (Verdict::Cancelled, "was cancelled"),
        FinalStatus::TimedOut => (Verdict::TimedOut, "timed out; give it more with --max-runtime"),
    };
    tell(&format!("the job {said}{why}"));
    Ok(verdict)
}
