//! Follows a job, and the jobs it delegates, to the job's end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use nuncio_tokio::arcp::{
    ClientError, FinalStatus, Follow, JobHandle, Outcome, Product, SessionEvent, SessionEvents, Update,
};

use tokio::time::Instant;

use crate::detached::Kept;
use crate::error::Error;
use crate::output::{FollowedJob, Printer, reported};
use crate::prompts::Prompts;
use crate::signals::Interrupts;

/// How long a runtime has to answer the cancel of a job, or to be reached again, before the command leaves the job.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Tells whether a job waits for a free slot of its agent.
pub(crate) type Waits = Pin<Box<dyn Future<Output = bool>>>;

/// How a job is followed.
pub(crate) struct Following<'a> {
    /// The session, to be saved again when it was resumed.
    pub(crate) kept: Option<&'a Kept<'a>>,
    /// If set, the first Ctrl-C cancels the job.
    pub(crate) cancel_on: Option<Interrupts>,
    /// Whether a streamed result whose first chunks are missing is an error.
    pub(crate) needs_whole_result: bool,
    /// Shows questions of agents, and answers them.
    pub(crate) prompts: Prompts,
    /// Tells whether the job waits, once nothing has come of it for a while.
    pub(crate) waits: Option<Waits>,
}

/// Prints what happens to a job until it has ended.
///
/// Errors: [`Error::NotCancelled`] if the job is to be cancelled and the runtime does not answer in time.
pub(crate) async fn follow<I: Unpin>(
    session: &mut SessionEvents,
    root: Follow<I>,
    job: FollowedJob,
    printer: &mut Printer,
    mut following: Following<'_>,
) -> Result<Outcome, Error> {
    let control = root.control();
    let mut family = Family { root, job, children: Vec::new() };
    let mut cancelling = None;
    let mut giving_up = GivingUp::default();
    let mut chunk_fault = None;
    loop {
        tokio::select! {
            biased;
            () = interrupted(&mut following.cancel_on), if cancelling.is_none() => {
                printer.message("cancelling the job; press Ctrl-C again to leave at once").await;
                let control = control.clone();
                following.cancel_on = None;
                giving_up.begin();
                cancelling = Some(Box::pin(async move { control.cancel(Some("interrupted")).await }));
            }
            answer = answered(&mut cancelling) => {
                cancelling = None;
                giving_up.answered(answer.is_ok());
                // The end of the session is reported below.
                if let Err(error) = answer && !matches!(error, ClientError::Ended(_)) {
                    let sentence = format!("nuncio: cannot cancel the job: {error}; press Ctrl-C to leave it running");
                    printer.message(&sentence).await;
                }
            }
            () = giving_up.due() => return Err(Error::NotCancelled(PATIENCE)),
            Some(event) = session.next() => {
                changed(&event, &mut giving_up, following.kept, printer).await?;
            }
            waits = answered(&mut following.waits) => {
                following.waits = None;
                if waits {
                    printer.note("the job waits until its agent has a free slot").await;
                }
            }
            step = family.next() => {
                // The session was resumed before these events came.
                while let Some(event) = reported(session).await {
                    changed(&event, &mut giving_up, following.kept, printer).await?;
                }
                match step {
                Step::Update(job, Update::Event(event)) => {
                    following.waits = None;
                    following.prompts.event(&job, &event);
                    printer.event(&job, &event).await?;
                }
                Step::Update(job, Update::Chunk(chunk)) if !job.is_child => printer.chunk(&job, &chunk).await?,
                Step::Update(job, Update::ChunkFault(reason)) if !job.is_child => {
                    printer.message(&format!("the rest of the result is not printed: {reason}")).await;
                    chunk_fault = Some(reason);
                }
                // A child's result goes to its parent, and credentials are not printed.
                Step::Update(..) => {}
                Step::Child(job, child) => {
                    printer.accepted(&job, child.info(), None).await?;
                    family.children.push((job, *child));
                }
                Step::ChildEnded(job, mut child) => {
                    following.prompts.ended(&job.job_id);
                    // An error means that the session has ended, which the root reports.
                    if let Ok(outcome) = child.outcome().await {
                        printer.child_ended(&job, &outcome).await?;
                    }
                }
                Step::Over => break,
                }
            }
            line = following.prompts.next() => following.prompts.act(line, printer).await,
        }
    }
    let outcome = family.root.outcome().await.map_err(ClientError::Ended)?;
    if let Some(error) = Error::of_unknown_end(&outcome) {
        return Err(error);
    }
    match outcome.result {
        Product::Streamed { complete: false, .. }
            if following.needs_whole_result && outcome.status == FinalStatus::Success =>
        {
            Err(Error::Incomplete(chunk_fault.unwrap_or("the job ended before all of its chunks arrived")))
        }
        Product::Streamed { .. } | Product::None | Product::Inline(_) | Product::Unknown => Ok(outcome),
    }
}

/// Prints a change of the connection, and saves a session that was resumed.
async fn changed(
    event: &SessionEvent,
    giving_up: &mut GivingUp,
    kept: Option<&Kept<'_>>,
    printer: &mut Printer,
) -> Result<(), Error> {
    giving_up.session(event);
    // The token that was saved is of no use after a resume.
    if let (SessionEvent::Live(_), Some(kept)) = (event, kept)
        && let Err(error) = kept.hold()
    {
        printer.message(&format!("nuncio: the session cannot be saved: {error}")).await;
    }
    printer.session(event).await
}

/// When a command whose job is to be cancelled leaves it, because the runtime does not answer.
#[derive(Default)]
struct GivingUp {
    /// Whether the job is to be cancelled.
    cancels: bool,
    is_lost: bool,
    is_answered: bool,
    at: Option<Instant>,
}

impl GivingUp {
    /// The job is to be cancelled from now on.
    fn begin(&mut self) {
        self.cancels = true;
        self.at = Some(Instant::now() + PATIENCE);
    }

    /// The request was answered. If it was refused, the job goes on.
    fn answered(&mut self, taken: bool) {
        self.cancels = taken;
        self.is_answered = true;
        self.at = self.at.filter(|_| taken && self.is_lost);
    }

    fn session(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::Lost(_) => {
                self.is_lost = true;
                if self.cancels {
                    self.at = self.at.or_else(|| Some(Instant::now() + PATIENCE));
                }
            }
            SessionEvent::Live(_) => {
                self.is_lost = false;
                self.at = self.at.filter(|_| !self.is_answered);
            }
            _ => {}
        }
    }

    /// Waits until the time has come.
    async fn due(&self) {
        match self.at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

async fn interrupted(interrupts: &mut Option<Interrupts>) {
    match interrupts {
        Some(interrupts) => interrupts.reach(1).await,
        None => std::future::pending().await,
    }
}

async fn answered<T>(request: &mut Option<Pin<Box<impl Future<Output = T> + ?Sized>>>) -> T {
    match request {
        Some(request) => request.await,
        None => std::future::pending().await,
    }
}

/// A job with its descendants. They are read together, because a job that is not read holds up the session's others.
struct Family<I> {
    root: Follow<I>,
    job: FollowedJob,
    children: Vec<(FollowedJob, JobHandle)>,
}

enum Step {
    Update(FollowedJob, Update),
    Child(FollowedJob, Box<JobHandle>),
    ChildEnded(FollowedJob, Box<JobHandle>),
    Over,
}

impl<I: Unpin> Family<I> {
    async fn next(&mut self) -> Step {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if let Poll::Ready(step) = self.poll_children(cx) {
            return Poll::Ready(step);
        }
        match Pin::new(&mut self.root).poll_next(cx) {
            Poll::Ready(Some(Ok(update))) => Poll::Ready(step(&self.job, update)),
            // Children may have become ready since they were polled above.
            Poll::Ready(Some(Err(_)) | None) => match self.poll_children(cx) {
                Poll::Ready(step) => Poll::Ready(step),
                Poll::Pending => Poll::Ready(Step::Over),
            },
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_children(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        for place in 0..self.children.len() {
            let (job, child) = &mut self.children[place];
            match Pin::new(child).poll_next(cx) {
                Poll::Ready(Some(Ok(update))) => return Poll::Ready(step(job, update)),
                Poll::Ready(Some(Err(_)) | None) => {
                    let (job, child) = self.children.remove(place);
                    return Poll::Ready(Step::ChildEnded(job, Box::new(child)));
                }
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }
}

fn step(job: &FollowedJob, update: Update) -> Step {
    match update {
        Update::Child(child) => {
            let agent = child.info().agent.as_deref().unwrap_or("child");
            let job = FollowedJob { job_id: child.job_id().clone(), agent: Arc::from(agent), is_child: true };
            Step::Child(job, child)
        }
        update => Step::Update(job.clone(), update),
    }
}
