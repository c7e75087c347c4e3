//! A bus on NATS, on any async runtime: core NATS over the codec of `nuncio-link`.
//!
//! ```text
//!  NatsBus, subscriptions --commands--> Hub <--bytes--> Runner <--> socket
//!        ^                               |                |
//!        +--- Inbox per subscription <---+                +--> Connector, Pool: TCP, TLS, login, pauses
//! ```

mod connect;
mod error;
mod hub;
mod pool;
mod run;

pub use error::NatsError;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_channel::oneshot;

use self::connect::Connector;
use self::hub::Hub;
use self::pool::Pool;
use self::run::Runner;
use super::bus::inbox::Messages;
use super::bus::{Bus, BusError, BusState, Message, NatsOptions, Subscription};
use crate::io::clock::timeout;
use crate::io::{BoxFuture, Driver, Io};

/// A bus on a NATS server or a cluster of them. Clones are the same connection; it is closed when the last one is dropped.
///
/// It reconnects by itself: to the servers of its [options](NatsOptions) and to those that a server has told of, in turn,
/// with growing pauses. Every attempt that fails is logged with its reason. Meanwhile publishing fails with
/// [`BusError::Disconnected`], requests and flushes that were waiting fail with it too, and subscriptions wait.
///
/// A subscriber that is too slow loses messages: when its buffer is full, further messages for it are dropped, logged and
/// [counted](NatsBus::dropped). Durable streams are not supported, and a login is by token or by user and password.
///
/// ```no_run
/// use nuncio_smol::Smol;
/// use nuncio_shared::cap::{Bus as _, Message, NatsBus, NatsOptions};
/// # use futures_lite::StreamExt as _;
///
/// # futures_lite::future::block_on(async {
/// let bus = NatsBus::<Smol>::connect(NatsOptions::from_env()?).await?;
/// let mut jobs = bus.subscribe("job.*", Some("workers")).await?;
/// bus.publish(Message { subject: "job.echo".into(), payload: "hello".into(), ..Message::default() }).await?;
/// let received = jobs.next().await.expect("the bus is open");
/// assert_eq!(received.message.payload, "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct NatsBus<D: Driver> {
    owner: Arc<Owner<D>>,
}

/// Closes the bus with the last clone.
struct Owner<D: Driver> {
    hub: Arc<Hub>,
    thread: Arc<D::Thread>,
}

impl<D: Driver> NatsBus<D> {
    /// Connects, on a thread of its own. A server that is not reached is tried again for
    /// [`connect_within`](NatsOptions::connect_within); a refused login ends the attempt at once.
    pub async fn connect(options: NatsOptions) -> Result<NatsBus<D>, NatsError> {
        NatsBus::connect_on(D::thread("nuncio-nats")?, options).await
    }

    /// Connects, on a thread that several buses and stores may share.
    pub async fn connect_on(thread: Arc<D::Thread>, options: NatsOptions) -> Result<NatsBus<D>, NatsError> {
        if options.jetstream.is_some() {
            return Err(NatsError::JetStream);
        }
        if options.servers.is_empty() {
            return Err(NatsError::NoServer);
        }
        let hub = Arc::new(Hub::new(options.subscription_messages, options.subscription_bytes)?);
        let (pool, connect_within) = (Pool::new(&options), options.connect_within);
        let connector = Connector::new(options)?;
        let runner = Runner::<D> { hub: Arc::clone(&hub), thread: Arc::clone(&thread), connector, pool };
        let (first, connected) = oneshot::channel();
        let bus = NatsBus { owner: Arc::new(Owner { hub, thread: Arc::clone(&thread) }) };
        thread.spawn(Box::pin(runner.run(connect_within, first)));
        match connected.await {
            Ok(result) => result.map(|()| bus),
            Err(_) => Err(NatsError::System(std::io::Error::other("the thread of the connection has ended"))),
        }
    }

    /// Returns how many messages were dropped because their subscriber was too slow, or because they could not be read.
    pub fn dropped(&self) -> u64 {
        self.owner.hub.dropped()
    }

    async fn ask(&self, subject: String, payload: Bytes, limit: Duration) -> Result<Message, BusError> {
        let hub = &self.owner.hub;
        let mut asked = Asked { hub, number: None };
        let answer = async {
            let (number, answered) = hub.request(&subject, &payload).await?;
            asked.number = Some(number);
            answered.await.unwrap_or(Err(BusError::Closed))
        };
        match timeout(&*self.owner.thread, limit, answer).await {
            Some(answer) => answer,
            None => Err(BusError::Timeout { subject, limit }),
        }
    }
}

/// Gives up a request that is dropped.
struct Asked<'a> {
    hub: &'a Hub,
    number: Option<u64>,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.hub.forget(number);
        }
    }
}

impl<D: Driver> Bus for NatsBus<D> {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), BusError>> {
        Box::pin(async move { self.owner.hub.publish(&message).await })
    }

    fn subscribe(&self, subject: &str, group: Option<&str>) -> BoxFuture<'_, Result<Subscription, BusError>> {
        let (subject, group) = (subject.to_owned(), group.map(str::to_owned));
        Box::pin(async move {
            let (sid, inbox) = self.owner.hub.subscribe(&subject, group.as_deref()).await?;
            let hub = Arc::downgrade(&self.owner.hub);
            let leave = move || {
                if let Some(hub) = hub.upgrade() {
                    hub.unsubscribe(sid);
                }
            };
            let messages: Subscription = Box::pin(Messages { inbox, leave });
            Ok(messages)
        })
    }

    fn request(&self, subject: &str, payload: Bytes, limit: Duration) -> BoxFuture<'_, Result<Message, BusError>> {
        Box::pin(self.ask(subject.to_owned(), payload, limit))
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), BusError>> {
        Box::pin(self.owner.hub.flush())
    }

    fn state(&self) -> BusState {
        self.owner.hub.state.value()
    }

    fn changed(&self, seen: BusState) -> BoxFuture<'_, BusState> {
        Box::pin(self.owner.hub.state.wait(move |state| (*state != seen).then_some(*state)))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.owner.hub.close();
        Box::pin(self.owner.hub.state.wait(|state| (*state == BusState::Closed).then_some(())))
    }

    fn thread(&self) -> Option<Arc<dyn Io>> {
        Some(Arc::clone(&self.owner.thread) as Arc<dyn Io>)
    }
}

impl<D: Driver> Drop for Owner<D> {
    fn drop(&mut self) {
        self.hub.close();
    }
}

impl<D: Driver> Clone for NatsBus<D> {
    fn clone(&self) -> NatsBus<D> {
        NatsBus { owner: Arc::clone(&self.owner) }
    }
}

impl<D: Driver> fmt::Debug for NatsBus<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsBus")
            .field("state", &self.state())
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}
