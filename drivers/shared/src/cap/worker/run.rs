//! Running the handler of a job.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_lite::FutureExt as _;
use futures_lite::future::or;
use nuncio_core::cap::Attempt;
use tracing::{Instrument as _, debug, error, info_span};

use super::content::Content;
use super::context::JobContext;
use super::failure::Failure;
use super::handler::{Handler, PANICKED};
use super::job::{Job, Reports};
use super::middleware;
use super::role::{Start, WorkerRole};
use crate::cap::node::hub::Hub;
use crate::io::Sanitized;
use crate::io::clock::sleep;

/// Starts the handler of a job, on the thread of the worker if it never blocks, and else on the executor of the handlers.
pub(super) fn start(hub: &Arc<Hub<WorkerRole>>, start: Start) {
    let Start { attempt, call, job, input } = start;
    let request = &job.request;
    let span = info_span!(
        "job",
        job_id = request.job_id,
        trace_id = job.trace_id,
        topic = request.topic,
        sender_id = job.sender_id,
        attempt = call
    );
    let unfinished = Unfinished { hub: Arc::clone(hub), attempt: Some(attempt) };
    let handler = hub.role.registry.find(&job.request.topic).cloned();
    let is_nonblocking = handler.as_ref().is_some_and(|handler| handler.is_nonblocking());
    let work = Box::pin(run(Arc::clone(hub), handler, attempt, call, job, input, unfinished).instrument(span));
    if is_nonblocking { hub.io.spawn(work) } else { (hub.role.spawn)(work) }
}

async fn run(
    hub: Arc<Hub<WorkerRole>>,
    handler: Option<Arc<dyn Handler>>,
    attempt: Attempt,
    call: u32,
    job: Arc<Job>,
    input: Option<Bytes>,
    mut unfinished: Unfinished,
) {
    let Some(handler) = handler else {
        return unfinished.conclude(Err(Failure::fatal("this worker has no handler for the topic")));
    };
    let blocks = handler.blocks();
    let reports: Arc<dyn Reports> = Arc::clone(&hub) as Arc<dyn Reports>;
    let ctx = JobContext::new(Arc::clone(&job), attempt, call, reports);
    let input = Content::Text(input.unwrap_or_else(|| Bytes::from_static(b"null")));
    // The function is called inside the block, since it may panic before it returns a future.
    let work = async {
        let output = middleware::call(&hub.role.middleware, &handler, ctx, input).await?;
        output.into_text()
    };
    let returned = async { Some(AssertUnwindSafe(work).catch_unwind().await) };
    let given_up = async {
        let late = async {
            job.cancelled.cancelled().await;
            if blocks {
                // Its thread cannot be stopped, and goes on to occupy a slot.
                std::future::pending::<()>().await;
            }
            sleep(&*hub.io, hub.role.grace).await;
        };
        or(late, hub.stopped()).await;
        None
    };
    match or(returned, given_up).await {
        Some(Ok(result)) => unfinished.conclude(result),
        Some(Err(_)) => {
            error!("the handler panicked");
            unfinished.conclude(Err(Failure::new(PANICKED)));
        }
        None => {
            debug!("the handler did not stop, and is dropped");
            unfinished.conclude(Err(Failure::new("the handler was dropped")));
        }
    }
}

/// Ends the attempt of a handler that was dropped before it returned, because its executor was shut down.
struct Unfinished {
    hub: Arc<Hub<WorkerRole>>,
    attempt: Option<Attempt>,
}

impl Unfinished {
    /// Ends the attempt with what its handler returned.
    fn conclude(&mut self, result: Result<Bytes, Failure>) {
        let Some(attempt) = self.attempt.take() else { return };
        if self.hub.is_stopped() {
            return;
        }
        let concluded = self.hub.run(|state, now| match result {
            Ok(output) => state.machine.finish(now, attempt, output),
            Err(failure) => state.machine.fail(now, attempt, failure.into()),
        });
        if let Err(refused) = concluded {
            debug!(refused = %Sanitized(&refused), "the job has ended before its handler");
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.conclude(Err(Failure::retryable("the handler was stopped before it had finished")));
    }
}
