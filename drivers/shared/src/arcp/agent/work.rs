//! Agents as types, and functions as agents.

use std::marker::PhantomData;

use nuncio_core::arcp::Json;
use serde::de::DeserializeOwned;
use tracing::error;

use super::context::JobContext;
use super::failure::Failure;
use super::output::{IntoOutput, Output};
use crate::io::{BoxFuture, Sanitized};

/// An agent as a type. Most agents are functions `async fn(Input, JobContext) -> Result<Output, Failure>`, which
/// [`ServerBuilder::agent`](crate::arcp::ServerBuilder::agent) takes as they are; this trait is for agents that need the
/// input as text, or are chosen at run time.
///
/// ```
/// use nuncio_shared::arcp::{Agent, Failure, IntoOutput as _, JobContext, Json, Output};
///
/// /// Returns the length of its input's text.
/// struct Length;
///
/// impl Agent for Length {
///     async fn run(&self, input: Option<Box<Json>>, _ctx: JobContext) -> Result<Output, Failure> {
///         let length = input.map_or(0, |input| input.get().len());
///         length.into_output().map_err(|error| Failure::internal(error.to_string()))
///     }
/// }
///
/// // A server takes it with `Server::builder().agent_type("length", Length)`.
/// ```
pub trait Agent: Send + Sync + 'static {
    /// Runs one job, on the executor of the server's agents. The future is dropped when the job ends before it.
    fn run(&self, input: Option<Box<Json>>, ctx: JobContext) -> impl Future<Output = Result<Output, Failure>> + Send;

    /// Whether the agent never blocks its thread: it does no file or network access that blocks, takes no lock for long, and
    /// computes for no more than some tens of microseconds between two awaits. Its jobs then run on the thread of
    /// connections, so that a short one costs no change of threads. While such an agent blocks after all, no session of the
    /// server is served. Default: `false`.
    ///
    /// What the agent needs of an async runtime is that of the thread: on tokio, what it spawns runs there as well.
    fn nonblocking(&self) -> bool {
        false
    }
}

/// [`Agent`] in a form that can be a trait object.
pub(super) trait DynAgent: Send + Sync {
    fn run_boxed(&self, input: Option<Box<Json>>, ctx: JobContext) -> BoxFuture<'_, Result<Output, Failure>>;
    fn is_nonblocking(&self) -> bool;
}

impl<A: Agent> DynAgent for A {
    fn run_boxed(&self, input: Option<Box<Json>>, ctx: JobContext) -> BoxFuture<'_, Result<Output, Failure>> {
        Box::pin(self.run(input, ctx))
    }

    fn is_nonblocking(&self) -> bool {
        self.nonblocking()
    }
}

/// A function as an agent.
pub(crate) struct Function<F, I> {
    function: F,
    nonblocking: bool,
    input: PhantomData<fn(I)>,
}

impl<F, I> Function<F, I> {
    pub(crate) fn new(function: F, nonblocking: bool) -> Function<F, I> {
        Function { function, nonblocking, input: PhantomData }
    }
}

impl<F, I, O, R> Agent for Function<F, I>
where
    F: Fn(I, JobContext) -> R + Send + Sync + 'static,
    I: DeserializeOwned + Send + 'static,
    O: IntoOutput,
    R: Future<Output = Result<O, Failure>> + Send + 'static,
{
    async fn run(&self, input: Option<Box<Json>>, ctx: JobContext) -> Result<Output, Failure> {
        let parsed = serde_json::from_str(input.as_ref().map_or("null", |input| input.get()));
        drop(input);
        let parsed =
            parsed.map_err(|error| Failure::invalid(format!("the input is not what this agent takes: {error}")))?;
        (self.function)(parsed, ctx).await?.into_output().map_err(|error| {
            error!(error = %Sanitized(&error), "the agent's output cannot be written as JSON");
            Failure::internal("the agent's output cannot be written as JSON")
        })
    }

    fn nonblocking(&self) -> bool {
        self.nonblocking
    }
}
