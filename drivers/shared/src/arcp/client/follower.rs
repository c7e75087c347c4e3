//! The reader of one handle's queue.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use nuncio_core::arcp::JobId;
use nuncio_core::arcp::client::{CloseReason, HandleId, Outcome};

use super::backlog::Backlog;
use super::error::{CallError, ClientError, SessionEnd};
use super::owner::Owner;
use super::result::{self, Collected};
use super::slot::{Answer, Item, Numbered, Slot};

/// Reads the queue of a handle, reports which events were read, and releases the handle when it is dropped.
pub(super) struct Follower {
    pub(super) owner: Arc<Owner>,
    pub(super) handle: HandleId,
    slot: Arc<Slot>,
    /// Items that were taken from the slot and not returned yet.
    items: Numbered<Item>,
    /// The numbers of items that were returned and not reported to the machine yet.
    shown: Vec<u64>,
    backlog: Backlog,
    /// Whether the session's end was returned.
    lost: bool,
}

/// Returned items are reported to the machine after at most this many.
const REPORT: usize = 32;

impl Follower {
    pub(super) fn new(owner: Arc<Owner>, handle: HandleId, slot: Arc<Slot>) -> Follower {
        Follower {
            owner,
            handle,
            slot,
            items: Numbered::new(),
            shown: Vec::new(),
            backlog: Backlog::default(),
            lost: false,
        }
    }

    /// Waits for the answer of the request that made the handle.
    pub(super) async fn answer(&self) -> Result<Answer, ClientError> {
        std::future::poll_fn(|cx| self.slot.poll_answer(cx.waker())).await
    }

    /// Returns the next item. Those of the backlog come first.
    pub(super) fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Item, SessionEnd>>> {
        match self.backlog.pop() {
            Some(item) => Poll::Ready(Some(Ok(item))),
            None => self.poll_queue(cx),
        }
    }

    /// Returns the next item that is not part of a streamed result. Items that are go to the backlog.
    pub(super) fn poll_other(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Item, SessionEnd>>> {
        loop {
            match ready!(self.poll_queue(cx)) {
                Some(Ok(Item::Chunk(chunk))) => self.backlog.push(&chunk, self.owner.max_result_bytes),
                Some(Ok(Item::ChunkFault(reason))) => self.backlog.break_off(reason),
                other => return Poll::Ready(other),
            }
        }
    }

    /// Returns the item. Without one, returns `Ok(None)` at the job's end, and an error at the session's end.
    pub(super) fn or_end<T>(&self, item: Option<Result<T, SessionEnd>>) -> Result<Option<T>, SessionEnd> {
        match item {
            Some(item) => item.map(Some),
            None => self.outcome().map(|_| None),
        }
    }

    /// Returns how the job ended. All items must have been read.
    pub(super) fn outcome(&self) -> Result<Outcome, SessionEnd> {
        match self.slot.ended() {
            Some(end) => end.map(|outcome| *outcome),
            None => Err(SessionEnd::Closed(CloseReason::Asked)),
        }
    }

    /// Reads to the end of the job, and returns its outcome with the whole result.
    pub(super) async fn collect(&mut self, job_id: &JobId, cap: usize) -> Result<Collected, CallError> {
        loop {
            let over = self.backlog.exceeded().is_some() || self.backlog.len() > cap;
            if over && self.slot.ended().is_none() {
                return Err(CallError::TooLarge { cap: self.backlog.exceeded().unwrap_or(cap) });
            }
            match std::future::poll_fn(|cx| self.poll_queue(cx)).await {
                Some(Ok(Item::Chunk(chunk))) => self.backlog.push(&chunk, cap),
                Some(Ok(Item::ChunkFault(reason))) => self.backlog.break_off(reason),
                Some(Ok(Item::Event(_) | Item::Credentials(_) | Item::Child(..))) => {}
                Some(Err(end)) => return Err(end.into()),
                None => return Collected::new(job_id, self.outcome()?, &mut self.backlog, cap),
            }
        }
    }

    /// Returns an error if the job has failed, or if its streamed result is not complete.
    pub(super) fn check(&self, job_id: &JobId) -> Result<(), CallError> {
        result::streamed(job_id, &self.outcome()?, None).map(drop)
    }

    fn poll_queue(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Item, SessionEnd>>> {
        if self.items.is_empty() || self.shown.len() >= REPORT {
            self.owner.hub.taken(&mut self.shown);
        }
        if self.items.is_empty() && ready!(self.slot.poll_items(cx.waker(), &mut self.items)).is_none() {
            let end = self.outcome().err().filter(|_| !std::mem::replace(&mut self.lost, true));
            return Poll::Ready(end.map(Err));
        }
        Poll::Ready(self.items.pop_front().map(|(index, item)| {
            self.shown.push(index);
            Ok(item)
        }))
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
        // Each child releases its own handle, and its own children.
        drop(children);
    }
}
