//! One client of the bus.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_lite::AsyncReadExt as _;
use futures_lite::future::or;
use nuncio_core::time::Time;
use nuncio_link::nats::{NatsClientFault, NatsServerClosed, NatsServerConfig, NatsServerEvent, NatsServerLink};
use tracing::{debug, warn};

use super::site::Site;
use crate::cap::bus::inbox::Inbox;
use crate::cap::bus::memory::{MAX_PAYLOAD, matches};
use crate::cap::{MemoryBus, Message};
use crate::io::clock::{monotonic, sleep, timeout};
use crate::io::conn::write;
use crate::io::sync::{Signal, lock};
use crate::io::{Sanitized, Stream};

const READ_BYTES: usize = 64 * 1024;

/// A connection, of which three tasks read, write and deliver.
struct Connection {
    bus: MemoryBus,
    /// The messages of all subscriptions, in their order.
    inbox: Arc<Inbox>,
    state: Mutex<State>,
    /// Wakes the writer.
    writable: Signal,
    /// Wakes the reader, which does not read while too many answers are queued.
    readable: Signal,
    /// Wakes the task that delivers: there is room for messages.
    deliverable: Signal,
}

struct State {
    link: NatsServerLink,
    subscriptions: Vec<Subscribed>,
    is_over: bool,
}

struct Subscribed {
    /// The number that the bus has given it.
    number: u64,
    sid: String,
    pattern: String,
}

/// Serves a connection to its end, or tells its client that there are too many.
pub(super) async fn serve(site: Arc<Site>, stream: Stream, is_refused: bool) {
    let Site { bus, io, clock, limits, .. } = &*site;
    let config = NatsServerConfig {
        max_payload: MAX_PAYLOAD,
        max_subscriptions: limits.subscriptions,
        connect_within: limits.connect_within,
        ping_interval: limits.ping_interval,
        unanswered_pings: limits.unanswered_pings,
        ..NatsServerConfig::default()
    };
    let mut link = NatsServerLink::new(config, clock.now());
    if is_refused {
        link.close(NatsClientFault::TooManyConnections { max: limits.connections });
    }
    let bus = bus.another();
    let connection = Connection {
        inbox: bus.inbox(limits.pending_bytes),
        bus,
        state: Mutex::new(State { link, subscriptions: Vec::new(), is_over: false }),
        writable: Signal::default(),
        readable: Signal::default(),
        deliverable: Signal::default(),
    };
    let (mut input, mut output) = futures_lite::io::split(stream);
    let reading = async {
        let mut buffer = vec![0; READ_BYTES];
        while connection.handle() {
            let (wants_input, due) = connection.awaits();
            let late = async {
                io.sleep_until(due.map_or_else(monotonic, |due| clock.instant(due))).await;
                lock(&connection.state).link.handle_timeout(clock.now());
            };
            let told = async {
                connection.readable.notified().await;
            };
            let slow = async {
                connection.inbox.overflowed().await;
                lock(&connection.state).link.close(NatsClientFault::Slow);
            };
            let read = async {
                if !wants_input {
                    return std::future::pending().await;
                }
                let read = input.read(&mut buffer).await;
                let mut state = lock(&connection.state);
                match read? {
                    0 => state.link.receive_end(),
                    count => state.link.receive(clock.now(), &buffer[..count]),
                }
                Ok::<(), std::io::Error>(())
            };
            let woken = async {
                or(slow, or(late, told)).await;
                Ok(())
            };
            if let Err(error) = or(woken, read).await {
                debug!(error = %Sanitized(&error), "a client of the bus is lost");
                return;
            }
        }
        sleep(&**io, limits.linger).await;
    };
    let writing = async {
        let mut bytes = Vec::new();
        loop {
            let is_over = connection.take_output(&mut bytes);
            if bytes.is_empty() {
                if is_over {
                    return;
                }
                connection.writable.notified().await;
                continue;
            }
            match timeout(&**io, limits.write_within, write(&mut output, &bytes)).await {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    debug!(error = %Sanitized(&error), "a client of the bus is lost");
                    return;
                }
                None => {
                    warn!(bytes = bytes.len(), "a client of the bus is closed, because it does not read");
                    return;
                }
            }
            bytes.clear();
            bytes.shrink_to(READ_BYTES);
        }
    };
    let delivering = async {
        loop {
            poll_fn(|cx| connection.deliver(cx)).await;
            connection.deliverable.notified().await;
        }
    };
    or(writing, or(reading, delivering)).await;
}

impl Connection {
    /// Returns whether the client is read from, and when the link is due.
    fn awaits(&self) -> (bool, Option<Time>) {
        let link = &lock(&self.state).link;
        (link.wants_input(), link.poll_timeout())
    }

    /// Handles what the client has asked for. Returns false once the link has ended.
    fn handle(&self) -> bool {
        loop {
            let mut state = lock(&self.state);
            let Some(event) = state.link.poll_event() else { break };
            match event {
                NatsServerEvent::Subscribe { sid, subject, group } => {
                    match self.bus.listen_with(&self.inbox, &subject, group.as_deref()) {
                        Ok(number) => state.subscriptions.push(Subscribed { number, sid, pattern: subject }),
                        Err(error) => state.link.refuse(&error.to_string()),
                    }
                }
                NatsServerEvent::Unsubscribe { sid } => {
                    if let Some(at) = state.subscriptions.iter().position(|each| each.sid == sid) {
                        self.bus.leave(state.subscriptions.remove(at).number);
                    }
                }
                NatsServerEvent::Publish { subject, reply, headers, payload } => {
                    // The lock is not held while others are woken.
                    drop(state);
                    self.publish(Message { subject, reply, payload }, headers.is_empty());
                }
                NatsServerEvent::Closed(reason) => {
                    match reason {
                        NatsServerClosed::Fault(fault) => {
                            warn!(fault = %Sanitized(&fault), "a client of the bus is closed");
                        }
                        ended => debug!(reason = %Sanitized(&ended), "a client of the bus has ended"),
                    }
                    state.is_over = true;
                    let ended = std::mem::take(&mut state.subscriptions);
                    drop(state);
                    for subscribed in ended {
                        self.bus.leave(subscribed.number);
                    }
                    self.writable.notify();
                    return false;
                }
            }
        }
        self.writable.notify();
        true
    }

    fn publish(&self, message: Message, is_bare: bool) {
        if !is_bare {
            warn!(subject = message.subject, "a message with headers is refused, which this bus does not carry");
            lock(&self.state).link.refuse("Message Headers Not Supported");
            return;
        }
        match self.bus.send(&message) {
            Ok(0) => {
                let Some(reply) = message.reply else { return };
                let mut state = lock(&self.state);
                let State { link, subscriptions, .. } = &mut *state;
                if let Some(asker) = subscriptions.iter().position(|each| matches(&each.pattern, &reply))
                    && !link.no_responders(&subscriptions[asker].sid, &reply)
                {
                    self.bus.leave(subscriptions.remove(asker).number);
                }
            }
            Ok(_) => {}
            Err(error) => lock(&self.state).link.refuse(&error.to_string()),
        }
    }

    /// Moves messages to the client, for as long as there is room. Is ready when there is none.
    fn deliver(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.state);
        let State { link, subscriptions, .. } = &mut *state;
        let queued = link.output_len();
        while link.wants_messages() {
            // The inbox ends with the bus only.
            let Poll::Ready(Some((number, message))) = self.inbox.poll(cx) else { break };
            // What still comes of a subscription that has ended is dropped.
            let Some(at) = subscriptions.iter().position(|each| each.number == number) else { continue };
            let Message { subject, reply, payload } = message;
            if !link.deliver(&subscriptions[at].sid, &subject, reply.as_deref(), &payload) {
                self.bus.leave(subscriptions.remove(at).number);
            }
        }
        let (has_queued, is_full) = (link.output_len() > queued, !link.wants_messages());
        drop(state);
        if has_queued {
            self.writable.notify();
        }
        if is_full { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Takes what is to be written. Returns whether nothing will follow it.
    fn take_output(&self, bytes: &mut Vec<u8>) -> bool {
        let mut state = lock(&self.state);
        state.link.take_output(bytes);
        let is_over = state.is_over;
        drop(state);
        if !bytes.is_empty() {
            self.readable.notify();
            self.deliverable.notify();
        }
        is_over
    }
}
