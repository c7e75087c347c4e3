//! `nuncio tail`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use nuncio_tokio::arcp::Subscribe;

use crate::connect::Connection;
use crate::follow::{Following, follow};
use crate::interrupt::Interrupts;
use crate::show::{self, Show, Who};
use crate::text::tell;
use crate::verdict::{EXIT_CODES, Trouble, Verdict};

const EXAMPLE: &str = "\
Example:
  nuncio tail job_01KAJ6Y3M2Q4T5V6W7X8Y9Z0AB

Events are told on stderr, the result is written to stdout. Ends with the job; Ctrl-C ends it earlier, and the job goes on.";

/// What `nuncio tail` takes.
#[derive(Args, Debug)]
#[command(after_help = format!("{EXAMPLE}\n\n{EXIT_CODES}"))]
pub(crate) struct Options {
    /// The job, as `nuncio submit` and `nuncio jobs` name it
    #[arg(value_name = "JOB")]
    job_id: String,
    /// Leaves out what happened before
    #[arg(long, conflicts_with = "from")]
    no_history: bool,
    /// Leaves out what happened up to this event, in the numbering of the session that submitted the job
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// Writes the result to a file, which is replaced once the job has succeeded and untouched otherwise
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["no_history", "from"])]
    output: Option<PathBuf>,
    /// Prints a JSON object per line on stdout: the job, the events, the outcome
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Follows, and says how it came out.
pub(crate) async fn run(options: Options) -> Verdict {
    let json = options.json;
    let mut interrupts = match Interrupts::listen() {
        Ok(interrupts) => interrupts,
        Err(error) => return show::verdict(json, Err(Trouble::System(error))).await,
    };
    tokio::select! {
        done = tail(options) => show::verdict(json, done).await,
        () = interrupts.reach(1) => {
            tell("nuncio: left; the job goes on");
            Verdict::Left
        }
    }
}

async fn tail(options: Options) -> Result<Verdict, Trouble> {
    let mut show = Show::new(options.json, options.output.as_deref())?;
    let client = options.connection.connect().await?;
    let mut session = client.session_events();
    let subscribe = Subscribe { history: !options.no_history, from_event_seq: options.from };
    let job = client.subscribe(&options.job_id, subscribe).await?;
    let agent = job.info().agent.as_deref().unwrap_or("job");
    let who = Who { job_id: Arc::from(job.job_id()), agent: Arc::from(agent), child: false };
    show.subscribed(&who, job.info()).await?;
    let whole = !options.no_history && options.from.is_none();
    let following = Following { cancel: None, whole };
    let outcome = follow(&mut session, job, who.clone(), &mut show, following).await?;
    client.close().await;
    show.outcome(&who, &outcome).await
}
