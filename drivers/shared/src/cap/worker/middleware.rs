//! Code around handlers.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::content::Content;
use super::context::JobContext;
use super::failure::Failure;
use super::handler::Handler;
use crate::io::BoxFuture;

/// Code around every handler of a worker, such as logging, authorisation, measuring.
///
/// Middleware runs in the order in which it was added: the first one is the outermost. It sees the input as JSON, may change
/// it, and calls [`Next::run`] for the rest; without that call, what it returns is the output of the job. It runs again with
/// every attempt of a job.
///
/// A function `async fn(JobContext, Value, Next) -> Result<Value, Failure>` is middleware.
///
/// ```
/// use nuncio_shared::cap::{Failure, JobContext, Next};
/// use serde_json::Value;
///
/// async fn only_with_tenant(ctx: JobContext, input: Value, next: Next) -> Result<Value, Failure> {
///     if !ctx.labels().contains_key("tenant") {
///         return Err(Failure::fatal("the label `tenant` is missing"));
///     }
///     next.run(ctx, input).await
/// }
/// // A worker takes it with `Worker::builder().layer(only_with_tenant)`.
/// ```
pub trait Middleware: Send + Sync + 'static {
    /// Handles a job.
    fn handle(&self, ctx: JobContext, input: Value, next: Next) -> BoxFuture<'static, Result<Value, Failure>>;
}

impl<F, R> Middleware for F
where
    F: Fn(JobContext, Value, Next) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Value, Failure>> + Send + 'static,
{
    fn handle(&self, ctx: JobContext, input: Value, next: Next) -> BoxFuture<'static, Result<Value, Failure>> {
        Box::pin(self(ctx, input, next))
    }
}

/// What follows a middleware: further middleware, then the handler.
pub struct Next {
    chain: Arc<[Arc<dyn Middleware>]>,
    /// The number of the middleware that is next.
    at: usize,
    handler: Arc<dyn Handler>,
}

impl Next {
    /// Calls the rest of the chain.
    pub fn run(mut self, ctx: JobContext, input: Value) -> BoxFuture<'static, Result<Value, Failure>> {
        let Some(middleware) = self.chain.get(self.at).cloned() else {
            let output = self.handler.call(ctx, Content::Value(input));
            return Box::pin(async move { output.await?.into_value() });
        };
        self.at += 1;
        middleware.handle(ctx, input, self)
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("left", &self.chain.len().saturating_sub(self.at)).finish_non_exhaustive()
    }
}

/// Calls a handler through middleware. The input is not parsed twice if there is none.
pub(crate) fn call(
    chain: &Arc<[Arc<dyn Middleware>]>,
    handler: &Arc<dyn Handler>,
    ctx: JobContext,
    input: Content,
) -> BoxFuture<'static, Result<Content, Failure>> {
    if chain.is_empty() {
        return handler.call(ctx, input);
    }
    let next = Next { chain: Arc::clone(chain), at: 0, handler: Arc::clone(handler) };
    match input.into_value() {
        Ok(input) => {
            let output = next.run(ctx, input);
            Box::pin(async move { Ok(Content::Value(output.await?)) })
        }
        Err(failure) => Box::pin(std::future::ready(Err(failure))),
    }
}
