//! `nuncio wait`.

use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use nuncio_tokio::arcp::{Client, ClientError, Subscribe, Subscription};
use tokio::task::JoinSet;

use super::find;
use super::interrupt::until_interrupted;
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{self, Changes};
use crate::text::{eprint_line, print_result};
use crate::time::positive_duration;

const AFTER_HELP: &str = "\
Examples:
  job=$(nuncio submit report --detach)
  nuncio wait \"$job\" --timeout 10m && nuncio tail \"$job\" -o report.md

When a job has ended, its id and its status are printed on stdout, as one line.
A job that had already ended is printed at once. `nuncio tail` shows the result.

Exit codes:
  0    all jobs succeeded
  1    a job failed
  2    invalid usage
  3    a job was cancelled
  4    a job timed out, or --timeout has passed
  5    the runtime refused the token or the request, or has no such job
  6    the runtime is unreachable, or the session is lost
  7    stdout cannot be written
  130  left by Ctrl-C before the end of all jobs
If the jobs ended in different ways, the exit code is the lowest of theirs that
is not 0.";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// Ids of the jobs, or parts of them that no other job has
    #[arg(value_name = "JOB", required = true, value_parser = NonEmptyStringValueParser::new())]
    jobs: Vec<String>,
    /// Wait at most this long. The jobs continue after that
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(options: Options) -> Exit {
    output::finish(until_interrupted(wait_in_time(&options), "the jobs continue").await)
}

async fn wait_in_time(options: &Options) -> Result<Exit, Error> {
    let timeout = async {
        match options.timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        exit = wait(options) => exit,
        () = timeout => {
            eprint_line("nuncio: --timeout has passed; jobs that have not ended continue");
            Ok(Exit::TimedOut)
        }
    }
}

async fn wait(options: &Options) -> Result<Exit, Error> {
    let client = options.connection.connect().await?;
    let (mut changes, mut ends) = (Changes::of(&client), JoinSet::new());
    for text in &options.jobs {
        let subscription = subscribe(&client, text).await?;
        ends.spawn(end(subscription));
    }
    let mut exit = Exit::Success;
    while let Some(ended) = changes.during(ends.join_next(), || {}).await {
        let ended = ended.map_err(|error| Error::System(error.into()))??;
        if exit == Exit::Success || ended != Exit::Success && ended.code() < exit.code() {
            exit = ended;
        }
    }
    client.close().await;
    Ok(exit)
}

async fn subscribe(client: &Client, text: &str) -> Result<Subscription, Error> {
    let job_id = find::job(client, text).await?;
    Ok(client.subscribe(&job_id, Subscribe::default()).await?)
}

async fn end(mut job: Subscription) -> Result<Exit, Error> {
    let outcome = job.outcome().await.map_err(ClientError::Ended)?;
    if let Some(error) = Error::of_unknown_end(&outcome) {
        return Err(error);
    }
    print_result(&format!("{} {}", job.job_id(), outcome.status.as_str())).map_err(Error::stdout)?;
    Ok(outcome.status.into())
}
