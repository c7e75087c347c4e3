use std::collections::VecDeque;
use std::fmt;

use nuncio_core::time::Time;

use super::config::NatsConfig;
use super::connect;
use super::event::{FlushId, NatsClosed, NatsEvent, NatsFault, NatsRefused};
use super::framer::{Frame, Framer};
use super::info::NatsInfo;
use super::state::State;
use super::subject::{InvalidSubject, check_filter, check_group, check_subject};
use crate::buffer::Output;

/// One connection to a NATS server, without IO. See the [module](super).
pub struct NatsLink {
    config: NatsConfig,
    state: State,
    framer: Framer,
    output: Output,
    /// The pings that the server has not answered, in their order.
    pings: VecDeque<Ping>,
    flushes: usize,
    next_flush: u64,
    /// The longest payload that the server accepts.
    server_max_payload: usize,
    /// The last error that the server has reported.
    last_error: Option<String>,
    /// Whether the stream has ended behind the bytes of the framer.
    ended: bool,
    /// The end, until it is taken.
    end: Option<NatsClosed>,
    /// When the server was last heard, or sent a ping because it was silent.
    quiet_since: Time,
    /// The pings after silence that are not answered.
    unanswered: u32,
}

/// What a ping is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ping {
    Login,
    Alive,
    Flush(FlushId),
}

/// How many bytes of answers to pings may wait to be written until no more input is processed. The server alone decides how
/// many pings there are.
const MAX_PONGS: usize = 16 * 1024;

impl NatsLink {
    /// Returns a link for a connection that was just made.
    pub fn new(config: NatsConfig, now: Time) -> NatsLink {
        NatsLink {
            state: State::Waiting,
            framer: Framer::new(config.max_line, config.max_payload),
            output: Output::default(),
            pings: VecDeque::new(),
            flushes: 0,
            next_flush: 0,
            server_max_payload: 0,
            last_error: None,
            ended: false,
            end: None,
            quiet_since: now,
            unanswered: 0,
            config,
        }
    }

    /// Takes bytes that the server has sent.
    pub fn receive(&mut self, now: Time, bytes: &[u8]) {
        if self.state != State::Closed {
            self.quiet_since = now;
            self.framer.push(bytes);
        }
    }

    /// Notes that the server will send no more bytes.
    pub fn receive_end(&mut self) {
        self.ended = true;
    }

    /// Returns the next event.
    pub fn poll_event(&mut self) -> Option<NatsEvent> {
        loop {
            if self.state == State::Closed {
                return self.end.take().map(NatsEvent::Closed);
            }
            if !self.wants_input() {
                return None;
            }
            match self.framer.next() {
                Ok(None) if self.ended => {
                    let error = self.last_error.take();
                    self.finish(NatsClosed::Ended(error));
                }
                Ok(None) => return None,
                Ok(Some(frame)) => {
                    if let Some(event) = self.frame(frame) {
                        return Some(event);
                    }
                }
                Err(NatsFault::Line(_)) if self.state == State::Waiting => self.finish(NatsFault::NotNats.into()),
                Err(fault) => self.finish(fault.into()),
            }
        }
    }

    /// Returns false while so many answers to pings wait to be written that no input is processed.
    pub fn wants_input(&self) -> bool {
        self.output.own() <= MAX_PONGS
    }

    /// Returns when [`handle_timeout`](NatsLink::handle_timeout) has to be called. A login has no deadline here.
    pub fn poll_timeout(&self) -> Option<Time> {
        (self.state == State::Ready).then(|| self.deadline())
    }

    /// Sends a ping if the server was silent for long, or ends the link if it has not answered several.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.state != State::Ready || now < self.deadline() {
            return;
        }
        if self.unanswered >= self.config.unanswered_pings {
            self.finish(NatsClosed::Silent(self.unanswered));
            return;
        }
        self.quiet_since = now;
        self.unanswered += 1;
        self.ping(Ping::Alive);
    }

    fn deadline(&self) -> Time {
        self.quiet_since.plus(self.config.ping_interval)
    }

    /// Notes that the driver will make a TLS handshake on the stream now. It ends the link if bytes have come that are not
    /// part of it.
    pub fn start_tls(&mut self) {
        if !self.framer.is_empty() {
            self.finish(NatsFault::BeforeTls.into());
        }
    }

    /// Logs in, once INFO has come.
    pub fn login(&mut self, now: Time) -> Result<(), NatsRefused> {
        if !self.state.login() {
            return Err(NatsRefused::NotReady);
        }
        self.quiet_since = now;
        connect::write(&self.config, self.output.buffer.tail());
        self.ping(Ping::Login);
        Ok(())
    }

    /// Subscribes to a subject under a number, as a member of a queue group if one is named.
    pub fn subscribe(&mut self, sid: u64, subject: &str, group: Option<&str>) -> Result<(), NatsRefused> {
        check(subject, "subject", check_filter)?;
        group.map_or(Ok(()), |group| check(group, "queue group", check_group))?;
        let (space, group) = spaced(group);
        self.command(&[b"SUB ", subject.as_bytes(), space, group, b" ", sid.to_string().as_bytes()])
    }

    /// Ends a subscription. Messages that are on their way still come.
    pub fn unsubscribe(&mut self, sid: u64) -> Result<(), NatsRefused> {
        self.command(&[b"UNSUB ", sid.to_string().as_bytes()])
    }

    /// Publishes a message.
    pub fn publish(&mut self, subject: &str, reply: Option<&str>, payload: &[u8]) -> Result<(), NatsRefused> {
        check(subject, "subject", check_subject)?;
        reply.map_or(Ok(()), |reply| check(reply, "reply subject", check_subject))?;
        if self.state == State::Ready && payload.len() > self.server_max_payload {
            return Err(NatsRefused::PayloadTooLarge { bytes: payload.len(), max: self.server_max_payload });
        }
        let (space, reply) = spaced(reply);
        let length = payload.len().to_string();
        let parts: [&[u8]; 8] = [b"PUB ", subject.as_bytes(), space, reply, b" ", length.as_bytes(), b"\r\n", payload];
        let bytes = parts.iter().map(|part| part.len()).sum::<usize>() + 2;
        let queued = self.output_len();
        if self.state == State::Ready && queued > 0 && queued.saturating_add(bytes) > self.config.max_output {
            return Err(NatsRefused::OutputFull);
        }
        self.command(&parts)
    }

    /// Asks the server whether it has taken everything that was queued before. [`NatsEvent::Flushed`] is the answer.
    pub fn flush(&mut self) -> Result<FlushId, NatsRefused> {
        if self.state != State::Ready {
            return Err(NatsRefused::NotReady);
        }
        if self.flushes >= self.config.max_flushes {
            return Err(NatsRefused::TooManyFlushes);
        }
        let id = FlushId(self.next_flush);
        self.next_flush += 1;
        self.flushes += 1;
        self.ping(Ping::Flush(id));
        Ok(id)
    }

    /// Ends the link. What is queued can still be written.
    pub fn close(&mut self) {
        self.finish(NatsClosed::Closed);
    }

    /// Returns whether the login was accepted and the link has not ended.
    pub fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// Moves the bytes that wait to be written to the end of `into`.
    pub fn take_output(&mut self, into: &mut Vec<u8>) {
        self.output.take(into);
    }

    /// Returns how many bytes wait to be written.
    pub fn output_len(&self) -> usize {
        self.output.buffer.len()
    }

    /// Returns the memory that the link holds, in bytes, without that of its constant size.
    pub fn bytes_held(&self) -> usize {
        self.framer.bytes_held() + self.output.buffer.capacity() + self.pings.capacity() * size_of::<Ping>()
    }

    /// Handles a frame. Returns the event that the driver has to see.
    fn frame(&mut self, frame: Frame) -> Option<NatsEvent> {
        if !matches!(frame, Frame::Error(_)) {
            self.last_error = None;
        }
        match frame {
            Frame::Info(json) => self.info(&json),
            Frame::Error(text) => self.error(text),
            _ if matches!(self.state, State::Waiting) => self.fail(NatsFault::NotNats),
            Frame::Message(message) if self.state == State::Ready => Some(NatsEvent::Message(message)),
            Frame::Unreadable(sid, bytes) if self.state == State::Ready => Some(NatsEvent::Unreadable { sid, bytes }),
            Frame::Message(_) | Frame::Unreadable(..) => self.fail(NatsFault::Line("a message before the login")),
            // A server does not take a PONG before CONNECT.
            Frame::Ping if self.state == State::Greeted => None,
            Frame::Ping => {
                let before = self.output.buffer.len();
                self.output.buffer.tail().extend_from_slice(b"PONG\r\n");
                self.output.count_own(before);
                None
            }
            Frame::Pong => self.pong(),
            Frame::Ok => None,
        }
    }

    fn info(&mut self, json: &[u8]) -> Option<NatsEvent> {
        match serde_json::from_slice::<NatsInfo>(json) {
            Err(error) => self.fail(NatsFault::Info(error.to_string())),
            Ok(info) => {
                // A later INFO leaves the state as it is.
                let _first = self.state.greet();
                self.server_max_payload = usize::try_from(info.max_payload).unwrap_or(usize::MAX);
                Some(NatsEvent::Info(Box::new(info)))
            }
        }
    }

    fn error(&mut self, text: String) -> Option<NatsEvent> {
        if self.state != State::Ready {
            self.finish(NatsClosed::Refused(text));
            return None;
        }
        self.last_error = Some(text.clone());
        Some(NatsEvent::Error(text))
    }

    fn pong(&mut self) -> Option<NatsEvent> {
        match self.pings.pop_front() {
            Some(Ping::Login) => self.state.accept().then_some(NatsEvent::Ready),
            Some(Ping::Flush(id)) => {
                self.flushes -= 1;
                Some(NatsEvent::Flushed(id))
            }
            Some(Ping::Alive) => {
                self.unanswered -= 1;
                None
            }
            // A pong that nothing asked for tells as much as any other byte.
            None => None,
        }
    }

    fn fail(&mut self, fault: NatsFault) -> Option<NatsEvent> {
        self.finish(fault.into());
        None
    }

    /// Ends the link for this reason, unless it has ended.
    fn finish(&mut self, end: NatsClosed) {
        if self.state.close() {
            self.end = Some(end);
            self.framer.clear();
            self.pings = VecDeque::new();
        }
    }

    fn ping(&mut self, ping: Ping) {
        self.output.buffer.tail().extend_from_slice(b"PING\r\n");
        self.pings.push_back(ping);
    }

    /// Queues a command of these parts.
    fn command(&mut self, parts: &[&[u8]]) -> Result<(), NatsRefused> {
        if self.state != State::Ready {
            return Err(NatsRefused::NotReady);
        }
        let output = self.output.buffer.tail();
        for part in parts {
            output.extend_from_slice(part);
        }
        output.extend_from_slice(b"\r\n");
        Ok(())
    }
}

impl fmt::Debug for NatsLink {
    /// Shows neither credentials nor messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsLink")
            .field("state", &self.state)
            .field("output", &self.output_len())
            .finish_non_exhaustive()
    }
}

fn check(text: &str, what: &'static str, check: fn(&str) -> Result<(), InvalidSubject>) -> Result<(), NatsRefused> {
    check(text).map_err(|error| NatsRefused::Subject { text: text.chars().take(256).collect(), what, error })
}

/// Returns a word with the space before it, or nothing.
fn spaced(word: Option<&str>) -> (&[u8], &[u8]) {
    word.map_or((&[], &[]), |word| (b" ", word.as_bytes()))
}
