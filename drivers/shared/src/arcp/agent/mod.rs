//! Agents: the code that does the work of jobs.

use std::marker::PhantomData;

use nuncio_core::arcp::Json;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::error;

mod context;
mod delegate;
mod failure;
pub(crate) mod job;
pub(crate) mod registry;
pub(crate) mod run;
pub(crate) mod span;
mod writer;

pub use context::JobContext;
pub use delegate::{Child, ChildOutcome, Delegation};
pub use failure::Failure;
pub use writer::ResultWriter;

use crate::io::BoxFuture;

/// What runs for a job. Functions `async fn(Input, JobContext) -> Result<Output, Failure>` are given to
/// [`ServerBuilder::agent`](crate::arcp::ServerBuilder::agent) as they are; this is for what is no function.
pub trait Agent: Send + Sync + 'static {
    /// Runs one job. It runs on the runtime the server was built on; it is dropped when the job ends without it.
    fn run(&self, input: Option<Box<Json>>, ctx: JobContext) -> BoxFuture<'static, Result<Output, Failure>>;
}

/// What an agent returns.
#[derive(Clone, Debug)]
pub enum Output {
    /// An inline result: any JSON value.
    Inline(Box<Json>),
    /// What was written with [`JobContext::writer`] is the result, or there is none.
    Streamed {
        /// `summary` of the terminal message.
        summary: Option<String>,
    },
}

impl Output {
    /// The result was written with [`JobContext::writer`].
    pub fn streamed(summary: impl Into<String>) -> Output {
        Output::Streamed { summary: Some(summary.into()) }
    }
}

/// What an agent function may return: an [`Output`], or any value serde can write.
pub trait IntoOutput {
    /// The output, or why it cannot be written as JSON.
    fn into_output(self) -> Result<Output, serde_json::Error>;
}

impl IntoOutput for Output {
    fn into_output(self) -> Result<Output, serde_json::Error> {
        Ok(self)
    }
}

impl<T: Serialize> IntoOutput for T {
    fn into_output(self) -> Result<Output, serde_json::Error> {
        serde_json::value::to_raw_value(&self).map(Output::Inline)
    }
}

/// A function as an agent.
pub(crate) struct Function<F, I>(F, PhantomData<fn(I)>);

impl<F, I> Function<F, I> {
    pub(crate) fn new(function: F) -> Function<F, I> {
        Function(function, PhantomData)
    }
}

impl<F, I, O, R> Agent for Function<F, I>
where
    F: Fn(I, JobContext) -> R + Send + Sync + 'static,
    I: DeserializeOwned + Send + 'static,
    O: IntoOutput,
    R: Future<Output = Result<O, Failure>> + Send + 'static,
{
    fn run(&self, input: Option<Box<Json>>, ctx: JobContext) -> BoxFuture<'static, Result<Output, Failure>> {
        let parsed = serde_json::from_str(input.as_ref().map_or("null", |input| input.get()));
        drop(input);
        let running = match parsed {
            Ok(input) => (self.0)(input, ctx),
            Err(error) => {
                let failure = Failure::invalid(format!("the input is not what this agent takes: {error}"));
                return Box::pin(std::future::ready(Err(failure)));
            }
        };
        Box::pin(async move {
            running.await?.into_output().map_err(|error| {
                error!(%error, "the agent's output cannot be written as JSON");
                Failure::internal("the agent's output cannot be written as JSON")
            })
        })
    }
}
