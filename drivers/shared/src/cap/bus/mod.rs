//! The bus: what CAP needs of NATS, as a trait, and a bus within one process.

pub(super) mod inbox;
pub(crate) mod memory;

mod jetstream;
mod options;

pub use jetstream::JetStreamOptions;
pub use options::{NatsLogin, NatsOptions, NatsServer};

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;

use crate::io::{BoxFuture, Io};

/// A message on a bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The subject that it was published on.
    pub subject: String,
    /// Where an answer is published, if one is asked for.
    pub reply: Option<String>,
    /// The content: the bytes of a packet.
    pub payload: Bytes,
}

/// A message of a subscription.
#[derive(Debug)]
pub struct Received {
    /// The message.
    pub message: Message,
    /// The place of the message among all that have arrived on the connection, over its subscriptions, if the bus knows it.
    /// Only the order of these numbers means something. Nodes take messages in this order.
    pub arrival: Option<u64>,
    /// What acknowledges it, if it comes from a durable stream. A message that is not acknowledged is delivered again.
    pub acknowledgement: Option<Box<dyn Acknowledge>>,
}

/// Acknowledges a message of a durable stream.
pub trait Acknowledge: Send + Sync + std::fmt::Debug + 'static {
    /// Notes that the message needs not be delivered again.
    fn acknowledge(self: Box<Self>) -> BoxFuture<'static, Result<(), BusError>>;
}

/// The messages of a subscription. Dropping it ends the subscription.
///
/// It outlives lost connections: the bus subscribes again before it is [`BusState::Connected`] again, and what was published
/// in the meantime is lost. It ends when the bus is closed.
pub type Subscription = Pin<Box<dyn Stream<Item = Received> + Send>>;

/// The state of a bus' connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BusState {
    /// The server is not reached; the bus keeps trying.
    Disconnected,
    /// Messages are exchanged. The number counts the connections, so that a short gap is noticed.
    Connected(u64),
    /// The bus was closed, or has given up. Nothing follows.
    Closed,
}

/// Why an operation on a bus has failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// The server is not reached at present.
    #[error("the bus is not connected: {0}")]
    Disconnected(String),
    /// Nobody has subscribed to the subject of a request.
    #[error("no subscriber answers requests on {0:?}")]
    NoResponders(String),
    /// The answer to a request did not come in time.
    #[error("no answer came on {subject:?} within {limit:?}")]
    Timeout {
        /// The subject of the request.
        subject: String,
        /// The time that was waited.
        limit: Duration,
    },
    /// The bus refused the operation.
    #[error("the bus refused this: {0}")]
    Refused(String),
    /// The bus was closed.
    #[error("the bus is closed")]
    Closed,
}

/// A message bus with subjects and queue groups.
///
/// Subjects are words that dots separate. A subscription may have the wildcards `*` for one word and `>` for all words that
/// follow. Of the subscribers of one queue group, one gets each message.
///
/// Delivery is at most once unless a message carries an acknowledgement.
pub trait Bus: Send + Sync + 'static {
    /// Publishes a message. It returns when the message was handed to the connection; [`Bus::flush`] waits for the server.
    ///
    /// Errors: [`BusError::Disconnected`] or a message that is kept for the next connection, as the bus prefers;
    /// [`BusError::Refused`] for a message that is too large.
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), BusError>>;

    /// Subscribes to a subject, as a member of a queue group if one is named.
    fn subscribe(&self, subject: &str, group: Option<&str>) -> BoxFuture<'_, Result<Subscription, BusError>>;

    /// Subscribes to a subject without losing what was published while there was no subscriber, if the bus has a durable
    /// stream for the subject: its messages carry an acknowledgement, and come again until they are acknowledged. Otherwise it
    /// is [`subscribe`](Bus::subscribe) without a group.
    fn subscribe_durable(&self, subject: &str) -> BoxFuture<'_, Result<Subscription, BusError>> {
        self.subscribe(subject, None)
    }

    /// Publishes a message and waits for the first answer.
    fn request(&self, subject: &str, payload: Bytes, limit: Duration) -> BoxFuture<'_, Result<Message, BusError>>;

    /// Waits until the server has taken everything that was published and subscribed before.
    ///
    /// Errors: [`BusError::Disconnected`] if the server is not reached.
    fn flush(&self) -> BoxFuture<'_, Result<(), BusError>>;

    /// Returns the state of the connection.
    fn state(&self) -> BusState;

    /// Waits until the state differs from `seen`, and returns it.
    fn changed(&self, seen: BusState) -> BoxFuture<'_, BusState>;

    /// Writes what was published, and closes the connection.
    fn close(&self) -> BoxFuture<'_, ()>;

    /// Returns the thread that carries the connection, if the bus has one of its own. Workers, clients and routers on the bus
    /// run there by default, so that a message gets to them and from them without a change of threads.
    fn thread(&self) -> Option<Arc<dyn Io>> {
        None
    }
}

/// A bus that is shared.
impl<B: Bus + ?Sized> Bus for Arc<B> {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), BusError>> {
        (**self).publish(message)
    }

    fn subscribe(&self, subject: &str, group: Option<&str>) -> BoxFuture<'_, Result<Subscription, BusError>> {
        (**self).subscribe(subject, group)
    }

    fn subscribe_durable(&self, subject: &str) -> BoxFuture<'_, Result<Subscription, BusError>> {
        (**self).subscribe_durable(subject)
    }

    fn request(&self, subject: &str, payload: Bytes, limit: Duration) -> BoxFuture<'_, Result<Message, BusError>> {
        (**self).request(subject, payload, limit)
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), BusError>> {
        (**self).flush()
    }

    fn state(&self) -> BusState {
        (**self).state()
    }

    fn changed(&self, seen: BusState) -> BoxFuture<'_, BusState> {
        (**self).changed(seen)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        (**self).close()
    }

    fn thread(&self) -> Option<Arc<dyn Io>> {
        (**self).thread()
    }
}
