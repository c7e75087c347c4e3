//! Functions as handlers of jobs.

use std::marker::PhantomData;
use std::sync::Arc;

use futures_channel::oneshot;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::Span;

use super::content::Content;
use super::context::JobContext;
use super::failure::Failure;
use crate::io::BoxFuture;

/// Runs the jobs of one topic.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Runs a job. The output has the form of the input.
    fn call(&self, ctx: JobContext, input: Content) -> BoxFuture<'static, Result<Content, Failure>>;

    /// Whether a call goes on when its future is dropped.
    fn blocks(&self) -> bool {
        false
    }

    /// Whether it never blocks its thread, so that it runs on the thread of the machine.
    fn is_nonblocking(&self) -> bool {
        false
    }
}

/// An async function as a handler.
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

impl<F, I, O, R> Handler for Function<F, I>
where
    F: Fn(JobContext, I) -> R + Send + Sync + 'static,
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
    R: Future<Output = Result<O, Failure>> + Send + 'static,
{
    fn call(&self, ctx: JobContext, input: Content) -> BoxFuture<'static, Result<Content, Failure>> {
        let as_value = input.is_value();
        match input.read() {
            Ok(input) => {
                let running = (self.function)(ctx, input);
                Box::pin(async move { Content::write(&running.await?, as_value) })
            }
            Err(failure) => Box::pin(std::future::ready(Err(failure))),
        }
    }

    fn is_nonblocking(&self) -> bool {
        self.nonblocking
    }
}

/// A function that blocks its thread, as a handler. Each call has a thread of its own.
pub(crate) struct Blocking<F, I> {
    function: Arc<F>,
    input: PhantomData<fn(I)>,
}

impl<F, I> Blocking<F, I> {
    pub(crate) fn new(function: F) -> Blocking<F, I> {
        Blocking { function: Arc::new(function), input: PhantomData }
    }
}

impl<F, I, O> Handler for Blocking<F, I>
where
    F: Fn(JobContext, I) -> Result<O, Failure> + Send + Sync + 'static,
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
{
    fn call(&self, ctx: JobContext, input: Content) -> BoxFuture<'static, Result<Content, Failure>> {
        let (function, span) = (Arc::clone(&self.function), Span::current());
        let (done, output) = oneshot::channel();
        let work = move || {
            let _entered = span.enter();
            let as_value = input.is_value();
            let output = input.read().and_then(|input| function(ctx, input));
            // Nobody waits for it if the worker was dropped.
            drop(done.send(output.and_then(|output| Content::write(&output, as_value))));
        };
        let started = std::thread::Builder::new().name("nuncio-job".to_owned()).spawn(work);
        Box::pin(async move {
            if let Err(error) = started {
                return Err(Failure::retryable(format!("the system refused a thread: {error}")));
            }
            output.await.unwrap_or_else(|_| Err(Failure::new(PANICKED)))
        })
    }

    fn blocks(&self) -> bool {
        true
    }
}

/// The message of a job whose handler has panicked.
pub(super) const PANICKED: &str = "the handler panicked";
