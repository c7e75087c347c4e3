//! `nuncio submit`.

mod request;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use nuncio_tokio::arcp::{Client, ClientError, ErrorCode, RequestFailure, Welcome};

use crate::connection::Connection;
use crate::detached;
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::follow::{Following, follow};
use crate::output::{self, FollowedJob, Printer};
use crate::prompts::Prompts;
use crate::signals::Interrupts;
use crate::text::eprint_line;
use request::Request;

const AFTER_HELP: &str = "\
Example:
  export NUNCIO_URL=ws://127.0.0.1:7777/arcp NUNCIO_TOKEN_FILE=~/.nuncio-token
  nuncio submit report --input '{\"week\":\"2026-W19\"}' --budget USD:5 -o report.md

Events are printed on stderr and the result on stdout. Ctrl-C cancels the job
and waits for its end; a second Ctrl-C leaves at once. A job submitted with
--detach can be cancelled by `nuncio cancel` on this machine, as long as the
runtime keeps the session. On a terminal, a question of the agent is shown, and
a line that you type answers it.";

#[derive(Args, Debug)]
#[command(after_help = format!("{AFTER_HELP}\n\n{}", exit::FOLLOWING))]
pub(crate) struct Options {
    #[command(flatten)]
    request: Request,
    /// Print the job's id on stdout and return without waiting for the job
    #[arg(long, conflicts_with = "output")]
    detach: bool,
    /// Write the result to this file instead of stdout. The file is replaced when the job has succeeded, and not touched
    /// otherwise
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print a JSON object per line on stdout: the accepted job, its events and its outcome
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(options: Options) -> Exit {
    let json = options.json;
    output::finish_with(json, run_until_interrupted(options).await).await
}

async fn run_until_interrupted(options: Options) -> Result<Exit, Error> {
    let mut interrupts = Interrupts::listen().map_err(Error::System)?;
    tokio::select! {
        exit = submit(options, interrupts.clone()) => exit,
        () = interrupts.reach(2) => {
            eprint_line("nuncio: interrupted; the job may still be running");
            Ok(Exit::Interrupted)
        }
    }
}

async fn submit(options: Options, mut interrupts: Interrupts) -> Result<Exit, Error> {
    let mut printer = Printer::new(options.json, options.output.as_deref())?;
    let request = Arc::new(options.request);
    let ready = async {
        // On a thread of its own, because reading stdin may block for ever.
        let submit = tokio::task::spawn_blocking({
            let request = Arc::clone(&request);
            move || request.read()
        });
        let submit = submit.await.map_err(|error| Error::System(error.into()))??;
        Ok::<_, Error>((submit, options.connection.connect().await?))
    };
    let (submit, client) = tokio::select! {
        ready = ready => ready?,
        () = interrupts.reach(1) => {
            printer.message("nuncio: interrupted; nothing was submitted").await;
            return Ok(Exit::Cancelled);
        }
    };
    let mut session = client.session_events();
    let handle = client.submit(&submit).await.map_err(|error| refusal(error, &client))?;
    let agent = handle.info().agent.as_deref().unwrap_or(request.agent());
    let job = FollowedJob { job_id: handle.job_id().clone(), agent: Arc::from(agent), is_child: false };
    let exit = async {
        printer.accepted(&job, handle.info()).await?;
        if options.detach {
            let window_secs = client.welcome().and_then(|welcome| welcome.resume_window_sec);
            let url = options.connection.url()?;
            let saved = client.resume_point().map(|point| detached::save(&url, &job.job_id, &point, window_secs));
            client.close().await;
            printer.detached(&job, saved).await?;
            return Ok(Exit::Success);
        }
        let prompts = Prompts::new(&client, !options.json);
        let following = Following { cancel_on: Some(interrupts), needs_whole_result: true, prompts };
        let outcome = follow(&mut session, handle, job.clone(), &mut printer, following).await?;
        client.close().await;
        printer.outcome(&job, &outcome).await
    };
    exit.await.map_err(|error: Error| error.for_job(&job.job_id))
}

/// Why the job was not accepted. If the runtime does not offer the agent, says which agents it offers.
fn refusal(error: ClientError, client: &Client) -> Error {
    let is_agent_missing = matches!(&error, ClientError::Failed(RequestFailure::Refused(fault))
        if matches!(fault.known(), Some(ErrorCode::AgentNotAvailable | ErrorCode::AgentVersionNotAvailable)));
    match client.welcome() {
        Some(welcome) if is_agent_missing => {
            let agents = agents(&welcome);
            Error::Refused(format!("the runtime refused the request: {error}; it offers {agents}"))
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
