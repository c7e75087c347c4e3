//! The messages that wait for one subscriber, or for the subscriptions of one connection.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

use super::{Message, Received};
use crate::io::sync::{Signal, lock};

/// The messages that wait for one subscriber, up to a number and to a size in bytes. One message of any size may wait.
///
/// Several subscriptions may share it, so that their messages stay in order. Each message has the number of its own.
#[derive(Debug)]
pub(in crate::cap) struct Inbox {
    queue: Mutex<Queue>,
    max_messages: usize,
    max_bytes: usize,
    /// Notified when a message was dropped.
    overflowed: Signal,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Waiting>,
    bytes: usize,
    has_ended: bool,
    /// Whether the last message was dropped.
    overflows: bool,
    waker: Option<Waker>,
}

/// A message that waits.
#[derive(Debug)]
struct Waiting {
    subscription: u64,
    arrival: u64,
    message: Message,
}

/// Counts the messages that were added to any inbox of this process. So their order is known over all subscriptions.
static ARRIVALS: AtomicU64 = AtomicU64::new(0);

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cap) enum Pushed {
    Queued,
    /// It was dropped, and so was the one before it.
    Dropped,
    /// It was dropped, and the one before it was not.
    DroppedFirst,
}

impl Inbox {
    pub(in crate::cap) fn new(max_messages: usize, max_bytes: usize) -> Inbox {
        Inbox { queue: Mutex::default(), max_messages, max_bytes, overflowed: Signal::default() }
    }

    /// Adds a message for the only subscription, unless too many wait.
    pub(in crate::cap) fn push(&self, message: Message) -> Pushed {
        self.push_for(0, message)
    }

    /// Adds a message for the subscription with this number, unless too many wait.
    pub(in crate::cap) fn push_for(&self, subscription: u64, message: Message) -> Pushed {
        let mut queue = lock(&self.queue);
        let bytes = size(&message);
        let waiting = queue.messages.len();
        let is_too_large = waiting > 0 && queue.bytes.saturating_add(bytes) > self.max_bytes;
        if waiting >= self.max_messages || is_too_large {
            let first = !std::mem::replace(&mut queue.overflows, true);
            drop(queue);
            self.overflowed.notify();
            return if first { Pushed::DroppedFirst } else { Pushed::Dropped };
        }
        queue.overflows = false;
        queue.bytes += bytes;
        let arrival = ARRIVALS.fetch_add(1, Ordering::Relaxed);
        queue.messages.push_back(Waiting { subscription, arrival, message });
        let waker = queue.waker.take();
        drop(queue);
        waker.into_iter().for_each(Waker::wake);
        Pushed::Queued
    }

    /// Waits until a message was dropped. Only one task may wait at a time.
    pub(in crate::cap) async fn overflowed(&self) {
        self.overflowed.notified().await;
    }

    /// Ends the subscription after the messages that wait.
    pub(in crate::cap) fn end(&self) {
        let mut queue = lock(&self.queue);
        queue.has_ended = true;
        let waker = queue.waker.take();
        drop(queue);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Returns the next message with the number of its subscription, or `None` at the end.
    pub(in crate::cap) fn poll(&self, cx: &Context<'_>) -> Poll<Option<(u64, Message)>> {
        self.poll_waiting(cx).map(|waiting| waiting.map(|waiting| (waiting.subscription, waiting.message)))
    }

    fn poll_waiting(&self, cx: &Context<'_>) -> Poll<Option<Waiting>> {
        let mut queue = lock(&self.queue);
        if let Some(waiting) = queue.messages.pop_front() {
            queue.bytes -= size(&waiting.message);
            return Poll::Ready(Some(waiting));
        }
        if queue.has_ended {
            return Poll::Ready(None);
        }
        let former = queue.waker.replace(cx.waker().clone());
        drop(queue);
        drop(former);
        Poll::Pending
    }
}

/// Returns what a message counts in the buffer of a subscription.
fn size(message: &Message) -> usize {
    message.payload.len() + message.subject.len() + message.reply.as_ref().map_or(0, String::len)
}

/// The subscriber's end. `leave` runs when it is dropped.
pub(in crate::cap) struct Messages<F: FnMut()> {
    pub(in crate::cap) inbox: Arc<Inbox>,
    pub(in crate::cap) leave: F,
}

impl<F: FnMut() + Unpin> Stream for Messages<F> {
    type Item = Received;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        let received =
            |Waiting { message, arrival, .. }| Received { message, arrival: Some(arrival), acknowledgement: None };
        self.inbox.poll_waiting(cx).map(|waiting| waiting.map(received))
    }
}

impl<F: FnMut()> Drop for Messages<F> {
    fn drop(&mut self) {
        (self.leave)();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> Message {
        Message { payload: vec![0; bytes].into(), ..Message::default() }
    }

    #[test]
    fn the_newest_messages_are_dropped_beyond_the_number_and_the_size() {
        let inbox = Inbox::new(2, 10);
        assert_eq!(inbox.push(message(1)), Pushed::Queued);
        assert_eq!(inbox.push(message(10)), Pushed::DroppedFirst);
        assert_eq!(inbox.push(message(9)), Pushed::Queued);
        assert_eq!(inbox.push(message(0)), Pushed::DroppedFirst);
        assert_eq!(inbox.push(message(0)), Pushed::Dropped);
        let cx = &Context::from_waker(Waker::noop());
        assert_eq!(inbox.poll(cx), Poll::Ready(Some((0, message(1)))));
        assert_eq!(inbox.push(message(1)), Pushed::Queued);
        inbox.end();
        assert_eq!(inbox.poll(cx), Poll::Ready(Some((0, message(9)))));
        assert_eq!(inbox.poll(cx), Poll::Ready(Some((0, message(1)))));
        assert_eq!(inbox.poll(cx), Poll::Ready(None));
    }

    #[test]
    fn subject_reply_and_payload_count() {
        let inbox = Inbox::new(9, 10);
        let full = Message { subject: "abc".into(), reply: Some("def".into()), payload: vec![0; 3].into() };
        assert_eq!(inbox.push(full.clone()), Pushed::Queued);
        assert_eq!(inbox.push(message(2)), Pushed::DroppedFirst);
        assert_eq!(inbox.push(message(1)), Pushed::Queued);
        assert_eq!(inbox.poll(&Context::from_waker(Waker::noop())), Poll::Ready(Some((0, full))));
        assert_eq!(inbox.push(message(9)), Pushed::Queued);
        assert_eq!(inbox.push(message(1)), Pushed::DroppedFirst);
    }

    #[test]
    fn one_message_of_any_size_is_kept() {
        let inbox = Inbox::new(2, 10);
        assert_eq!(inbox.push(message(11)), Pushed::Queued);
        assert_eq!(inbox.push(message(0)), Pushed::DroppedFirst);
    }
}
