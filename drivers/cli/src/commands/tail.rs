//! `nuncio tail`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use nuncio_tokio::arcp::Subscribe;

use super::find;
use super::interrupt::until_interrupted;
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::{self, Exit};
use crate::follow::{Following, follow};
use crate::output::{self, FollowedJob, Printer, View};
use crate::prompts::Prompts;

const AFTER_HELP: &str = "\
Example:
  nuncio tail job_01KAJ6Y3M2Q4T5V6W7X8Y9Z0AB

Events are printed on stderr and the result on stdout. On a terminal, questions
of the agent are shown, and you type the answers. Ctrl-C ends the command and
leaves the job running.";

#[derive(Args, Debug)]
#[command(after_help = format!("{AFTER_HELP}\n\n{}", exit::FOLLOWING))]
pub(crate) struct Options {
    /// Id of the job, as `nuncio submit` and `nuncio jobs` show it, or a part of it that no other job has
    #[arg(value_name = "JOB", value_parser = NonEmptyStringValueParser::new())]
    job_id: String,
    /// Skip events from before now
    #[arg(long, conflicts_with = "from")]
    no_history: bool,
    /// Skip events up to and including this number. tail prints the number of an event after #, and as `seq` with --json
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// Write the result to this file instead of stdout. The file is replaced when the job has succeeded, and not touched
    /// otherwise
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["no_history", "from"])]
    output: Option<PathBuf>,
    /// Print a JSON object per line on stdout: the job, its events and its outcome
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    view: View,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(options: Options) -> Exit {
    output::finish_with(options.json, until_interrupted(tail(&options), "the job goes on").await).await
}

async fn tail(options: &Options) -> Result<Exit, Error> {
    let view = options.view.clone().after(options.from.unwrap_or_default());
    let mut printer = Printer::new(options.json, options.output.as_deref(), view)?;
    let client = options.connection.connect_unless_quiet(options.view.is_quiet()).await?;
    let mut session = client.session_events();
    // The whole history, because the numbers of this session begin with its first event.
    let subscribe = Subscribe { history: !options.no_history, from_event_seq: None };
    let subscription = client.subscribe(find::job(&client, &options.job_id).await?, subscribe).await?;
    let agent = subscription.info().agent.as_deref().unwrap_or("job");
    let job = FollowedJob { job_id: subscription.job_id().clone(), agent: Arc::from(agent), is_child: false };
    let exit = async {
        let session_id = client.welcome().map(|welcome| welcome.session_id.clone());
        printer.subscribed(&job, subscription.info(), session_id.as_ref()).await?;
        let needs_whole_result = !options.no_history && options.from.is_none();
        let prompts = Prompts::new(&client, !options.json);
        let following = Following { kept: None, cancel_on: None, needs_whole_result, prompts, waits: None };
        let outcome = follow(&mut session, subscription, job.clone(), &mut printer, following).await?;
        client.close().await;
        printer.outcome(&job, &outcome).await
    };
    exit.await.map_err(|error| error.for_job(&job.job_id))
}
