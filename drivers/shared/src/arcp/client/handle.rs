//! A job as its submitter or subscriber follows it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_channel::oneshot;
use futures_core::Stream;
use nuncio_core::arcp::Credential;
use nuncio_core::arcp::client::{Accepted, ChunkEvent, HandleId, JobEvent, Outcome, Product, Subscribed};

use super::owner::Owner;
use super::slot::{Answer, Item, Numbered, Slot};
use crate::arcp::error::{ClientError, SessionEnd};

/// A job that this client submitted, or that one of its jobs delegated.
pub type JobHandle = Follow<Accepted>;

/// A job that this client watches (§7.6).
pub type Subscription = Follow<Subscribed>;

/// A job and the stream of what happens to it, over as many connections as it takes. See [`JobHandle`] and
/// [`Subscription`].
///
/// What is not read waits here, and all handles of a client together may hold `ClientLimits::events` events: **then the
/// client reads no more from its connection**, for any handle, until some are taken. So read the handles of one client
/// concurrently, or drop those that are of no interest; [`outcome`](Follow::outcome) and [`collect`](Follow::collect)
/// pass over what is not read. Events count as processed, and are acknowledged, once the next is asked for.
///
/// Dropping a handle releases it: its job goes on, a subscription ends.
pub struct Follow<I> {
    follower: Follower,
    info: I,
    job_id: Arc<str>,
}

/// What happens to a job.
#[derive(Debug)]
#[non_exhaustive]
pub enum Update {
    /// An event.
    Event(JobEvent),
    /// A decoded piece of the streamed result (§8.4).
    Chunk(ChunkEvent),
    /// The streamed result cannot be put together: no more chunks follow.
    ChunkFault(&'static str),
    /// The job's credentials as they are valid now: they came again after a resume (§9.8).
    Credentials(Vec<Credential>),
    /// A job that this one delegated. Dropped, it goes on by itself.
    Child(Box<JobHandle>),
}

/// A job's result, collected.
#[derive(Clone, Debug)]
pub struct Collected {
    /// How the job ended.
    pub outcome: Outcome,
    /// The streamed result; empty where there was none.
    pub streamed: Vec<u8>,
}

impl Collected {
    /// The result as text: the streamed one, or the inline one as JSON. `None` if it is no UTF-8.
    pub fn text(&self) -> Option<&str> {
        match &self.outcome.result {
            Product::Inline(json) => Some(json.as_str()),
            Product::None | Product::Streamed { .. } | Product::Unknown => std::str::from_utf8(&self.streamed).ok(),
        }
    }

    /// The result read as JSON, inline or streamed.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        match &self.outcome.result {
            Product::Inline(json) => json.parse(),
            Product::None | Product::Streamed { .. } | Product::Unknown => serde_json::from_slice(&self.streamed),
        }
    }
}

/// Cancels a job from elsewhere than where its handle is. From [`Follow::control`].
#[derive(Clone)]
pub struct JobControl {
    owner: Arc<Owner>,
    handle: HandleId,
    job_id: Arc<str>,
}

impl JobControl {
    /// The job's id.
    pub fn job_id(&self) -> &str {
        &self.job_id
    }

    /// Asks for the job to be cancelled (§7.4). `Ok` once the runtime has taken it up, or the job has ended anyhow; the
    /// outcome shows which. Only a job's owner may.
    pub async fn cancel(&self, reason: Option<&str>) -> Result<(), ClientError> {
        let (sender, answer) = oneshot::channel();
        self.owner.hub.run(|state, now| {
            let request = state.client.cancel(now, self.handle, reason)?;
            state.cancels.insert(request, sender);
            Ok::<_, ClientError>(())
        })?;
        answer.await.unwrap_or_else(|_| Err(self.owner.hub.gone()))
    }
}

impl<I> Follow<I> {
    /// The job's id.
    pub fn job_id(&self) -> &str {
        &self.job_id
    }

    /// What was granted, or what may be known of a subscribed job.
    pub fn info(&self) -> &I {
        &self.info
    }

    /// What can be done with the job from elsewhere.
    pub fn control(&self) -> JobControl {
        JobControl {
            owner: Arc::clone(&self.follower.owner),
            handle: self.follower.handle,
            job_id: Arc::clone(&self.job_id),
        }
    }

    /// Asks for the job to be cancelled: [`JobControl::cancel`].
    pub async fn cancel(&self, reason: Option<&str>) -> Result<(), ClientError> {
        self.control().cancel(reason).await
    }

    /// What happens next; `None` after the job, or the session, has ended. Dropped while it waits, nothing is lost.
    pub async fn next(&mut self) -> Option<Update> {
        std::future::poll_fn(|cx| self.follower.poll_update(cx)).await
    }

    /// The events alone.
    pub fn events(&mut self) -> Events<'_> {
        Events { follower: &mut self.follower }
    }

    /// The pieces of the streamed result alone.
    pub fn chunks(&mut self) -> Chunks<'_> {
        Chunks { follower: &mut self.follower }
    }

    /// How the job ended; waits for it and passes over what was not read. An error is the session's end, not the job's.
    pub async fn outcome(&mut self) -> Result<Outcome, SessionEnd> {
        while self.next().await.is_some() {}
        self.follower.outcome()
    }

    /// The outcome with the whole result, of which at most `cap` streamed bytes are held.
    pub async fn collect(&mut self, cap: usize) -> Result<Collected, ClientError> {
        let mut streamed = Vec::new();
        while let Some(update) = self.next().await {
            match update {
                Update::Chunk(chunk) => {
                    if chunk.data.len() > cap - streamed.len() {
                        return Err(ClientError::ResultTooLarge { cap });
                    }
                    streamed.extend_from_slice(&chunk.data);
                }
                Update::ChunkFault(reason) => return Err(ClientError::ResultBroken(reason)),
                Update::Event(_) | Update::Credentials(_) | Update::Child(_) => {}
            }
        }
        let outcome = self.follower.outcome()?;
        if matches!(outcome.result, Product::Streamed { complete: false, .. }) {
            return Err(ClientError::ResultBroken("the job ended before its result was complete"));
        }
        Ok(Collected { outcome, streamed })
    }
}

impl<I> Stream for Follow<I>
where
    I: Unpin,
{
    type Item = Update;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Update>> {
        self.follower.poll_update(cx)
    }
}

impl<I> std::fmt::Debug for Follow<I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follow").field("job_id", &self.job_id).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for JobControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobControl").field("job_id", &self.job_id).finish_non_exhaustive()
    }
}

/// The events of a job. From [`Follow::events`].
pub struct Events<'a> {
    follower: &'a mut Follower,
}

impl Events<'_> {
    /// The next event; `None` after the job, or the session, has ended.
    pub async fn next(&mut self) -> Option<JobEvent> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<JobEvent>> {
        loop {
            match ready!(self.follower.poll_update(cx)) {
                Some(Update::Event(event)) => return Poll::Ready(Some(event)),
                Some(Update::Chunk(_) | Update::ChunkFault(_) | Update::Credentials(_) | Update::Child(_)) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Stream for Events<'_> {
    type Item = JobEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<JobEvent>> {
        self.poll(cx)
    }
}

/// The pieces of a streamed result. From [`Follow::chunks`].
pub struct Chunks<'a> {
    follower: &'a mut Follower,
}

impl Chunks<'_> {
    /// The next piece; `None` after the job, or the session, has ended. An error is the last thing.
    pub async fn next(&mut self) -> Option<Result<ChunkEvent, ClientError>> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<ChunkEvent, ClientError>>> {
        loop {
            match ready!(self.follower.poll_update(cx)) {
                Some(Update::Chunk(chunk)) => return Poll::Ready(Some(Ok(chunk))),
                Some(Update::ChunkFault(reason)) => return Poll::Ready(Some(Err(ClientError::ResultBroken(reason)))),
                Some(Update::Event(_) | Update::Credentials(_) | Update::Child(_)) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Stream for Chunks<'_> {
    type Item = Result<ChunkEvent, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

/// The reader of one handle's queue.
pub(super) struct Follower {
    owner: Arc<Owner>,
    handle: HandleId,
    slot: Arc<Slot>,
    /// Taken from the slot, not yet shown.
    items: Numbered<Item>,
    /// Shown, not yet reported.
    shown: Vec<u64>,
}

/// Events are reported as taken at least this often.
const REPORT: usize = 32;

impl Follower {
    pub(super) fn new(owner: Arc<Owner>, handle: HandleId, slot: Arc<Slot>) -> Follower {
        Follower { owner, handle, slot, items: Numbered::new(), shown: Vec::new() }
    }

    /// Waits for the answer of the request that made the handle.
    pub(super) async fn accepted(self) -> Result<JobHandle, ClientError> {
        match self.answer().await? {
            Answer::Accepted(accepted) => Ok(self.job(*accepted)),
            Answer::Subscribed(_) => Err(self.owner.hub.gone()),
        }
    }

    /// Waits for the answer of the request that made the handle.
    pub(super) async fn subscribed(self) -> Result<Subscription, ClientError> {
        match self.answer().await? {
            Answer::Subscribed(info) => {
                Ok(Follow { job_id: Arc::from(info.job_id.as_str()), info: *info, follower: self })
            }
            Answer::Accepted(_) => Err(self.owner.hub.gone()),
        }
    }

    async fn answer(&self) -> Result<Answer, ClientError> {
        std::future::poll_fn(|cx| self.slot.poll_answer(cx.waker())).await
    }

    fn job(self, info: Accepted) -> JobHandle {
        Follow { job_id: Arc::from(info.job_id.as_str()), info, follower: self }
    }

    fn poll_update(&mut self, cx: &mut Context<'_>) -> Poll<Option<Update>> {
        if self.items.is_empty() || self.shown.len() >= REPORT {
            self.owner.hub.taken(&mut self.shown);
        }
        if self.items.is_empty() && ready!(self.slot.poll_items(cx.waker(), &mut self.items)).is_none() {
            return Poll::Ready(None);
        }
        Poll::Ready(self.items.pop_front().map(|(index, item)| {
            self.shown.push(index);
            match item {
                Item::Event(event) => Update::Event(event),
                Item::Chunk(chunk) => Update::Chunk(chunk),
                Item::ChunkFault(reason) => Update::ChunkFault(reason),
                Item::Credentials(credentials) => Update::Credentials(credentials),
                Item::Child(handle, accepted, slot) => {
                    let follower = Follower::new(Arc::clone(&self.owner), handle, slot);
                    Update::Child(Box::new(follower.job(*accepted)))
                }
            }
        }))
    }

    fn outcome(&self) -> Result<Outcome, SessionEnd> {
        match self.slot.ended() {
            Some(end) => end.map(|outcome| *outcome),
            None => Err(SessionEnd::Closed(nuncio_core::arcp::client::CloseReason::Asked)),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let unread = self.slot.release();
        let mut taken = std::mem::take(&mut self.shown);
        let mut children = Vec::new();
        for (index, item) in self.items.drain(..).chain(unread) {
            taken.push(index);
            if let Item::Child(child, _, slot) = item {
                children.push(Follower::new(Arc::clone(&self.owner), child, slot));
            }
        }
        self.owner.hub.run(|state, now| {
            state.slots.remove(&self.handle);
            state.client.release(now, self.handle);
            for index in taken {
                state.take(now, index);
            }
        });
        // Each releases itself, and its own children.
        drop(children);
    }
}
