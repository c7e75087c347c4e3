//! Middleware that logs.

use serde_json::Value;
use tracing::{info, warn};

use super::context::JobContext;
use super::failure::Failure;
use super::middleware::{Middleware, Next};
use crate::io::BoxFuture;
use crate::io::clock::monotonic;

/// Middleware that logs the start and the end of every attempt, with the fields `job_id`, `trace_id`, `topic`, `sender_id` and
/// `attempt`, and at the end the time that it took. Inputs and outputs are not logged.
///
/// ```
/// # use nuncio_smol::cap::{JobContext, Worker};
/// use nuncio_shared::cap::Logging;
///
/// let worker = Worker::builder()
///     .layer(Logging)
///     .job("job.echo", |_: JobContext, input: String| async move { Ok(input) });
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Logging;

impl Middleware for Logging {
    fn handle(&self, ctx: JobContext, input: Value, next: Next) -> BoxFuture<'static, Result<Value, Failure>> {
        Box::pin(async move {
            let (job_id, trace_id) = (ctx.job_id(), ctx.trace_id());
            let (topic, sender_id, attempt) = (ctx.topic(), ctx.sender(), ctx.attempt());
            info!(job_id, trace_id, topic, sender_id, attempt, "the handler starts");
            let started = monotonic();
            let output = next.run(ctx.clone(), input).await;
            let took = started.elapsed();
            match &output {
                Ok(_) => info!(job_id, trace_id, topic, sender_id, attempt, ?took, "the handler has returned"),
                Err(failure) => {
                    let (kind, error) = (failure.kind(), failure.message());
                    warn!(job_id, trace_id, topic, sender_id, attempt, ?took, ?kind, ?error, "the handler has failed");
                }
            }
            output
        })
    }
}
