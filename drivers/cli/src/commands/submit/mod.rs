//! `nuncio submit`.

mod request;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use nuncio_tokio::arcp::{Client, ClientError, ErrorCode, ListQuery, RequestFailure, Time, Welcome};

use super::find;
use crate::connection::Connection;
use crate::detached::Kept;
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::follow::{Following, PATIENCE, Waits, follow};
use crate::output::{self, FollowedJob, Printer, View};
use crate::prompts::Prompts;
use crate::signals::Interrupts;
use crate::text::eprint_line;
use request::Request;

/// How long nothing has come of a job before it is asked whether it waits.
const SILENCE: Duration = Duration::from_secs(1);
/// Microseconds before the acceptance of a job from which on jobs are listed to find it.
const SINCE: u64 = 1_000_000;

const AFTER_HELP: &str = "\
Example:
  export NUNCIO_URL=ws://127.0.0.1:7777/arcp NUNCIO_TOKEN_FILE=~/.nuncio-token
  nuncio submit report --input '{\"week\":\"2026-W19\"}' --budget USD:5 -o report.md

Events are printed on stderr and the result on stdout. On a terminal, questions
of the agent are shown, and you type the answers.

Ctrl-C cancels the job and waits for its end, unless --on-interrupt says
otherwise. A second Ctrl-C leaves at once. If the runtime does not answer the
cancel for some seconds, submit ends too. SIGTERM and SIGHUP do the same. When
nothing follows the job any more (after --detach, a second Ctrl-C or a crash),
`nuncio cancel` on this machine cancels it. When the session has had no
connection for 10 minutes (`nuncio serve --resume-window`), every session of the
same principal may cancel the job, on any machine.";

#[derive(Args, Debug)]
#[command(after_help = format!("{AFTER_HELP}\n\n{}", exit::FOLLOWING))]
pub(crate) struct Options {
    #[command(flatten)]
    request: Request,
    /// Print the job's id on stdout and return without waiting for the job
    #[arg(long, conflicts_with = "output")]
    detach: bool,
    /// What Ctrl-C, SIGTERM and closing the terminal do: cancel the job and wait for its end, or leave it running. A second
    /// signal always leaves at once
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    on_interrupt: OnInterrupt,
    /// Write the result to this file instead of stdout. The file is replaced when the job has succeeded, and not touched
    /// otherwise
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print a JSON object per line on stdout: the accepted job, its events and its outcome
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    view: View,
    #[command(flatten)]
    connection: Connection,
}

/// What a signal does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum OnInterrupt {
    /// It cancels the job.
    #[default]
    Cancel,
    /// It leaves the job running.
    Detach,
}

pub(crate) async fn run(options: Options) -> Exit {
    let json = options.json;
    output::finish_with(json, run_until_interrupted(options).await).await
}

async fn run_until_interrupted(options: Options) -> Result<Exit, Error> {
    let interrupts = Interrupts::listen_to_all().map_err(Error::System)?;
    submit(options, interrupts).await
}

async fn submit(options: Options, mut interrupts: Interrupts) -> Result<Exit, Error> {
    let mut printer = Printer::new(options.json, options.output.as_deref(), options.view.clone())?;
    let request = Arc::new(options.request);
    let ready = async {
        // On a thread of its own, because reading stdin may block for ever.
        let submit = tokio::task::spawn_blocking({
            let request = Arc::clone(&request);
            move || request.read()
        });
        let submit = submit.await.map_err(|error| Error::System(error.into()))??;
        Ok::<_, Error>((submit, options.connection.connect_unless_quiet(options.view.is_quiet()).await?))
    };
    let (submit, client) = tokio::select! {
        ready = ready => ready?,
        () = interrupts.reach(1) => {
            printer.message("nuncio: interrupted; nothing was submitted").await;
            return Ok(Exit::Cancelled);
        }
    };
    let mut session = client.session_events();
    let handle = tokio::select! {
        handle = client.submit(&submit) => handle.map_err(|error| refusal(error, &client, request.agent()))?,
        () = left(&mut interrupts) => {
            eprint_line(
                "nuncio: interrupted; the runtime has not answered, so the job may be running: `nuncio jobs` lists it then",
            );
            return Ok(Exit::Interrupted);
        }
    };
    let agent = handle.info().agent.as_deref().unwrap_or(request.agent());
    let job = FollowedJob { job_id: handle.job_id().clone(), agent: Arc::from(agent), is_child: false };
    let exit = async {
        let session_id = client.welcome().map(|welcome| welcome.session_id.clone());
        printer.accepted(&job, handle.info(), session_id.as_ref()).await?;
        let kept = Kept::new(&client, options.connection.url()?, job.job_id.clone());
        if options.detach {
            let left = kept.leave();
            client.close().await;
            printer.detached(&job, left).await?;
            return Ok(Exit::Success);
        }
        if let Err(error) = kept.hold() {
            printer
                .message(&format!(
                    "nuncio: the session cannot be saved, so the job can only be cancelled here: {error}"
                ))
                .await;
        }
        let prompts = Prompts::new(&client, !options.json);
        let (cancels, last) = match options.on_interrupt {
            OnInterrupt::Cancel => (Some(interrupts.clone()), 2),
            OnInterrupt::Detach => (None, 1),
        };
        let waits: Option<Waits> = if options.json {
            None
        } else {
            Some(Box::pin(waits(client.clone(), job.clone(), handle.info().accepted_at.clone())))
        };
        let following = Following { kept: Some(&kept), cancel_on: cancels, needs_whole_result: true, prompts, waits };
        let followed = tokio::select! {
            followed = follow(&mut session, handle, job.clone(), &mut printer, following) => Some(followed),
            () = interrupts.reach(last) => None,
        };
        let (why, exit) = match followed {
            Some(Err(error)) if error.is_closed_pipe() => {
                ("stdout was closed; the job goes on".to_owned(), Exit::Success)
            }
            Some(Err(error @ Error::NotCancelled(_))) => (format!("interrupted; {error}"), error.exit()),
            Some(outcome) => {
                let outcome = outcome?;
                kept.end();
                client.close().await;
                return printer.outcome(&job, &outcome).await;
            }
            None if last == 1 => ("interrupted; the job goes on".to_owned(), Exit::Interrupted),
            None => ("interrupted; the job may still be running".to_owned(), Exit::Interrupted),
        };
        let left = kept.leave();
        printer.message(&format!("nuncio: {why}")).await;
        printer.left(&job, left).await;
        Ok(exit)
    };
    exit.await.map_err(|error: Error| error.for_job(&job.job_id))
}

/// Waits until a job whose submit has not been answered is to be left: for the second signal, or some time after the first one.
async fn left(interrupts: &mut Interrupts) {
    interrupts.reach(1).await;
    tokio::select! {
        () = interrupts.reach(2) => {}
        () = tokio::time::sleep(PATIENCE) => {}
    }
}

/// Tells after a while whether a job waits for a free slot of its agent. A runtime that does not list jobs does not say.
async fn waits(client: Client, job: FollowedJob, accepted_at: Option<String>) -> bool {
    tokio::time::sleep(SILENCE).await;
    // A job that was created just then is wanted, too.
    let since = accepted_at.as_deref().and_then(Time::parse_rfc3339).map(|at| Time(at.0.saturating_sub(SINCE)));
    let query = ListQuery { status: vec!["pending".into()], created_after: since, ..ListQuery::default() };
    let pending = find::all(&client, &query).await.unwrap_or_default();
    pending.iter().any(|row| row.job_id == job.job_id)
}

/// Why the job was not accepted. If the runtime does not offer the agent, or not the version of it, says what it offers.
fn refusal(error: ClientError, client: &Client, agent: &str) -> Error {
    let is_agent_missing = matches!(&error, ClientError::Failed(RequestFailure::Refused(fault))
        if matches!(fault.known(), Some(ErrorCode::AgentNotAvailable | ErrorCode::AgentVersionNotAvailable)));
    match client.welcome() {
        Some(welcome) if is_agent_missing => {
            let (name, version) = agent.split_once('@').map_or((agent, None), |(name, version)| (name, Some(version)));
            let named = welcome.agents.iter().find(|agent| agent.name == name && version.is_some());
            let offers = match named.map(|agent| &*agent.versions) {
                Some([]) => format!("the runtime offers it without a version: submit {name}"),
                Some(versions) => format!("the runtime offers its versions {}", versions.join(", ")),
                None => format!("the runtime offers {}", agents(&welcome)),
            };
            Error::Refused(format!("the runtime refused the request: {error}; {offers}"))
        }
        Some(_) | None => error.into(),
    }
}

/// The agents that a runtime offers, each with its versions.
fn agents(welcome: &Welcome) -> String {
    let names = welcome.agents.iter().map(|agent| match &*agent.versions {
        [] => agent.name.clone(),
        versions => format!("{} ({})", agent.name, versions.join(", ")),
    });
    let names: Vec<String> = names.collect();
    if names.is_empty() { "no agents".to_owned() } else { names.join(", ") }
}
