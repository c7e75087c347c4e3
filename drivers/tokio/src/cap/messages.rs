//! The messages of a subscription with `async-nats`.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use async_nats::Subscriber;
use futures_core::Stream;
use nuncio_shared::cap::{Message, Received};
use tokio::task::coop::unconstrained;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The messages of a subscription.
pub(super) struct Messages {
    subscriber: Subscriber,
    /// Ready when the bus is dropped. The subscriber alone would keep the connection.
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Messages {
    /// Returns the messages of a subscription until `ended` is cancelled.
    pub(super) fn new(subscriber: Subscriber, ended: CancellationToken) -> Messages {
        Messages { subscriber, ended: Box::pin(ended.cancelled_owned()) }
    }
}

impl Stream for Messages {
    type Item = Received;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        // Without this, a task that has read much would find nothing here although there are messages, and would read a later
        // one from another subscription.
        let next = pin!(unconstrained(poll_fn(|cx| Pin::new(&mut self.subscriber).poll_next(cx)))).poll(cx);
        match next {
            Poll::Ready(next) => {
                Poll::Ready(next.map(|next| Received { message: message(next), arrival: None, acknowledgement: None }))
            }
            Poll::Pending => self.ended.as_mut().poll(cx).map(|()| None),
        }
    }
}

/// Returns a message of the client as one of the bus.
pub(super) fn message(message: async_nats::Message) -> Message {
    Message {
        subject: message.subject.into_string(),
        reply: message.reply.map(async_nats::Subject::into_string),
        payload: message.payload,
    }
}
