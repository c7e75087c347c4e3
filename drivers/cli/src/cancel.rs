//! `nuncio cancel`.

use clap::Args;
use nuncio_tokio::arcp::{
    Client, ClientBuildError, ClientError, CloseReason, ErrorCode, FinalStatus, RemoteFault, RequestFailure,
    SessionEnd, Subscribe, Subscription,
};

use crate::connect::Connection;
use crate::interrupt::Interrupts;
use crate::text::tell;
use crate::verdict::{Trouble, Verdict};
use crate::{kept, show};

const EXAMPLE: &str = "\
Example:
  job=$(nuncio submit report --detach)
  nuncio cancel \"$job\" --reason 'wrong week'

Only the session that submitted a job may cancel it. `nuncio submit --detach` keeps what it takes
to take that session up again on this machine; else press Ctrl-C where the job is followed.

Exit codes:
  0  the job is cancelled, now or before
  1  it ended otherwise
  2  wrong usage
  5  refused by the runtime: the token, or only another session may cancel the job
  6  lost: the runtime is unreachable, or the session is gone
  130  left before the end";

/// What `nuncio cancel` takes.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Options {
    /// The job
    #[arg(value_name = "JOB")]
    job_id: String,
    /// Why; the job's agent is told
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Does not wait for the job's end: it is enough that the runtime has taken the request up
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Cancels.
pub(crate) async fn run(options: Options) -> Verdict {
    let mut interrupts = match Interrupts::listen() {
        Ok(interrupts) => interrupts,
        Err(error) => return show::verdict(false, Err(Trouble::System(error))).await,
    };
    tokio::select! {
        done = cancel(options) => show::verdict(false, done).await,
        () = interrupts.reach(1) => {
            tell("nuncio: left; the job may be cancelled nevertheless");
            Verdict::Left
        }
    }
}

async fn cancel(options: Options) -> Result<Verdict, Trouble> {
    let client = options.connection.connect().await?;
    let watch = client.subscribe(&options.job_id, Subscribe::default()).await?;
    let status = watch.info().current_status.as_deref().unwrap_or("running");
    if !matches!(status, "pending" | "running") {
        tell(&format!("the job has ended before: {status}"));
        let cancelled = status == FinalStatus::Cancelled.as_str();
        return Ok(if cancelled { Verdict::Success } else { Verdict::Failed });
    }
    match watch.cancel(options.reason.as_deref()).await {
        Ok(()) => finish(&options, client, watch).await,
        Err(ClientError::Failed(RequestFailure::Refused(fault)))
            if fault.known() == Some(ErrorCode::PermissionDenied) =>
        {
            let (owner, job) = take_up(&options, &watch, &fault).await?;
            client.close().await;
            job.cancel(options.reason.as_deref()).await?;
            finish(&options, owner, job).await
        }
        Err(error) => Err(error.into()),
    }
}

/// The session that submitted the job, if it was kept, and its own watch of the job.
async fn take_up(
    options: &Options,
    watch: &Subscription,
    fault: &RemoteFault,
) -> Result<(Client, Subscription), Trouble> {
    let (url, job_id) = (options.connection.url(), watch.job_id());
    let Some(point) = kept::find(url, job_id) else {
        return Err(Trouble::Refused(format!(
            "the runtime refused it: {fault}; only the session that submitted a job may cancel it: press Ctrl-C where \
             it is followed, and submit with --detach what is to be cancelled from elsewhere"
        )));
    };
    let owner = options.connection.builder()?.resume(point).connect().await.map_err(|error| match error {
        ClientBuildError::Session(SessionEnd::Closed(CloseReason::Refused(fault)))
            if fault.known() == Some(ErrorCode::ResumeWindowExpired) =>
        {
            Trouble::Refused(format!(
                "only the session that submitted the job may cancel it, and the runtime no longer has that ({fault}); once \
                 it has lapsed, who submits the same again with the same --idempotency-key has the job as its own, and \
                 Ctrl-C cancels it there"
            ))
        }
        error => error.into(),
    })?;
    let window = owner.welcome().and_then(|welcome| welcome.resume_window_sec);
    if let Some(point) = owner.resume_point()
        && let Err(error) = kept::keep(url, job_id, &point, window)
    {
        tell(&format!("nuncio: the session cannot be kept for another time: {error}"));
    }
    let job = owner.subscribe(job_id, Subscribe::default()).await?;
    Ok((owner, job))
}

async fn finish(options: &Options, client: Client, mut job: Subscription) -> Result<Verdict, Trouble> {
    if options.no_wait {
        tell("the runtime is cancelling the job");
        client.close().await;
        return Ok(Verdict::Success);
    }
    let outcome = job.outcome().await.map_err(ClientError::Ended)?;
    kept::forget(job.job_id());
    client.close().await;
    if outcome.status == FinalStatus::Cancelled {
        tell("the job was cancelled");
        return Ok(Verdict::Success);
    }
    tell(&format!("the job has ended before it could be cancelled: {}", outcome.status.as_str()));
    Ok(Verdict::Failed)
}
