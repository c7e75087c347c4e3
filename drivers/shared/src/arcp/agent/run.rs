//! Running the agent of a job.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_lite::FutureExt as _;
use futures_lite::future::or;
use nuncio_core::arcp::{JobResult, Refused};
use tracing::{Instrument as _, Span, debug, error, warn};

use super::context::JobContext;
use super::failure::Failure;
use super::job::Job;
use super::output::Output;
use super::registry::Registry;
use super::span;
use crate::arcp::server::hub::{Agents, Hub};
use crate::io::{Sanitized, Spawn};

/// Starts the agents of a registry on an executor, or on the server's own thread if they do not block.
pub(crate) struct Runner {
    registry: Registry,
    spawn: Spawn,
}

impl Runner {
    pub(crate) fn new(registry: Registry, spawn: Spawn) -> Runner {
        Runner { registry, spawn }
    }
}

impl Agents for Runner {
    fn start(&self, hub: &Arc<Hub>, job: &Arc<Job>, parent: &Span) {
        let span = span::of_job(job, parent);
        job.enter(&span);
        let Some(agent) = self.registry.find(&job.info.agent, job.info.version.as_deref()) else {
            error!(parent: &span, "the job's agent is not registered");
            conclude(hub, job, Err(Failure::internal("the agent is not there")));
            return;
        };
        let nonblocking = agent.is_nonblocking();
        let guard = Unfinished { hub: Arc::clone(hub), job: Arc::clone(job) };
        let ctx = JobContext::new(Arc::clone(hub), Arc::clone(job));
        let running = async move {
            debug!("the agent starts");
            // `run` is called inside the block, since it may panic before it returns a future.
            let work = async {
                // Copied only now, so that jobs which wait for a thread do not hold their inputs twice.
                let input = guard.job.info.input.as_deref().map(ToOwned::to_owned);
                agent.run_boxed(input, ctx).await
            };
            let returned = async { Some(AssertUnwindSafe(work).catch_unwind().await) };
            let over = async {
                guard.job.over().await;
                None
            };
            match or(returned, over).await {
                Some(Ok(result)) => conclude(&guard.hub, &guard.job, result),
                Some(Err(_)) => {
                    error!("the agent panicked");
                    conclude(&guard.hub, &guard.job, Err(Failure::internal("the agent panicked")));
                }
                None => debug!("the job has ended before its agent, or is left to the next start"),
            }
        };
        let running = Box::pin(running.instrument(span));
        if nonblocking {
            hub.io().spawn(running);
        } else {
            (self.spawn)(running);
        }
    }
}

/// Ends a job with what its agent returned.
fn conclude(hub: &Arc<Hub>, job: &Job, result: Result<Output, Failure>) {
    let finished = match result {
        Ok(Output::Inline(result)) => {
            hub.run(|state, now| state.runtime.finish(now, job.key, JobResult::Inline(&result)))
        }
        Ok(Output::Streamed { summary }) => {
            let summary = summary.map(Into::into);
            hub.run(|state, now| state.runtime.finish(now, job.key, JobResult::Streamed { summary }))
        }
        Err(failure) => fail(hub, job, failure),
    };
    let failed = match finished {
        Ok(()) | Err(Refused::Terminal | Refused::Stale) => return,
        Err(refused) => {
            warn!(job = %job.info.id, refused = %Sanitized(&refused), "the agent's result was refused");
            fail(hub, job, refused.into())
        }
    };
    if let Err(refused) = failed {
        warn!(job = %job.info.id, refused = %Sanitized(&refused), "the agent's failure was refused");
    }
}

fn fail(hub: &Arc<Hub>, job: &Job, failure: Failure) -> Result<(), Refused> {
    hub.run(|state, now| state.runtime.fail(now, job.key, failure.into()))
}

/// Ends a job whose agent was dropped before it returned, because its executor was shut down.
struct Unfinished {
    hub: Arc<Hub>,
    job: Arc<Job>,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.job.has_ended() {
            let failure = Failure::internal("the agent was stopped before it had finished");
            conclude(&self.hub, &self.job, Err(failure));
        }
    }
}
