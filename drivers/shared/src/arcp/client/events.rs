//! The events, or the chunks, of a job alone.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use nuncio_core::arcp::JobId;
use nuncio_core::arcp::client::{ChunkEvent, JobEvent};

use super::error::{CallError, SessionEnd};
use super::follower::Follower;
use super::slot::Item;

/// The events of a job. From [`Follow::events`](super::Follow::events).
///
/// The stream ends with the job. If the session ends first, its last item is the reason.
#[must_use = "a stream does nothing unless it is polled"]
pub struct Events<'a> {
    pub(super) follower: &'a mut Follower,
}

impl Events<'_> {
    /// Returns the next event, or `None` once the job has ended. An error is the session's end: the job goes on.
    pub async fn try_next(&mut self) -> Result<Option<JobEvent>, SessionEnd> {
        let item = std::future::poll_fn(|cx| self.poll(cx)).await;
        self.follower.or_end(item)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<JobEvent, SessionEnd>>> {
        loop {
            match ready!(self.follower.poll_other(cx)) {
                Some(Ok(Item::Event(event))) => return Poll::Ready(Some(Ok(event))),
                Some(Ok(_)) => {}
                Some(Err(end)) => return Poll::Ready(Some(Err(end))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Stream for Events<'_> {
    type Item = Result<JobEvent, SessionEnd>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

impl std::fmt::Debug for Events<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

/// The chunks of a streamed result. From [`Follow::chunks`](super::Follow::chunks).
///
/// The stream ends after the last chunk of a job that succeeded. If the job fails, the session ends first, or the chunks
/// are not the whole result, its last item is the reason.
#[must_use = "a stream does nothing unless it is polled"]
pub struct Chunks<'a> {
    follower: &'a mut Follower,
    job_id: &'a JobId,
    done: bool,
}

impl<'a> Chunks<'a> {
    pub(super) fn new(follower: &'a mut Follower, job_id: &'a JobId) -> Chunks<'a> {
        Chunks { follower, job_id, done: false }
    }

    /// Returns the next chunk, or `None` after the last chunk of a job that succeeded.
    pub async fn try_next(&mut self) -> Result<Option<ChunkEvent>, CallError> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<ChunkEvent>, CallError>> {
        loop {
            let item = ready!(self.follower.poll_item(cx));
            return Poll::Ready(match self.follower.or_end(item)? {
                Some(Item::Chunk(chunk)) => Ok(Some(chunk)),
                Some(Item::ChunkFault(reason)) => Err(CallError::Broken(reason)),
                Some(Item::Event(_) | Item::Credentials(_) | Item::Child(..)) => continue,
                None => self.follower.check(self.job_id).map(|()| None),
            });
        }
    }
}

impl Stream for Chunks<'_> {
    type Item = Result<ChunkEvent, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.done {
            return Poll::Ready(None);
        }
        let item = ready!(self.poll(cx)).transpose();
        self.done = !matches!(item, Some(Ok(_)));
        Poll::Ready(item)
    }
}

impl std::fmt::Debug for Chunks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunks").field("job_id", &self.job_id).finish_non_exhaustive()
    }
}
