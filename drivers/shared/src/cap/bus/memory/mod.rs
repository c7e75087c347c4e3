//! A bus within one process.

mod broker;
mod subject;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_lite::StreamExt as _;
use futures_lite::future::or;

use self::broker::{Broker, MAX_BYTES};
pub(in crate::cap) use self::subject::matches;
use self::subject::{check_pattern, check_subject};
use super::inbox::{Inbox, Messages};
use super::{Bus, BusError, BusState, Message, Subscription};
use crate::io::BoxFuture;
use crate::io::alarm::Alarm;
use crate::io::sync::Watch;

/// The largest message, in bytes, as a NATS server has it by default.
pub(in crate::cap) const MAX_PAYLOAD: usize = 1 << 20;

/// A bus within one process: for tests, for examples, and for programs whose workers are in the same process.
///
/// A value is one connection to the bus, and its clones are the same connection. [`another`](MemoryBus::another) makes
/// further connections, so that a test can [`cut`](MemoryBus::cut) some of them.
///
/// It behaves like core NATS. Messages are delivered at most once, in the order in which they were published. A subscriber
/// that is too slow loses messages: when its buffer is full, further messages for it are dropped, logged and
/// [counted](MemoryBus::dropped). While a connection is cut, publishing on it fails, and what others publish does not reach
/// it. Members of a queue group take turns. A message has at most 1 MiB.
///
/// ```
/// use nuncio_shared::cap::{Bus as _, MemoryBus, Message};
/// # use futures_lite::StreamExt as _;
///
/// # futures_lite::future::block_on(async {
/// let bus = MemoryBus::new();
/// let mut jobs = bus.subscribe("job.*", None).await?;
/// let message = Message { subject: "job.echo".into(), payload: "hello".into(), ..Message::default() };
/// bus.publish(message.clone()).await?;
/// assert_eq!(jobs.next().await.map(|received| received.message), Some(message));
/// # Ok::<(), nuncio_shared::cap::BusError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct MemoryBus {
    connection: Arc<Connection>,
}

struct Connection {
    broker: Arc<Broker>,
    number: u64,
    state: Watch<BusState>,
    /// The number of the last connection; see [`BusState::Connected`].
    epoch: AtomicU64,
    inboxes: AtomicU64,
    alarm: Arc<Alarm>,
}

impl MemoryBus {
    /// Makes a bus whose subscriptions buffer 65 536 messages each, and at most 64 MiB.
    pub fn new() -> MemoryBus {
        MemoryBus::with_capacity(65_536)
    }

    /// Makes a bus whose subscriptions buffer this many messages each, and at most 64 MiB.
    pub fn with_capacity(messages: usize) -> MemoryBus {
        MemoryBus::on(Arc::new(Broker::new(messages)), Arc::new(Alarm::default()))
    }

    /// Makes another connection to the same bus.
    pub fn another(&self) -> MemoryBus {
        MemoryBus::on(Arc::clone(&self.connection.broker), Arc::clone(&self.connection.alarm))
    }

    fn on(broker: Arc<Broker>, alarm: Arc<Alarm>) -> MemoryBus {
        let number = broker.connect();
        let state = Watch::new(BusState::Connected(1));
        let (epoch, inboxes) = (AtomicU64::new(1), AtomicU64::new(0));
        MemoryBus { connection: Arc::new(Connection { broker, number, state, epoch, inboxes, alarm }) }
    }

    /// Cuts this connection, until it is [restored](MemoryBus::restore).
    pub fn cut(&self) {
        if let BusState::Connected(_) = self.state() {
            self.connection.broker.set_up(self.connection.number, false);
            self.connection.state.set(BusState::Disconnected);
        }
    }

    /// Restores this connection after it was [cut](MemoryBus::cut). Its subscriptions are there again.
    pub fn restore(&self) {
        if self.state() == BusState::Disconnected {
            self.connection.broker.set_up(self.connection.number, true);
            let epoch = self.connection.epoch.fetch_add(1, Ordering::SeqCst) + 1;
            self.connection.state.set(BusState::Connected(epoch));
        }
    }

    /// Returns how many messages were dropped on all connections, because the buffer of their subscriber was full.
    pub fn dropped(&self) -> u64 {
        self.connection.broker.dropped()
    }

    /// Checks that this connection is up.
    fn up(&self) -> Result<&Broker, BusError> {
        match self.state() {
            BusState::Connected(_) => Ok(&self.connection.broker),
            BusState::Disconnected => Err(BusError::Disconnected("the connection was cut".to_owned())),
            BusState::Closed => Err(BusError::Closed),
        }
    }

    /// Publishes a message. Returns how many subscribers there are.
    pub(in crate::cap) fn send(&self, message: &Message) -> Result<usize, BusError> {
        check_subject(&message.subject)?;
        let broker = self.up()?;
        let bytes = message.payload.len();
        if bytes > MAX_PAYLOAD {
            return Err(BusError::Refused(format!(
                "a message of {bytes} bytes, and at most {MAX_PAYLOAD} are allowed"
            )));
        }
        Ok(broker.publish(message))
    }

    fn listen(&self, pattern: &str, group: Option<&str>) -> Result<Subscription, BusError> {
        let inbox = self.connection.broker.inbox(MAX_BYTES);
        let number = self.listen_with(&inbox, pattern, group)?;
        let broker = Arc::downgrade(&self.connection.broker);
        let leave = move || {
            if let Some(broker) = broker.upgrade() {
                broker.unsubscribe(number);
            }
        };
        Ok(Box::pin(Messages { inbox, leave }))
    }

    /// Returns an inbox that several subscriptions of this connection may share, and in which so many bytes may wait.
    pub(in crate::cap) fn inbox(&self, max_bytes: usize) -> Arc<Inbox> {
        self.connection.broker.inbox(max_bytes)
    }

    /// Subscribes to a subject, whose messages go to `inbox` under the number that is returned.
    pub(in crate::cap) fn listen_with(
        &self,
        inbox: &Arc<Inbox>,
        pattern: &str,
        group: Option<&str>,
    ) -> Result<u64, BusError> {
        check_pattern(pattern)?;
        Ok(self.up()?.subscribe(self.connection.number, pattern, group, inbox))
    }

    /// Ends the subscription with this number.
    pub(in crate::cap) fn leave(&self, number: u64) {
        self.connection.broker.unsubscribe(number);
    }
}

impl Default for MemoryBus {
    fn default() -> MemoryBus {
        MemoryBus::new()
    }
}

impl fmt::Debug for MemoryBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBus").field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.broker.disconnect(self.number);
    }
}

impl Bus for MemoryBus {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), BusError>> {
        let sent = self.send(&message).map(|_| ());
        Box::pin(std::future::ready(sent))
    }

    fn subscribe(&self, subject: &str, group: Option<&str>) -> BoxFuture<'_, Result<Subscription, BusError>> {
        let subscription = self.listen(subject, group);
        Box::pin(std::future::ready(subscription))
    }

    fn request(&self, subject: &str, payload: Bytes, limit: Duration) -> BoxFuture<'_, Result<Message, BusError>> {
        let subject = subject.to_owned();
        Box::pin(async move {
            let inbox = self.connection.inboxes.fetch_add(1, Ordering::Relaxed);
            let reply = format!("_INBOX.{}.{inbox}", self.connection.number);
            let mut answers = self.listen(&reply, None)?;
            let message = Message { subject: subject.clone(), reply: Some(reply), payload };
            if self.send(&message)? == 0 {
                return Err(BusError::NoResponders(subject));
            }
            let late = self.connection.alarm.after(limit).map_err(|error| BusError::Refused(error.to_string()))?;
            let answer = async { answers.next().await.map(|received| received.message).ok_or(BusError::Closed) };
            or(answer, async {
                late.await;
                Err(BusError::Timeout { subject, limit })
            })
            .await
        })
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), BusError>> {
        let flushed = self.up().map(|_| ());
        Box::pin(std::future::ready(flushed))
    }

    fn state(&self) -> BusState {
        self.connection.state.value()
    }

    fn changed(&self, seen: BusState) -> BoxFuture<'_, BusState> {
        Box::pin(self.connection.state.wait(move |state| (*state != seen).then_some(*state)))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.connection.state.set(BusState::Closed);
        self.connection.broker.disconnect(self.connection.number);
        Box::pin(std::future::ready(()))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests;
