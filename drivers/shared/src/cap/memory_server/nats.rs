//! One client of the bus.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::AsyncReadExt as _;
use futures_lite::future::or;
use nuncio_link::nats::{NatsServerConfig, NatsServerEvent, NatsServerLink};
use tracing::{debug, warn};

use crate::cap::bus::inbox::Inbox;
use crate::cap::bus::memory::{MAX_PAYLOAD, matches};
use crate::cap::{MemoryBus, Message};
use crate::io::clock::sleep;
use crate::io::conn::write;
use crate::io::sync::{Signal, lock};
use crate::io::{Io, Sanitized, Stream};

/// How long a client that is closed may take to read why.
const LINGER: Duration = Duration::from_secs(1);
const READ_BYTES: usize = 64 * 1024;

/// A connection, of which three tasks read, write and deliver.
struct Connection {
    bus: MemoryBus,
    /// The messages of all subscriptions, in their order.
    inbox: Arc<Inbox>,
    state: Mutex<State>,
    /// Wakes the writer.
    writable: Signal,
    /// Wakes the reader, which waits while too many answers are queued.
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

/// Serves a connection to its end.
pub(super) async fn serve(io: Arc<dyn Io>, stream: Stream, bus: MemoryBus) {
    let link = NatsServerLink::new(NatsServerConfig { max_payload: MAX_PAYLOAD, ..NatsServerConfig::default() });
    let connection = Connection {
        inbox: bus.inbox(),
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
            if !lock(&connection.state).link.wants_input() {
                connection.readable.notified().await;
                continue;
            }
            match input.read(&mut buffer).await {
                Ok(0) => lock(&connection.state).link.receive_end(),
                Ok(count) => lock(&connection.state).link.receive(&buffer[..count]),
                Err(error) => {
                    debug!(error = %Sanitized(&error), "a client of the bus is lost");
                    return;
                }
            }
        }
        sleep(&*io, LINGER).await;
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
            if let Err(error) = write(&mut output, &bytes).await {
                debug!(error = %Sanitized(&error), "a client of the bus is lost");
                return;
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
                    debug!(reason = %Sanitized(&reason), "a client of the bus has ended");
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
