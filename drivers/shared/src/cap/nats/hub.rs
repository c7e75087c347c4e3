//! The connection of a bus, its subscriptions, and everything that waits for the server.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use event_listener::{Event, EventListener};
use futures_channel::oneshot;
use nuncio_core::time::Time;
use nuncio_link::nats::{FlushId, NatsEvent, NatsInfo, NatsLink, NatsMessage, NatsRefused};
use tracing::{debug, warn};

use crate::cap::bus::inbox::{Inbox, Pushed};
use crate::cap::bus::{BusError, BusState, Message};
use crate::io::clock::Clock;
use crate::io::random::seed;
use crate::io::sync::{CancellationToken, Signal, Watch, lock};

/// What the handles of a bus and its task share.
pub(super) struct Hub {
    inner: Mutex<Inner>,
    pub(super) state: Watch<BusState>,
    /// Wakes the task: there is something to write, or the bus is being closed.
    pub(super) wanted: Signal,
    /// Something was written, or the connection has ended.
    written: Event,
    pub(super) clock: Clock,
    /// Cancelled once the bus is being closed.
    pub(super) closing: CancellationToken,
    dropped: AtomicU64,
    /// What the subjects of answers begin with: `_INBOX.ID.`.
    inbox: String,
    max_messages: usize,
    max_bytes: usize,
}

struct Inner {
    /// The connection, once its login was accepted and everything is subscribed to.
    link: Option<NatsLink>,
    subscriptions: BTreeMap<u64, Subscribed>,
    next_sid: u64,
    /// The requests that wait for their answers, by the last token of the subjects of these.
    requests: BTreeMap<u64, Request>,
    next_request: u64,
    /// Whether the subjects of answers are subscribed to.
    has_inbox: bool,
    flushes: BTreeMap<FlushId, oneshot::Sender<()>>,
    epoch: u64,
    /// Why there is no connection.
    reason: String,
    closing: CancellationToken,
}

struct Subscribed {
    subject: String,
    group: Option<String>,
    inbox: Arc<Inbox>,
}

struct Request {
    subject: String,
    answer: oneshot::Sender<Result<Message, BusError>>,
}

/// What is done once the lock is free.
enum Action {
    Deliver(Arc<Inbox>, Message),
    Answer(oneshot::Sender<Result<Message, BusError>>, Result<Message, BusError>),
    Flushed(oneshot::Sender<()>),
    Info(Box<NatsInfo>),
    Unreadable(usize),
    Error(String),
}

/// The subscription to answers of requests.
const INBOX_SID: u64 = 1;

impl Hub {
    pub(super) fn new(max_messages: usize, max_bytes: usize) -> std::io::Result<Hub> {
        let seed = seed()?;
        let [high, low] = [0, 8].map(|at| seed.iter().skip(at).take(8).fold(0, |id, byte| id << 8 | u64::from(*byte)));
        let inbox = format!("_INBOX.{high:016x}{low:016x}.");
        let closing = CancellationToken::new();
        let inner = Inner {
            link: None,
            subscriptions: BTreeMap::new(),
            next_sid: INBOX_SID + 1,
            requests: BTreeMap::new(),
            next_request: 0,
            has_inbox: false,
            flushes: BTreeMap::new(),
            epoch: 0,
            reason: "the first connection is not made yet".to_owned(),
            closing: closing.clone(),
        };
        Ok(Hub {
            inner: Mutex::new(inner),
            state: Watch::new(BusState::Disconnected),
            wanted: Signal::default(),
            written: Event::new(),
            clock: Clock::start(),
            closing,
            dropped: AtomicU64::new(0),
            inbox,
            max_messages,
            max_bytes,
        })
    }

    /// Returns how many messages were dropped because their subscriber was too slow.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Runs a command on the link, as often as it is refused for want of space.
    async fn command<R>(&self, mut run: impl FnMut(&mut Inner) -> Result<R, Failed>) -> Result<R, BusError> {
        loop {
            let written = self.written.listen();
            let result = run(&mut lock(&self.inner));
            match result {
                Ok(value) => {
                    self.wanted.notify();
                    return Ok(value);
                }
                Err(Failed::Bus(error)) => return Err(error),
                Err(Failed::Full) => {
                    self.wanted.notify();
                    written.await;
                }
            }
        }
    }

    pub(super) async fn publish(&self, message: &Message) -> Result<(), BusError> {
        self.command(|inner| {
            let link = inner.link()?;
            Ok(link.publish(&message.subject, message.reply.as_deref(), &message.payload)?)
        })
        .await
    }

    pub(super) async fn subscribe(&self, subject: &str, group: Option<&str>) -> Result<(u64, Arc<Inbox>), BusError> {
        self.command(|inner| {
            let sid = inner.next_sid;
            inner.link()?.subscribe(sid, subject, group)?;
            inner.next_sid += 1;
            let inbox = Arc::new(Inbox::new(self.max_messages.max(1), self.max_bytes));
            let (subject, group) = (subject.to_owned(), group.map(str::to_owned));
            inner.subscriptions.insert(sid, Subscribed { subject, group, inbox: Arc::clone(&inbox) });
            Ok((sid, inbox))
        })
        .await
    }

    pub(super) fn unsubscribe(&self, sid: u64) {
        let mut inner = lock(&self.inner);
        let removed = inner.subscriptions.remove(&sid);
        if let Some(link) = &mut inner.link {
            // A link that is no longer ready has ended, and the subscription with it.
            let _ended = link.unsubscribe(sid).is_err();
        }
        drop(inner);
        drop(removed);
        self.wanted.notify();
    }

    /// Publishes a request. Returns its number and the answer.
    pub(super) async fn request(
        &self,
        subject: &str,
        payload: &[u8],
    ) -> Result<(u64, oneshot::Receiver<Result<Message, BusError>>), BusError> {
        self.command(|inner| {
            let number = inner.next_request;
            let has_inbox = inner.has_inbox;
            let link = inner.link()?;
            if !has_inbox {
                link.subscribe(INBOX_SID, &format!("{}*", self.inbox), None)?;
            }
            link.publish(subject, Some(&format!("{}{number}", self.inbox)), payload)?;
            let (answer, answered) = oneshot::channel();
            inner.has_inbox = true;
            inner.next_request += 1;
            inner.requests.insert(number, Request { subject: subject.to_owned(), answer });
            Ok((number, answered))
        })
        .await
    }

    /// Gives up a request.
    pub(super) fn forget(&self, request: u64) {
        let forgotten = lock(&self.inner).requests.remove(&request);
        drop(forgotten);
    }

    pub(super) async fn flush(&self) -> Result<(), BusError> {
        let flushed = self
            .command(|inner| {
                let id = inner.link()?.flush()?;
                let (done, flushed) = oneshot::channel();
                inner.flushes.insert(id, done);
                Ok(flushed)
            })
            .await?;
        flushed.await.map_err(|_| lock(&self.inner).down())
    }

    /// Asks the task to write what is queued and to end.
    pub(super) fn close(&self) {
        self.closing.cancel();
        self.wanted.notify();
        self.written.notify(usize::MAX);
    }

    /// Takes a new connection, and subscribes again to everything.
    pub(super) fn connected(&self, mut link: NatsLink) {
        let mut inner = lock(&self.inner);
        let inbox = inner.has_inbox.then(|| format!("{}*", self.inbox));
        let again = inner.subscriptions.iter().map(|(sid, subscribed)| {
            let Subscribed { subject, group, .. } = subscribed;
            (*sid, subject.as_str(), group.as_deref())
        });
        for (sid, subject, group) in inbox.iter().map(|inbox| (INBOX_SID, inbox.as_str(), None)).chain(again) {
            // The names were accepted before, and the login was too.
            let result = link.subscribe(sid, subject, group);
            debug_assert_eq!(result, Ok(()));
        }
        inner.link = Some(link);
        inner.epoch += 1;
        let state = BusState::Connected(inner.epoch);
        drop(inner);
        self.state.set(state);
    }

    /// Notes that there is no connection any more, or that one could not be made.
    pub(super) fn disconnected(&self, reason: &str) {
        let mut inner = lock(&self.inner);
        let link = inner.link.take();
        reason.clone_into(&mut inner.reason);
        let requests = std::mem::take(&mut inner.requests);
        let flushes = std::mem::take(&mut inner.flushes);
        let error = inner.down();
        drop(inner);
        if link.is_some() {
            self.state.set(BusState::Disconnected);
        }
        for (_, Request { answer, .. }) in requests {
            let _gone = answer.send(Err(error.clone())).is_err();
        }
        drop(flushes);
        self.written.notify(usize::MAX);
    }

    /// Ends the bus.
    pub(super) fn closed(&self) {
        self.close();
        self.disconnected("the bus is closed");
        let subscriptions = std::mem::take(&mut lock(&self.inner).subscriptions);
        for subscribed in subscriptions.values() {
            subscribed.inbox.end();
        }
        self.state.set(BusState::Closed);
    }

    /// Moves the bytes to write to `into`. Returns false if there is no connection.
    pub(super) fn take_output(&self, into: &mut Vec<u8>) -> bool {
        let mut inner = lock(&self.inner);
        inner.link.as_mut().map(|link| link.take_output(into)).is_some()
    }

    /// Notes that bytes were written.
    pub(super) fn wrote(&self) {
        self.written.notify(usize::MAX);
    }

    pub(super) fn next_written(&self) -> EventListener {
        self.written.listen()
    }

    /// Returns whether the link reads.
    pub(super) fn wants_input(&self) -> bool {
        lock(&self.inner).link.as_ref().is_none_or(NatsLink::wants_input)
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        lock(&self.inner).link.as_ref().and_then(NatsLink::poll_timeout)
    }

    /// Hands an input to the link, and handles the events. Returns why the connection has ended, if it has, and the last
    /// INFO.
    pub(super) fn run(&self, input: impl FnOnce(&mut NatsLink)) -> (Option<String>, Option<Box<NatsInfo>>) {
        let mut actions = Vec::new();
        let mut end = None;
        let mut info = None;
        let mut inner = lock(&self.inner);
        let has_output = if let Some(mut link) = inner.link.take() {
            input(&mut link);
            while let Some(event) = link.poll_event() {
                match event {
                    NatsEvent::Closed(closed) => end = Some(closed.to_string()),
                    event => actions.extend(inner.event(&self.inbox, event)),
                }
            }
            let has_output = link.output_len() > 0;
            inner.link = Some(link);
            has_output
        } else {
            false
        };
        drop(inner);
        if has_output {
            self.wanted.notify();
        }
        for action in actions {
            match action {
                Action::Info(newer) => info = Some(newer),
                action => self.act(action),
            }
        }
        (end, info)
    }

    fn act(&self, action: Action) {
        match action {
            Action::Deliver(inbox, message) => {
                let subject = message.subject.clone();
                let pushed = inbox.push(message);
                if pushed != Pushed::Queued {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
                if pushed == Pushed::DroppedFirst {
                    warn!(?subject, "a subscriber is too slow, and messages for it are dropped");
                }
            }
            Action::Answer(waiting, answer) => {
                let _gone = waiting.send(answer).is_err();
            }
            Action::Flushed(waiting) => {
                let _gone = waiting.send(()).is_err();
            }
            Action::Unreadable(bytes) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                warn!(bytes, "a message whose subject is not UTF-8 is dropped");
            }
            Action::Error(error) => warn!(?error, "the NATS server reports an error"),
            Action::Info(_) => {}
        }
    }
}

/// Why a command did not run.
enum Failed {
    /// Too many bytes wait to be written.
    Full,
    Bus(BusError),
}

impl From<NatsRefused> for Failed {
    fn from(refused: NatsRefused) -> Failed {
        match refused {
            NatsRefused::OutputFull | NatsRefused::TooManyFlushes => Failed::Full,
            NatsRefused::NotReady => Failed::Bus(BusError::Disconnected("the connection is ending".to_owned())),
            refused => Failed::Bus(BusError::Refused(refused.to_string())),
        }
    }
}

impl Inner {
    fn link(&mut self) -> Result<&mut NatsLink, Failed> {
        let down = self.down();
        match &mut self.link {
            Some(link) if !self.closing.is_cancelled() => Ok(link),
            _ => Err(Failed::Bus(down)),
        }
    }

    /// Returns the error of commands without a connection.
    fn down(&self) -> BusError {
        if self.closing.is_cancelled() { BusError::Closed } else { BusError::Disconnected(self.reason.clone()) }
    }

    fn event(&mut self, prefix: &str, event: NatsEvent) -> Option<Action> {
        match event {
            NatsEvent::Info(info) => Some(Action::Info(info)),
            NatsEvent::Message(message) if message.sid == INBOX_SID => self.answer(prefix, message),
            NatsEvent::Message(message) => {
                // It has just been unsubscribed from otherwise.
                let inbox = Arc::clone(&self.subscriptions.get(&message.sid)?.inbox);
                Some(Action::Deliver(inbox, converted(message)))
            }
            NatsEvent::Flushed(id) => self.flushes.remove(&id).map(Action::Flushed),
            NatsEvent::Unreadable { bytes, .. } => Some(Action::Unreadable(bytes)),
            NatsEvent::Error(error) => Some(Action::Error(error)),
            NatsEvent::Ready | NatsEvent::Closed(_) => None,
        }
    }

    fn answer(&mut self, prefix: &str, message: NatsMessage) -> Option<Action> {
        let number = message.subject.strip_prefix(prefix).and_then(|number| number.parse().ok());
        let Some(Request { subject, answer }) = number.and_then(|number| self.requests.remove(&number)) else {
            debug!("an answer comes for which nothing waits any more");
            return None;
        };
        let result =
            if message.is_no_responders() { Err(BusError::NoResponders(subject)) } else { Ok(converted(message)) };
        Some(Action::Answer(answer, result))
    }
}

fn converted(message: NatsMessage) -> Message {
    Message { subject: message.subject, reply: message.reply, payload: message.payload }
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
