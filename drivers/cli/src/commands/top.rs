//! `nuncio top`.

use std::time::Duration;

use clap::Args;
use nuncio_tokio::arcp::{Client, JobRow, ListQuery};

use super::find;
use super::listing::until_interrupted;
use super::screen::Screen;
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{self, Changes, Width, columns, table};
use crate::text::count;
use crate::time::positive_duration;

const AFTER_HELP: &str = "\
Example:
  nuncio top --interval 5s

The first line counts the jobs that have not ended and the open questions. The
jobs follow, the newest first. On a terminal, the screen is redrawn until
Ctrl-C, and ids are shortened if it is narrow: every command takes a part of an
id. Otherwise a new list is printed when something has changed. `nuncio jobs`
also lists ended jobs.

Exit codes:
  0    Ctrl-C was pressed
  2    invalid usage
  5    the runtime refused the token or the request
  6    the runtime is unreachable, or the session is lost
  7    stdout cannot be written";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// Time between two requests for the jobs
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = positive_duration)]
    interval: Duration,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(options: Options) -> Exit {
    output::finish(until_interrupted(watch(&options), true).await)
}

async fn watch(options: &Options) -> Result<(), Error> {
    let client = options.connection.connect().await?;
    let (mut changes, mut screen) = (Changes::of(&client), Screen::new(true));
    let mut ticks = tokio::time::interval(options.interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let listed = async {
            ticks.tick().await;
            let query = ListQuery { status: vec!["pending".into(), "running".into()], ..ListQuery::default() };
            Ok::<_, Error>((find::all(&client, &query).await?, questions(&client).await?))
        };
        let (mut jobs, open) = changes.during(listed, || screen.leave()).await?;
        jobs.reverse();
        let mut lines = vec![summary(&jobs, open)];
        let width = if screen.redraws() { columns() } else { Width::Wide };
        lines.extend(table(&jobs, width));
        screen.draw(lines).map_err(Error::stdout)?;
    }
}

/// Returns the number of open questions; `None` if the runtime has no questions at all.
async fn questions(client: &Client) -> Result<Option<usize>, Error> {
    match super::questions::open(client, None).await {
        Ok(open) => Ok(Some(open.len())),
        Err(Error::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn summary(jobs: &[JobRow], questions: Option<usize>) -> String {
    let running = jobs.iter().filter(|job| job.status == "running").count();
    let questions = questions.map(|open| format!(", {}", count(open as u64, "open question"))).unwrap_or_default();
    format!("{running} running, {} pending{questions}", jobs.len() - running)
}
