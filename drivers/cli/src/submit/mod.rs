//! `nuncio submit`.

mod request;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::connect::Connection;
use crate::follow::{Following, follow};
use crate::interrupt::Interrupts;
use crate::kept;
use crate::show::{self, Show, Who};
use crate::text::tell;
use crate::verdict::{EXIT_CODES, Trouble, Verdict};
use request::Request;

const EXAMPLE: &str = "\
Example:
  export NUNCIO_URL=ws://127.0.0.1:7777/arcp NUNCIO_TOKEN_FILE=~/.nuncio-token
  nuncio submit report --input '{\"week\":\"2026-W19\"}' --budget USD:5 --output report.md

Events are told on stderr, the result is written to stdout. Ctrl-C cancels the job and waits
for its end; a second one leaves at once. With --detach it can be cancelled by `nuncio cancel`
on this machine, as long as the runtime keeps the session.";

/// What `nuncio submit` takes.
#[derive(Args, Debug)]
#[command(after_help = format!("{EXAMPLE}\n\n{EXIT_CODES}"))]
pub(crate) struct Options {
    #[command(flatten)]
    request: Request,
    /// Does not wait for the job: prints its id and leaves it to run
    #[arg(long, conflicts_with = "output")]
    detach: bool,
    /// Writes the result to a file, which is replaced once the job has succeeded and untouched otherwise
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Prints a JSON object per line on stdout: what was accepted, the events, the outcome
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Submits, follows, and says how it came out.
pub(crate) async fn run(options: Options) -> Verdict {
    let json = options.json;
    let mut interrupts = match Interrupts::listen() {
        Ok(interrupts) => interrupts,
        Err(error) => return show::verdict(json, Err(Trouble::System(error))).await,
    };
    tokio::select! {
        done = submit(options, interrupts.clone()) => show::verdict(json, done).await,
        () = interrupts.reach(2) => {
            tell("nuncio: left; the job may still run");
            Verdict::Left
        }
    }
}

async fn submit(options: Options, mut interrupts: Interrupts) -> Result<Verdict, Trouble> {
    let mut show = Show::new(options.json, options.output.as_deref())?;
    let wanted = Arc::new(options.request);
    let ready = async {
        // A read of stdin can take for ever.
        let request = tokio::task::spawn_blocking({
            let wanted = Arc::clone(&wanted);
            move || wanted.read()
        });
        let request = request.await.map_err(|error| Trouble::System(error.into()))??;
        Ok::<_, Trouble>((request, options.connection.connect().await?))
    };
    let (request, client) = tokio::select! {
        ready = ready => ready?,
        () = interrupts.reach(1) => {
            show.say("nothing was submitted").await;
            return Ok(Verdict::Cancelled);
        }
    };
    let mut session = client.session_events();
    let job = client.submit(&request).await?;
    let agent = job.info().agent.as_deref().unwrap_or(wanted.agent());
    let who = Who { job_id: Arc::from(job.job_id()), agent: Arc::from(agent), child: false };
    show.accepted(&who, job.info()).await?;
    if options.detach {
        let window = client.welcome().and_then(|welcome| welcome.resume_window_sec);
        let kept = client.resume_point().map(|point| kept::keep(options.connection.url(), &who.job_id, &point, window));
        client.close().await;
        show.detached(&who, kept).await?;
        return Ok(Verdict::Success);
    }
    let following = Following { cancel: Some(interrupts), whole: true };
    let outcome = follow(&mut session, job, who.clone(), &mut show, following).await?;
    client.close().await;
    show.outcome(&who, &outcome).await
}
