//! The messages that wait for one subscriber.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

use crate::cap::bus::{Message, Received};
use crate::io::sync::lock;

/// The messages that wait for one subscriber, up to a number.
#[derive(Debug)]
pub(super) struct Inbox {
    queue: Mutex<Queue>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Message>,
    has_ended: bool,
    waker: Option<Waker>,
}

impl Inbox {
    pub(super) fn new(capacity: usize) -> Inbox {
        Inbox { queue: Mutex::default(), capacity }
    }

    /// Adds a message. Returns false if as many wait as may wait.
    pub(super) fn push(&self, message: Message) -> bool {
        let mut queue = lock(&self.queue);
        if queue.messages.len() >= self.capacity {
            return false;
        }
        queue.messages.push_back(message);
        let waker = queue.waker.take();
        drop(queue);
        waker.into_iter().for_each(Waker::wake);
        true
    }

    /// Ends the subscription after the messages that wait.
    pub(super) fn end(&self) {
        let mut queue = lock(&self.queue);
        queue.has_ended = true;
        let waker = queue.waker.take();
        drop(queue);
        waker.into_iter().for_each(Waker::wake);
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Option<Message>> {
        let mut queue = lock(&self.queue);
        if let Some(message) = queue.messages.pop_front() {
            return Poll::Ready(Some(message));
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

/// The subscriber's end. `leave` runs when it is dropped.
pub(super) struct Messages<F: FnMut()> {
    pub(super) inbox: Arc<Inbox>,
    pub(super) leave: F,
}

impl<F: FnMut() + Unpin> Stream for Messages<F> {
    type Item = Received;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        self.inbox.poll(cx).map(|message| message.map(|message| Received { message, acknowledgement: None }))
    }
}

impl<F: FnMut()> Drop for Messages<F> {
    fn drop(&mut self) {
        (self.leave)();
    }
}
