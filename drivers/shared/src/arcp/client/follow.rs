//! The handle of a job that was submitted or subscribed to.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use nuncio_core::arcp::client::{Accepted, ChunkEvent, JobEvent, Outcome, Subscribed};
use nuncio_core::arcp::{Credential, JobId};
use serde::de::DeserializeOwned;

use super::control::JobControl;
use super::error::{CallError, ClientError, SessionEnd};
use super::events::{Chunks, Events};
use super::follower::Follower;
use super::result::Collected;
use super::slot::{Answer, Item};

/// A job that this client submitted, or that one of its jobs delegated.
///
/// ```
/// # use nuncio_smol::arcp::{CallError, Client, ErrorCode, Failure, JobContext, Level, Server, Submit};
/// # use nuncio_smol::auth::StaticTokens;
/// # let divide = |(a, b): (u32, u32), ctx: JobContext| async move {
/// #     ctx.log(Level::Info, "dividing").await?;
/// #     a.checked_div(b).ok_or_else(|| Failure::invalid("nothing can be divided by 0"))
/// # };
/// # smol::block_on(async {
/// # let server = Server::builder().verifier(StaticTokens::new().with("secret", "me")).agent("divide", divide).build()?;
/// # let client = Client::over(server.memory_connector(), "secret").connect().await?;
/// let mut job = client.submit(&Submit::new("divide").input(&(6, 3))).await?;
/// while let Some(event) = job.events().try_next().await? {
///     println!("{} {}", event.kind.as_str(), event.body.as_str());
/// }
/// assert_eq!(job.result::<u32>().await?, 2);
///
/// let mut job = client.submit(&Submit::new("divide").input(&(6, 0))).await?;
/// match job.result::<u32>().await {
///     Err(CallError::Job(error)) if error.code == ErrorCode::InvalidRequest => println!("{error}"),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub type JobHandle = Follow<Accepted>;

/// A job that this client watches (§7.6).
///
/// ```
/// # use nuncio_smol::arcp::{Client, FinalStatus, JobContext, Server, Submit, Subscribe};
/// # use nuncio_smol::auth::StaticTokens;
/// # let agent = |_: (), _: JobContext| async { Ok(7) };
/// # smol::block_on(async {
/// # let server = Server::builder().verifier(StaticTokens::new().with("secret", "me")).agent("answer", agent).build()?;
/// # let client = Client::over(server.memory_connector(), "secret").connect().await?;
/// # let watcher = Client::over(server.memory_connector(), "secret").connect().await?;
/// let job = client.submit(&Submit::new("answer")).await?;
///
/// let from_the_beginning = Subscribe { history: true, ..Subscribe::default() };
/// let mut watched = watcher.subscribe(job.job_id(), from_the_beginning).await?;
/// assert_eq!(watched.info().agent.as_deref(), Some("answer"));
/// assert_eq!(watched.outcome().await?.status, FinalStatus::Success);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub type Subscription = Follow<Subscribed>;

/// A handle of a job, which is also the stream of its updates. It outlives lost connections. See [`JobHandle`] and
/// [`Subscription`].
///
/// Updates wait in the handle until they are read. When all handles of a client together hold `ClientLimits::events`
/// events, **the client stops reading from its connection**, for every handle, until some are read. So read the handles
/// of one client concurrently, and drop those that you do not need. [`outcome`](Follow::outcome),
/// [`result`](Follow::result) and [`collect`](Follow::collect) skip updates that were not read. An event counts as
/// processed, and can be acknowledged, once the next one is requested.
///
/// As a stream it yields [`Update`]s and ends with the job. If the session ends first, its last item is the reason.
///
/// Dropping a handle releases it: its job goes on, a subscription ends.
///
/// ```
/// # use nuncio_smol::arcp::{Client, JobContext, Output, Server, Submit, Update};
/// # use nuncio_smol::auth::StaticTokens;
/// # let story = |_: (), ctx: JobContext| async move {
/// #     let mut writer = ctx.writer();
/// #     writer.write_text("once upon ").await?;
/// #     writer.finish_text("a time").await?;
/// #     Ok(Output::streamed("a story"))
/// # };
/// # smol::block_on(async {
/// # let server = Server::builder().verifier(StaticTokens::new().with("secret", "me")).agent("story", story).build()?;
/// # let client = Client::over(server.memory_connector(), "secret").connect().await?;
/// let mut job = client.submit(&Submit::new("story")).await?;
/// let mut text = Vec::new();
/// while let Some(update) = job.try_next().await? {
///     match update {
///         Update::Event(event) => println!("{}", event.kind.as_str()),
///         Update::Chunk(chunk) => text.extend_from_slice(&chunk.data),
///         _ => {}
///     }
/// }
/// assert_eq!(text, b"once upon a time");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Follow<I> {
    follower: Follower,
    info: I,
    job_id: JobId,
}

/// An update of a job.
#[derive(Debug)]
#[non_exhaustive]
pub enum Update {
    /// An event.
    Event(JobEvent),
    /// A decoded chunk of the streamed result (§8.4).
    Chunk(ChunkEvent),
    /// The streamed result cannot be assembled, for this reason. No more chunks follow.
    ChunkFault(&'static str),
    /// The job's credentials that are valid now. The runtime sends them again after a resume (§9.8).
    Credentials(Vec<Credential>),
    /// A job that this one has delegated. If the handle is dropped, the child job goes on.
    Child(Box<JobHandle>),
}

impl JobHandle {
    /// Waits for the answer to a submit.
    pub(super) async fn accepted(follower: Follower) -> Result<JobHandle, ClientError> {
        match follower.answer().await? {
            Answer::Accepted(accepted) => Ok(JobHandle::new(follower, *accepted)),
            Answer::Subscribed(_) => Err(follower.owner.hub.gone()),
        }
    }

    fn new(follower: Follower, info: Accepted) -> JobHandle {
        Follow { job_id: info.job_id.clone(), info, follower }
    }
}

impl Subscription {
    /// Waits for the answer to a subscribe.
    pub(super) async fn subscribed(follower: Follower) -> Result<Subscription, ClientError> {
        match follower.answer().await? {
            Answer::Subscribed(info) => Ok(Follow { job_id: info.job_id.clone(), info: *info, follower }),
            Answer::Accepted(_) => Err(follower.owner.hub.gone()),
        }
    }
}

impl<I> Follow<I> {
    /// Returns the job's id.
    pub fn job_id(&self) -> &JobId {
        &self.job_id
    }

    /// Returns what the runtime answered to the submit or the subscribe.
    pub fn info(&self) -> &I {
        &self.info
    }

    /// Returns a value that cancels the job and does not borrow the handle.
    pub fn control(&self) -> JobControl {
        JobControl {
            owner: Arc::clone(&self.follower.owner),
            handle: self.follower.handle,
            job_id: self.job_id.clone(),
        }
    }

    /// Requests that the job be cancelled; see [`JobControl::cancel`].
    pub async fn cancel(&self, reason: Option<&str>) -> Result<(), ClientError> {
        self.control().cancel(reason).await
    }

    /// Returns the next update, or `None` once the job has ended. An error means that the session has ended; the job
    /// goes on.
    ///
    /// No update is lost if the future is dropped. Chunks that [`events`](Follow::events) or
    /// [`outcome`](Follow::outcome) have skipped are returned first, as one chunk.
    pub async fn try_next(&mut self) -> Result<Option<Update>, SessionEnd> {
        let item = std::future::poll_fn(|cx| self.follower.poll_item(cx)).await;
        Ok(self.follower.or_end(item)?.map(|item| self.update(item)))
    }

    /// Returns a stream of the events alone.
    ///
    /// It keeps the chunks of a streamed result, up to [`max_result_bytes`](super::ClientBuilder::max_result_bytes),
    /// for [`result`](Follow::result), [`collect`](Follow::collect) or [`chunks`](Follow::chunks). Child jobs and
    /// credentials are skipped.
    pub fn events(&mut self) -> Events<'_> {
        Events { follower: &mut self.follower }
    }

    /// Returns a stream of the chunks of the streamed result. All other updates are skipped. An inline result has no
    /// chunks.
    pub fn chunks(&mut self) -> Chunks<'_> {
        Chunks::new(&mut self.follower, &self.job_id)
    }

    /// Waits for the job's end and returns its outcome, whether or not it succeeded. An error means that the session
    /// has ended; the job goes on.
    ///
    /// Updates that were not read are skipped, but chunks are kept as by [`events`](Follow::events).
    pub async fn outcome(&mut self) -> Result<Outcome, SessionEnd> {
        while let Some(item) = std::future::poll_fn(|cx| self.follower.poll_other(cx)).await {
            item?;
        }
        self.follower.outcome()
    }

    /// Waits for the job's end and returns its result, read as JSON. A job that did not succeed is an error.
    ///
    /// A streamed result may have up to [`max_result_bytes`](super::ClientBuilder::max_result_bytes), and its chunks
    /// must not have been read before. Other updates that were not read are skipped.
    pub async fn result<T: DeserializeOwned>(&mut self) -> Result<T, CallError> {
        let cap = self.follower.owner.max_result_bytes;
        self.collect(cap).await?.json().map_err(CallError::Decode)
    }

    /// Waits for the job's end and returns its result unparsed: JSON, text or bytes. A job that did not succeed is an
    /// error.
    ///
    /// A streamed result may have up to `cap` bytes, and its chunks must not have been read before. Other updates that
    /// were not read are skipped.
    pub async fn collect(&mut self, cap: usize) -> Result<Collected, CallError> {
        self.follower.collect(&self.job_id, cap).await
    }

    fn update(&self, item: Item) -> Update {
        match item {
            Item::Event(event) => Update::Event(event),
            Item::Chunk(chunk) => Update::Chunk(chunk),
            Item::ChunkFault(reason) => Update::ChunkFault(reason),
            Item::Credentials(credentials) => Update::Credentials(credentials),
            Item::Child(handle, accepted, slot) => {
                let follower = Follower::new(Arc::clone(&self.follower.owner), handle, slot);
                Update::Child(Box::new(JobHandle::new(follower, *accepted)))
            }
        }
    }
}

impl<I> Stream for Follow<I>
where
    I: Unpin,
{
    type Item = Result<Update, SessionEnd>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.follower.poll_item(cx));
        Poll::Ready(item.map(|item| item.map(|item| self.update(item))))
    }
}

impl<I> std::fmt::Debug for Follow<I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follow").field("job_id", &self.job_id).finish_non_exhaustive()
    }
}
