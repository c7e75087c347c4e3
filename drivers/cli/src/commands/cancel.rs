//! `nuncio cancel`.

use std::borrow::Cow;
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use nuncio_tokio::arcp::{
    Client, ClientBuildError, ClientError, CloseReason, ErrorCode, FinalStatus, RemoteFault, RequestFailure,
    SessionEnd, Subscribe, Subscription,
};

use serde::Deserialize;

use super::find;
use super::interrupt::until_interrupted;
use crate::connection::{Connection, silence};
use crate::detached::{self, Saved};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{self, Changes};
use crate::text::eprint_line;
use crate::time::HumanDuration;

const AFTER_HELP: &str = "\
Example:
  job=$(nuncio submit report --detach)
  nuncio cancel \"$job\" --reason 'wrong week'

While `nuncio submit` follows a job, press Ctrl-C in its terminal to cancel the
job. Afterwards (after --detach, a second Ctrl-C or a crash), `nuncio cancel`
cancels it. At first it has to run on the machine that submitted the job, where
`nuncio submit` has saved the session. Once that session has had no connection
for 10 minutes (`nuncio serve --resume-window`), any machine with a token of the
same principal can cancel the job. An operator (`nuncio serve --operator`) can
cancel every job at any time.

Exit codes:
  0    the job is cancelled, now or by an earlier request
  1    the job ended in another way, now or before the request
  2    invalid usage
  5    the runtime refused the token, or this session may not cancel the job
  6    the runtime is unreachable, or the session is lost
  130  left by Ctrl-C before the job's end";

/// How long a job may take to end before the command says what it waits for.
const SILENCE: Duration = Duration::from_secs(2);
const WAITS: &str =
    "the runtime has told the agent to stop; waiting for the job to end; `nuncio cancel --no-wait` does not wait";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// Id of the job, or a part of it that no other job has
    #[arg(value_name = "JOB", value_parser = NonEmptyStringValueParser::new())]
    job_id: String,
    /// Reason to pass to the agent. It does not appear in the job's final error
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Return as soon as the runtime has accepted the request, without waiting for the job's end
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(options: Options) -> Exit {
    output::finish(until_interrupted(cancel(&options), "the job may still be cancelled").await)
}

async fn cancel(options: &Options) -> Result<Exit, Error> {
    let client = options.connection.connect().await?;
    let subscription = client.subscribe(find::job(&client, &options.job_id).await?, Subscribe::default()).await?;
    let status = subscription.info().current_status.as_deref().unwrap_or("running");
    if !matches!(status, "pending" | "running") {
        eprint_line(&format!("the job had already ended: {status}"));
        client.close().await;
        return Ok(if status == FinalStatus::Cancelled.as_str() { Exit::Success } else { Exit::Failed });
    }
    match subscription.cancel(options.reason.as_deref()).await {
        Ok(()) => finish(options, client, subscription).await,
        Err(ClientError::Failed(RequestFailure::Refused(fault))) if is_of_another_principal(&fault) => {
            Err(Error::Refused(format!("the runtime refused the request: {fault}; give a token of one of them with --token")))
        }
        Err(ClientError::Failed(RequestFailure::Refused(fault)))
            // Some runtimes say of a job of another session that there is none.
            if matches!(fault.known(), Some(ErrorCode::PermissionDenied | ErrorCode::JobNotFound)) =>
        {
            let window = client.welcome().filter(|welcome| detached::releases_jobs(welcome));
            let window = window.and_then(|welcome| welcome.resume_window_sec);
            let (owner, job) = resume_owner(options, &subscription, &fault, window).await?;
            client.close().await;
            job.cancel(options.reason.as_deref()).await?;
            finish(options, owner, job).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a job may not be cancelled because it is that of another principal, which Nuncio's runtime says.
fn is_of_another_principal(fault: &RemoteFault) -> bool {
    let reason = fault.details.as_ref().and_then(|details| details.parse::<Details<'_>>().ok());
    reason.is_some_and(|details| details.reason == "principal")
}

#[derive(Deserialize)]
struct Details<'a> {
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

/// Resumes the session that submitted the job, if it was saved, and subscribes to the job in it. `window` is the time in
/// seconds after which the runtime lets every session of the principal cancel the job, if it does.
async fn resume_owner(
    options: &Options,
    subscription: &Subscription,
    fault: &RemoteFault,
    window: Option<u64>,
) -> Result<(Client, Subscription), Error> {
    let (url, job_id) = (options.connection.url()?, subscription.job_id());
    let refused = |advice: &str| Error::Refused(format!("the runtime refused the request: {fault}; {advice}"));
    let point = match detached::find(&url, job_id) {
        Saved::Point(point) => point,
        Saved::InUse(process) => {
            return Err(refused(&format!(
                "the process {process} on this machine follows the job: press Ctrl-C in its terminal, or send it SIGTERM"
            )));
        }
        Saved::OfAnother(url) => {
            return Err(refused(&format!(
                "it was submitted with --url {url}, so cancel it with that; an operator may cancel it, too"
            )));
        }
        Saved::None => {
            let later = window.map(|seconds| {
                let window = HumanDuration::new(Duration::from_secs(seconds));
                format!(". When that session has had no connection for {window}, every session of its principal may cancel the job")
            });
            return Err(refused(&format!(
                "that session is not saved on this machine. Press Ctrl-C where the job is followed, or, after --detach, use \
                 the machine that submitted it; an operator may cancel it, too{}",
                later.unwrap_or_default()
            )));
        }
    };
    let builder = options.connection.builder()?.resume(point);
    let owner = silence::connect(builder, &url, false).await.map_err(|error| match error {
        ClientBuildError::Session(SessionEnd::Closed(CloseReason::Refused(fault)))
            if fault.known() == Some(ErrorCode::ResumeWindowExpired) =>
        {
            Error::Refused(format!(
                "only the session that submitted the job may cancel it, and the runtime does not resume that session \
                 ({fault}): it is over, or is that of another principal than the token's. If the job is yours and has an \
                 --idempotency-key, submit it again with the same key: that session then owns the job, and Ctrl-C cancels it"
            ))
        }
        error => Error::from(error).at(&url),
    })?;
    let window_secs = owner.welcome().and_then(|welcome| welcome.resume_window_sec);
    if let Some(point) = owner.resume_point()
        && let Err(error) = detached::save(&url, job_id, &point, window_secs)
    {
        eprint_line(&format!("nuncio: cannot save the session, so it cannot be resumed again: {error}"));
    }
    let job = owner.subscribe(job_id, Subscribe::default()).await?;
    Ok((owner, job))
}

async fn finish(options: &Options, client: Client, mut job: Subscription) -> Result<Exit, Error> {
    if options.no_wait {
        eprint_line("the runtime is cancelling the job");
        client.close().await;
        return Ok(Exit::Success);
    }
    let mut changes = Changes::of(&client);
    let outcome = {
        let mut ended = pin!(changes.during(job.outcome(), || {}));
        tokio::select! {
            biased;
            outcome = &mut ended => outcome,
            () = tokio::time::sleep(SILENCE) => {
                eprint_line(WAITS);
                ended.await
            }
        }
    };
    let outcome = outcome.map_err(ClientError::Ended)?;
    if let Some(error) = Error::of_unknown_end(&outcome) {
        return Err(error);
    }
    detached::delete(job.job_id());
    client.close().await;
    if outcome.status == FinalStatus::Cancelled {
        eprint_line("the job was cancelled");
        return Ok(Exit::Success);
    }
    eprint_line(&format!("the job ended before it could be cancelled: {}", outcome.status.as_str()));
    Ok(Exit::Failed)
}
