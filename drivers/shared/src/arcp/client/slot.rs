//! What waits for the reader of one handle.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use nuncio_core::arcp::Credential;
use nuncio_core::arcp::client::{Accepted, ChunkEvent, HandleId, JobEvent, Outcome, Subscribed};

use super::error::{ClientError, SessionEnd};
use crate::io::sync::lock;

/// A queue of items with their numbers in the ledger.
pub(super) type Numbered<T> = VecDeque<(u64, T)>;

/// The queue between a client machine and the reader of one handle. Bounded by the machine, which stops reading.
#[derive(Default)]
pub(super) struct Slot {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    items: Numbered<Item>,
    answer: Option<Result<Answer, ClientError>>,
    end: Option<Result<Box<Outcome>, SessionEnd>>,
    waker: Option<Waker>,
    released: bool,
}

/// What a handle's reader is shown.
pub(super) enum Item {
    Event(JobEvent),
    Chunk(ChunkEvent),
    ChunkFault(&'static str),
    Credentials(Vec<Credential>),
    Child(HandleId, Box<Accepted>, Arc<Slot>),
}

/// How a handle began.
pub(super) enum Answer {
    Accepted(Box<Accepted>),
    Subscribed(Box<Subscribed>),
}

impl Slot {
    /// Queues an item and returns whom to wake; the item comes back where nobody reads any more.
    pub(super) fn push(&self, index: u64, item: Item) -> Result<Option<Waker>, Item> {
        let mut queue = lock(&self.queue);
        if queue.released {
            return Err(item);
        }
        queue.items.push_back((index, item));
        Ok(queue.waker.take())
    }

    pub(super) fn answer(&self, answer: Result<Answer, ClientError>) -> Option<Waker> {
        let mut queue = lock(&self.queue);
        queue.answer = Some(answer);
        queue.waker.take()
    }

    pub(super) fn end(&self, end: Result<Box<Outcome>, SessionEnd>) -> Option<Waker> {
        let mut queue = lock(&self.queue);
        queue.end.get_or_insert(end);
        queue.waker.take()
    }

    pub(super) fn poll_answer(&self, waker: &Waker) -> Poll<Result<Answer, ClientError>> {
        let mut queue = lock(&self.queue);
        if let Some(answer) = queue.answer.take() {
            return Poll::Ready(answer);
        }
        if let Some(Err(end)) = &queue.end {
            return Poll::Ready(Err(ClientError::Ended(end.clone())));
        }
        let former = queue.waker.replace(waker.clone());
        drop(queue);
        // It may be the last of its task, and that may hold this slot's reader.
        drop(former);
        Poll::Pending
    }

    /// Exchanges the reader's empty queue for the full one; none if the job or session has ended and all was taken.
    pub(super) fn poll_items(&self, waker: &Waker, taken: &mut Numbered<Item>) -> Poll<Option<()>> {
        let mut queue = lock(&self.queue);
        if !queue.items.is_empty() {
            std::mem::swap(&mut queue.items, taken);
            return Poll::Ready(Some(()));
        }
        if queue.end.is_some() {
            return Poll::Ready(None);
        }
        let former = queue.waker.replace(waker.clone());
        drop(queue);
        // It may be the last of its task, and that may hold this slot's reader.
        drop(former);
        Poll::Pending
    }

    /// How the job or the session ended.
    pub(super) fn ended(&self) -> Option<Result<Box<Outcome>, SessionEnd>> {
        lock(&self.queue).end.clone()
    }

    /// Nobody reads any more: what was queued, and what comes, is dropped.
    pub(super) fn release(&self) -> Numbered<Item> {
        let mut queue = lock(&self.queue);
        queue.released = true;
        let former = queue.waker.take();
        let items = std::mem::take(&mut queue.items);
        drop(queue);
        drop(former);
        items
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use nuncio_core::arcp::client::CloseReason;

    use super::*;

    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Wake for Counting {
        fn wake(self: Arc<Counting>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn end() -> SessionEnd {
        SessionEnd::Closed(CloseReason::Asked)
    }

    #[test]
    fn a_reader_that_waits_is_woken_for_each_thing_that_comes() {
        let (slot, counting) = (Slot::default(), Arc::new(Counting::default()));
        let waker = Waker::from(Arc::clone(&counting));
        let mut taken = Numbered::new();
        assert!(slot.poll_items(&waker, &mut taken).is_pending());
        let woken = slot.push(7, Item::ChunkFault("first"));
        assert!(woken.is_ok_and(|waker| waker.is_some()), "it waits");
        assert!(slot.push(8, Item::ChunkFault("second")).is_ok_and(|waker| waker.is_none()), "it was woken");
        assert!(matches!(slot.poll_items(&waker, &mut taken), Poll::Ready(Some(()))));
        assert_eq!(taken.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [7, 8]);
        taken.clear();
        assert!(slot.poll_items(&waker, &mut taken).is_pending());
        assert!(slot.end(Err(end())).is_some(), "it waits");
        assert!(matches!(slot.poll_items(&waker, &mut taken), Poll::Ready(None)));
        assert!(matches!(slot.poll_answer(&waker), Poll::Ready(Err(ClientError::Ended(_)))));
        assert!(matches!(slot.ended(), Some(Err(SessionEnd::Closed(_)))));
        assert_eq!(counting.0.load(Ordering::SeqCst), 0, "those that are told wake it");
    }

    #[test]
    fn what_was_queued_before_the_end_is_read_first() {
        let (slot, mut taken) = (Slot::default(), Numbered::new());
        assert!(slot.push(0, Item::ChunkFault("last")).is_ok());
        assert!(slot.end(Err(end())).is_none());
        assert!(matches!(slot.poll_items(Waker::noop(), &mut taken), Poll::Ready(Some(()))));
        taken.clear();
        assert!(matches!(slot.poll_items(Waker::noop(), &mut taken), Poll::Ready(None)));
    }

    #[test]
    fn nothing_is_kept_for_a_reader_that_is_gone() {
        let slot = Slot::default();
        assert!(slot.push(3, Item::ChunkFault("unread")).is_ok());
        assert_eq!(slot.release().len(), 1);
        assert!(matches!(slot.push(4, Item::ChunkFault("late")), Err(Item::ChunkFault("late"))));
        assert_eq!(slot.release().len(), 0);
    }
}
