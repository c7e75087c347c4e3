//! Tests of handlers, workers and clients without a server.
//!
//! [`run_handler`] calls a handler once; [`HandlerTest`] says more about its job. [`Recorder`] keeps what is published on a
//! [`MemoryBus`], on which workers and clients run as on NATS; its [`cut`](MemoryBus::cut) and
//! [`restore`](MemoryBus::restore) break a connection. [`MemoryStore`](crate::cap::MemoryStore) is the blob store.

use std::sync::{Arc, Mutex};

use futures_lite::StreamExt as _;
use futures_lite::future::{block_on, poll_once};
use nuncio_core::cap::{Attempt, JobRequest, Progress, WorkerJob, WorkerRefused};
use nuncio_core::time::Time;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cap::bus::memory::MemoryBus;
use crate::cap::bus::{Bus as _, BusError, Message, Subscription};
use crate::cap::worker::content::Content;
use crate::cap::worker::context::JobContext;
use crate::cap::worker::failure::Failure;
use crate::cap::worker::handler::{Function, Handler};
use crate::cap::worker::job::{Job, Reports};
use crate::cap::worker::middleware::{self, Middleware};
use crate::io::clock::Clock;
use crate::io::sync::lock;
use crate::io::{BoxFuture, CancellationToken};

/// Calls a handler once with an input, as a worker would, and returns what it has done. A panic of the handler is passed on.
///
/// The job has the id `test-job-1`, the topic `job.test` and the trace `test-trace`.
///
/// ```
/// use nuncio_shared::cap::{Failure, JobContext, testing};
///
/// async fn count(ctx: JobContext, words: Vec<String>) -> Result<usize, Failure> {
///     ctx.progress(50).await?;
///     Ok(words.len())
/// }
///
/// # futures_lite::future::block_on(async {
/// let run = testing::run_handler(count, &["to", "be"]).await;
/// assert_eq!(run.output.unwrap(), 2);
/// assert_eq!(run.progress[0].percent, 50);
///
/// let run = testing::run_handler(count, &7).await;
/// assert!(run.output.unwrap_err().message().contains("expected a sequence"));
/// # })
/// ```
pub async fn run_handler<F, I, O, R>(handler: F, input: &(impl Serialize + ?Sized)) -> HandlerRun
where
    F: Fn(JobContext, I) -> R + Send + Sync + 'static,
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
    R: Future<Output = Result<O, Failure>> + Send + 'static,
{
    HandlerTest::new(handler).run(input).await
}

/// What a handler has done; from [`run_handler`] and [`HandlerTest::run`].
#[derive(Clone, Debug)]
pub struct HandlerRun {
    /// What it returned, as JSON.
    pub output: Result<Value, Failure>,
    /// The progress that it has reported.
    pub progress: Vec<Progress>,
}

/// A handler under test, with a job of one's choice.
///
/// ```
/// use nuncio_shared::cap::{Failure, JobContext, testing::HandlerTest};
///
/// async fn greet(ctx: JobContext, (): ()) -> Result<String, Failure> {
///     Ok(format!("hello, {}", ctx.labels()["name"]))
/// }
///
/// # futures_lite::future::block_on(async {
/// let test = HandlerTest::new(greet).request(|request| _ = request.labels.insert("name".into(), "Ada".into()));
/// assert_eq!(test.run(&()).await.output.unwrap(), "hello, Ada");
/// # })
/// ```
pub struct HandlerTest {
    handler: Arc<dyn Handler>,
    middleware: Vec<Arc<dyn Middleware>>,
    request: JobRequest,
    attempt: u32,
    cancelled: CancellationToken,
}

impl HandlerTest {
    /// Tests a handler.
    pub fn new<F, I, O, R>(handler: F) -> HandlerTest
    where
        F: Fn(JobContext, I) -> R + Send + Sync + 'static,
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
        R: Future<Output = Result<O, Failure>> + Send + 'static,
    {
        let request = JobRequest { job_id: "test-job-1".into(), topic: "job.test".into(), ..JobRequest::default() };
        let (middleware, cancelled) = (Vec::new(), CancellationToken::new());
        HandlerTest { handler: Arc::new(Function::new(handler, false)), middleware, request, attempt: 1, cancelled }
    }

    /// Adds middleware around the handler. The first one is the outermost.
    #[must_use]
    pub fn layer(mut self, middleware: impl Middleware) -> HandlerTest {
        self.middleware.push(Arc::new(middleware));
        self
    }

    /// Changes the request that the handler sees.
    #[must_use]
    pub fn request(mut self, change: impl FnOnce(&mut JobRequest)) -> HandlerTest {
        change(&mut self.request);
        self
    }

    /// Sets the number of the call that the handler sees. Default: 1.
    #[must_use]
    pub fn attempt(mut self, number: u32) -> HandlerTest {
        self.attempt = number;
        self
    }

    /// Returns the token by which the test cancels the job.
    pub fn cancellation(&self) -> CancellationToken {
        self.cancelled.clone()
    }

    /// Calls the handler once.
    pub async fn run(self, input: &(impl Serialize + ?Sized)) -> HandlerRun {
        let reported = Arc::new(Reported { progress: Mutex::default(), clock: Clock::start() });
        let input = match serde_json::to_vec(input) {
            Ok(input) => Content::Text(input.into()),
            Err(error) => {
                let failure = Failure::invalid_input(format!("the input cannot be written as JSON: {error}"));
                return HandlerRun { output: Err(failure), progress: Vec::new() };
            }
        };
        let job = Arc::new(Job {
            trace_id: "test-trace".to_owned(),
            sender_id: "test-client".to_owned(),
            request: self.request,
            deadline: None,
            cancelled: self.cancelled,
        });
        let attempt = Attempt { job: WorkerJob::default(), number: self.attempt };
        let reports: Arc<dyn Reports> = Arc::clone(&reported) as Arc<dyn Reports>;
        let ctx = JobContext::new(job, attempt, self.attempt, reports);
        let output = middleware::call(&self.middleware.into(), &self.handler, ctx, input).await;
        let output = output.and_then(Content::into_value);
        let progress = std::mem::take(&mut *lock(&reported.progress));
        HandlerRun { output, progress }
    }
}

impl std::fmt::Debug for HandlerTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HandlerTest").field("request", &self.request).finish_non_exhaustive()
    }
}

/// Keeps the progress of a handler.
struct Reported {
    progress: Mutex<Vec<Progress>>,
    clock: Clock,
}

impl Reports for Reported {
    fn progress(
        self: Arc<Self>,
        _attempt: Attempt,
        progress: Progress,
    ) -> BoxFuture<'static, Result<(), WorkerRefused>> {
        let is_percentage = (0..=100).contains(&progress.percent);
        let reported = if is_percentage {
            lock(&self.progress).push(progress);
            Ok(())
        } else {
            Err(WorkerRefused::Percent)
        };
        Box::pin(std::future::ready(reported))
    }

    fn now(&self) -> Time {
        self.clock.now()
    }
}

/// Keeps every message that is published on a bus.
///
/// ```
/// use nuncio_shared::cap::{Bus as _, MemoryBus, Message, testing::Recorder};
///
/// # futures_lite::future::block_on(async {
/// let bus = MemoryBus::new();
/// let mut recorder = Recorder::new(&bus)?;
/// bus.publish(Message { subject: "job.echo".into(), ..Message::default() }).await?;
/// assert_eq!(recorder.messages()[0].subject, "job.echo");
/// # Ok::<(), nuncio_shared::cap::BusError>(())
/// # }).unwrap();
/// ```
pub struct Recorder {
    all: Subscription,
    /// The connection that the subscription belongs to.
    _bus: MemoryBus,
    messages: Vec<Message>,
}

impl Recorder {
    /// Begins to record, on a connection of its own.
    pub fn new(bus: &MemoryBus) -> Result<Recorder, BusError> {
        let bus = bus.another();
        let all = block_on(bus.subscribe(">", None))?;
        Ok(Recorder { all, _bus: bus, messages: Vec::new() })
    }

    /// Returns the messages that were published so far, in their order.
    pub fn messages(&mut self) -> &[Message] {
        while let Some(Some(received)) = block_on(poll_once(self.all.next())) {
            self.messages.push(received.message);
        }
        &self.messages
    }

    /// Waits for the next message on a subject.
    pub async fn next(&mut self, subject: &str) -> Option<Message> {
        while let Some(received) = self.all.next().await {
            self.messages.push(received.message);
            if let Some(message) = self.messages.last().filter(|message| message.subject == subject) {
                return Some(message.clone());
            }
        }
        None
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("messages", &self.messages.len()).finish_non_exhaustive()
    }
}
