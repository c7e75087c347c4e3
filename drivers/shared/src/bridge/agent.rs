//! The agent of a topic.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream as _;
use futures_lite::future::or;
use nuncio_core::cap::{InvalidSubject, Topic};

use super::note::Note;
use super::report::Silence;
use super::status::{Roster, Tally};
use super::{outcome, report, request};
use crate::arcp::server::status::PoolSource;
use crate::arcp::{Agent, Failure, JobContext, Json, OnRestart, Output, ServerBuilder};
use crate::cap::{Client, JobHandle, JobResult, ProgressEvent};
use crate::io::{BoxFuture, Driver};

/// A pool of CAP workers, to which the agents of an ARCP server hand their jobs.
///
/// | ARCP | CAP |
/// |---|---|
/// | input | the blob of `context_ptr` |
/// | `job_id` | `job_id` |
/// | principal | `principal_id`; in the production profile, whose packets name the one of the client, the label `x-arcp-principal` |
/// | trace | `trace_id` |
/// | `max_runtime_sec`, the end of the lease | `budget.deadline_ms` |
/// | lease | a blob that the label `x-lease-ptr` names |
/// | context of Caracal | the labels `traceparent`, `tracestate` and `baggage` |
/// | cancel, and every other end of the ARCP job | a `JobCancel` |
/// | `progress`, `artifact_ref` | `JobProgress`, artifacts of the result |
/// | `metric` with a cost | a `JobProgress` whose step is `x-cost` and whose message is an amount, as `0.05 USD` |
/// | result, error | `JobResult` |
///
/// The lease is enforced here: a job without budget is not sent, and one whose budget is exhausted or whose lease has ended
/// is cancelled. A worker reads the lease where it acts on it.
///
/// With a journal, a job goes on when the server has crashed or was stopped, and is started again: it is submitted again with the same id, its router says what
/// the pool has made of it, and no worker runs it twice. That takes a client with an id that stays the same. Of the progress
/// that was made meanwhile, the router keeps the latest
/// ([`RouterLimits::progress`](crate::cap::RouterLimits)). Without a journal, a server that is shut down ends its jobs, and
/// cancels them in the pool.
///
/// ```
/// # use nuncio_smol::{arcp, auth, bridge, cap};
/// # smol::block_on(async {
/// let (bus, store) = (cap::MemoryBus::new(), cap::MemoryStore::new());
/// # let router = cap::Router::builder().start(bus.another())?;
/// # let worker = cap::Worker::builder()
/// #     .job("job.shout", |_ctx: cap::JobContext, text: String| async move { Ok(text.to_uppercase()) })
/// #     .start(bus.another(), store.clone())?;
/// # worker.ready().await?;
/// let client = cap::Client::builder().id("front").connect(bus, store)?;
/// let pool = bridge::Pool::new(client);
/// let server = arcp::Server::builder().verifier(auth::StaticTokens::new().with("secret", "me"));
/// let server = pool.serve(server, "shout", "job.shout")?.build()?;
/// # let client = arcp::Client::over(server.memory_connector(), "secret").connect().await?;
/// # let mut job = client.submit(&arcp::Submit::new("shout").input("hello")).await?;
/// # assert_eq!(job.result::<String>().await?, "HELLO");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Pool<D> {
    roster: Arc<Roster<D>>,
    silence: Duration,
}

/// How long a pool may say nothing of a job before that is reported. Workers of Nuncio give a sign of each job every 5 s.
const SILENCE: Duration = Duration::from_secs(15);

impl<D: Driver> Pool<D> {
    /// Returns the pool that a client submits to. Give the client an [id](crate::cap::ClientBuilder::id), so that it has the
    /// same after a restart.
    pub fn new(client: Client<D>) -> Pool<D> {
        Pool { roster: Arc::new(Roster::new(client)), silence: SILENCE }
    }

    /// How long the pool may say nothing at all of a job before a `log` event of the level `warn` and a line of the log report
    /// that, once for each job, with what to check. The job goes on. Workers of Nuncio say that they have a job, and others may
    /// run it without reporting progress. Default: 15 seconds.
    #[must_use]
    pub fn warn_after(self, silence: Duration) -> Pool<D> {
        Pool { silence, ..self }
    }

    /// Returns an agent whose jobs run on the workers of a topic. Add it with
    /// [`agent_type`](ServerBuilder::agent_type), and declare [`OnRestart::Rerun`] for it, as [`serve`](Pool::serve) does.
    pub fn agent(&self, topic: &str) -> Result<PoolAgent<D>, InvalidSubject> {
        self.named_agent("", topic)
    }

    fn named_agent(&self, name: &str, topic: &str) -> Result<PoolAgent<D>, InvalidSubject> {
        let topic = Topic::new(topic)?;
        let tally = Tally::new(name, topic.as_str());
        Ok(PoolAgent { client: self.roster.client.clone(), topic, tally, silence: self.silence })
    }

    /// Adds an agent whose jobs run on the workers of a topic. With a journal, its jobs outlive a restart of the server. The
    /// server's operators see how the pool does ([`PoolStatus`](crate::arcp::PoolStatus)).
    pub fn serve(&self, server: ServerBuilder<D>, name: &str, topic: &str) -> Result<ServerBuilder<D>, InvalidSubject> {
        let bare = name.split_once('@').map_or(name, |(bare, _)| bare);
        let agent = self.named_agent(name, topic)?;
        self.roster.add(&agent.tally);
        let roster: Arc<dyn PoolSource> = Arc::clone(&self.roster) as _;
        Ok(server.agent_type(name, agent).on_restart(bare, OnRestart::Rerun).pool(roster))
    }
}

impl<D> std::fmt::Debug for Pool<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("client", &self.roster.client).finish_non_exhaustive()
    }
}

/// An agent whose jobs run on the workers of a topic. From [`Pool::agent`].
pub struct PoolAgent<D> {
    client: Client<D>,
    topic: Topic,
    tally: Arc<Tally>,
    silence: Duration,
}

impl<D> std::fmt::Debug for PoolAgent<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PoolAgent").field("topic", &self.topic.as_str()).finish_non_exhaustive()
    }
}

impl<D: Driver> Agent for PoolAgent<D> {
    async fn run(&self, input: Option<Box<Json>>, ctx: JobContext) -> Result<Output, Failure> {
        if let Some(failure) = report::exhausted(&ctx) {
            return Err(failure);
        }
        let mut note = match Note::left(&ctx)? {
            Some(note) if note.sender == self.client.id() => note,
            Some(note) => return Err(other_sender(&note, self.client.id())),
            None => {
                let note = Note::new(&ctx, self.client.id(), self.topic.as_str());
                // On record before the request is sent, so that the same request is sent after a crash.
                ctx.note(note.text()?).await?;
                note
            }
        };
        let submit = request::submit(&ctx, &self.client, &note, input.as_deref()).await?;
        // It is in the request. This copy would be held as long as the job runs.
        drop(input);
        let job = self.client.submit(submit).await.map_err(|error| request::not_submitted(&error))?;
        let outstanding = self.tally.dispatch();
        let mut job = Guard { job, ctx: ctx.clone(), is_over: false };
        let silence = Silence { client: self.client.id(), topic: self.topic.as_str(), after: self.silence };
        job.follow(&mut note, silence, self.client.pause(self.silence)).await?;
        let result = job.end().await?;
        drop(outstanding);
        report::artifacts(&ctx, &mut note, &result).await?;
        outcome::conclude(&ctx, &mut job.job, &result).await
    }
}

/// Returns the failure of a job that this client cannot ask for: routers answer a request to its sender only.
fn other_sender(note: &Note, id: &str) -> Failure {
    let sender = &note.sender;
    Failure::internal(format!(
        "the job was submitted to the pool by {sender:?}, and this client is {id:?}; give it the same id as before the restart"
    ))
}

/// A CAP job that is cancelled when its ARCP job has ended before it.
struct Guard {
    job: JobHandle,
    ctx: JobContext,
    is_over: bool,
}

/// What happens next to a job.
enum Next {
    Progress(Option<ProgressEvent>),
    Cancelled,
    Silent,
}

impl Guard {
    /// Reports the progress of the job until it has its result.
    async fn follow(
        &mut self,
        note: &mut Note,
        silence: Silence<'_>,
        mut silent: BoxFuture<'static, ()>,
    ) -> Result<(), Failure> {
        let (mut is_cancelled, mut is_heard) = (false, false);
        loop {
            let mut progress = self.job.progress();
            let progress = async { Next::Progress(poll_fn(|cx| Pin::new(&mut progress).poll_next(cx)).await) };
            let cancelled = async {
                if is_cancelled {
                    return std::future::pending().await;
                }
                self.ctx.cancelled().await;
                if self.ctx.is_left() {
                    // The agent is dropped.
                    return std::future::pending().await;
                }
                Next::Cancelled
            };
            let silent = async {
                if is_heard {
                    return std::future::pending().await;
                }
                silent.as_mut().await;
                Next::Silent
            };
            match or(or(cancelled, progress), silent).await {
                Next::Progress(None) => return Ok(()),
                Next::Silent => {
                    is_heard = true;
                    if !self.job.is_heard() {
                        report::silent(&self.ctx, note, silence).await?;
                    }
                }
                Next::Progress(Some(progress)) => {
                    is_heard = true;
                    report::report_progress(&self.ctx, note, &progress).await?;
                    if !is_cancelled && let Some(failure) = report::exhausted(&self.ctx) {
                        self.cancel("the budget of the job is exhausted");
                        self.is_over = true;
                        return Err(failure);
                    }
                }
                Next::Cancelled => {
                    is_cancelled = true;
                    self.cancel(self.ctx.cancel_reason().unwrap_or("the job was cancelled"));
                }
            }
        }
    }

    /// Returns the result of the job.
    async fn end(&mut self) -> Result<JobResult, Failure> {
        let result = self.job.outcome().await;
        self.is_over = true;
        result.map_err(|error| Failure::internal(format!("the pool has not answered: {error}")))
    }

    fn cancel(&self, reason: &str) {
        // Refused if the job has ended, and then its result is there.
        drop(self.job.cancel(reason));
    }
}

impl Drop for Guard {
    /// The agent is dropped when its job has ended, for example at its deadline. It is also dropped when its job is left to
    /// the next start of the server, and when its executor is, as in a process that ends: then the job goes on in the pool.
    fn drop(&mut self) {
        let is_stopped = self.ctx.has_ended() || self.ctx.is_cancelled();
        if !self.is_over && is_stopped && !self.ctx.is_left() {
            self.cancel(self.ctx.cancel_reason().unwrap_or("the job has ended"));
        }
    }
}
