use std::{fmt, sync::Arc};

use nuncio_core::arcp::wire::lines::{Lines, append_line};
use tungstenite::{Utf8Bytes, protocol::Role};

use crate::{
    buffer::{Buffer, Output},
    client::{Awaited, ClientOptions},
    event::{Cause, Closed, LinkEvent, code},
    options::LinkOptions,
    refusal::Refusal,
    server::{ServerOptions, Upgrade},
    socket::{OWN_OUTPUT_LIMIT, Pipe, Socket, Step},
};

/// One connection's framing: bytes from the socket in, frames out, and back.
///
/// See the [crate's front page](crate) for how a driver uses it.
pub struct Link {
    state: State,
    /// Told before anything else is read.
    pending: Option<LinkEvent>,
    input: Buffer,
    output: Output,
    /// The input has ended.
    ended: bool,
    /// The input may hold something to poll.
    unpolled: bool,
}

enum State {
    /// A server waits for the request.
    Request(Upgrade),
    /// A client waits for the response.
    Response(Awaited),
    Socket(Box<Socket>),
    Lines(Lines),
    /// Lines are still written where no more are read.
    LinesOut,
    Closed,
}

impl Link {
    /// The server's side of a connection just accepted: expects the HTTP request, checks it and upgrades.
    pub fn server(options: Arc<ServerOptions>) -> Self {
        Self::starting(State::Request(Upgrade::new(options)), None)
    }

    /// The server's side where somebody else (a web framework) has sent the 101 already. Bytes it read beyond the
    /// request go through [`receive`](Link::receive) first.
    pub fn server_upgraded(options: LinkOptions) -> Self {
        Self::upgraded(Role::Server, options)
    }

    /// The client's side of a connection just made: [`output`](Link::output) holds the request.
    pub fn client(options: &ClientOptions) -> Self {
        let mut output = Output::default();
        let awaited = Awaited::new(options, output.buffer.tail());
        Self { output, ..Self::starting(State::Response(awaited), None) }
    }

    /// The client's side where somebody else has received the 101 already.
    pub fn client_upgraded(options: LinkOptions) -> Self {
        Self::upgraded(Role::Client, options)
    }

    /// Newline-delimited frames, either side: stdio.
    pub fn lines(options: LinkOptions) -> Self {
        Self::starting(State::Lines(Lines::new(options.max_message)), Some(LinkEvent::Open(None)))
    }

    fn upgraded(role: Role, options: LinkOptions) -> Self {
        let socket = Socket::new(role, options.max_message);
        Self::starting(State::Socket(Box::new(socket)), Some(LinkEvent::Open(None)))
    }

    fn starting(state: State, pending: Option<LinkEvent>) -> Self {
        Self { state, pending, input: Buffer::default(), output: Output::default(), ended: false, unpolled: false }
    }

    /// Takes bytes as they were read. To be called when [`wants_input`](Link::wants_input) says so: what is held of the
    /// input is then never more than one incomplete message (or HTTP head) and the bytes of one call. Dropped once the
    /// link is closed.
    pub fn receive(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Lines(lines) => lines.push(bytes),
            State::Request(_) | State::Response(_) | State::Socket(_) => {
                self.input.tail().extend_from_slice(bytes);
            }
            State::LinesOut | State::Closed => return,
        }
        self.unpolled = true;
    }

    /// The input has ended. Frames received before are still told, then the end.
    pub fn receive_end(&mut self) {
        self.ended = true;
        self.unpolled = true;
        if let State::Lines(lines) = &mut self.state {
            lines.finish();
        }
    }

    /// What happened next; `None` until more is received, or, where [`wants_input`](Link::wants_input) stays false,
    /// until more of the output is consumed.
    pub fn poll_event(&mut self) -> Option<LinkEvent> {
        let event = self.pending.take().or_else(|| self.advance());
        if event.is_none() && !self.is_paused() {
            self.unpolled = false;
        }
        event
    }

    /// Queues one message: UTF-8 text, of a link that [is open](Link::is_open). Otherwise nothing is queued and the
    /// answer is false: the race of a frame with the connection's end is normal, and `Closed` tells the core.
    ///
    /// The queue is as long as its user makes it: the core's credit bounds it.
    pub fn send(&mut self, frame: &[u8]) -> bool {
        debug_assert!(std::str::from_utf8(frame).is_ok(), "a frame is UTF-8");
        match &mut self.state {
            State::Socket(socket) if !socket.is_closing() => {
                let mut pipe = Pipe { input: &mut self.input, output: &mut self.output, ended: self.ended };
                socket.send(frame, &mut pipe);
                true
            }
            State::Lines(_) | State::LinesOut => {
                append_line(frame, self.output.buffer.tail());
                true
            }
            State::Socket(_) | State::Request(_) | State::Response(_) | State::Closed => false,
        }
    }

    /// Ends the link. An open WebSocket sends a close frame and is `Closed` when the peer has answered it or the input
    /// ends (a driver puts a deadline on that); lines and a client that waits for its response are `Closed` at once; a
    /// server that waits for its request refuses it as [`Refusal::Busy`]. Frames received from now on are dropped.
    ///
    /// A code that must not be sent (1005, 1006, below 1000 …) makes a close frame without code; a reason is cut to 123
    /// bytes.
    pub fn close(&mut self, code: u16, reason: &str) {
        match &mut self.state {
            State::Request(_) => self.refuse(Refusal::Busy),
            State::Socket(socket) => {
                let mut pipe = Pipe { input: &mut self.input, output: &mut self.output, ended: self.ended };
                socket.close(code, reason, &mut pipe);
            }
            State::Response(_) | State::Lines(_) => {
                self.end_with(Closed::new(Cause::Us, code, reason));
            }
            State::LinesOut => self.state = State::Closed,
            State::Closed => {}
        }
    }

    /// Refuses a request that is still awaited, say because its deadline passed. Without effect later, or elsewhere than
    /// on a server's side.
    pub fn refuse(&mut self, refusal: Refusal) {
        if matches!(self.state, State::Request(_)) {
            refusal.write(self.output.buffer.tail());
            self.end_with(refused(refusal));
        }
    }

    /// What is to be written to the socket.
    pub fn output(&self) -> &[u8] {
        self.output.buffer.as_slice()
    }

    /// The first `count` bytes of the output were written.
    pub fn consume(&mut self, count: usize) {
        self.output.consume(count);
    }

    /// Moves all output to the end of `into`, for a writer that writes without holding the link. An empty `into` is
    /// exchanged for the output instead: nothing is copied, and its space is used again.
    pub fn take_output(&mut self, into: &mut Vec<u8>) {
        self.output.take(into);
    }

    /// Whether to read from the socket: not while events wait to be polled, nor while the peer does not read the answers
    /// to its pings.
    pub fn wants_input(&self) -> bool {
        let reads = !matches!(self.state, State::LinesOut | State::Closed);
        let waiting = self.unpolled || self.pending.is_some();
        reads && !self.ended && !waiting && !self.is_paused()
    }

    /// Whether frames can be sent. Not before the upgrade: a driver puts a deadline on it.
    pub fn is_open(&self) -> bool {
        match &self.state {
            State::Socket(socket) => !socket.is_closing(),
            State::Lines(_) | State::LinesOut => true,
            State::Request(_) | State::Response(_) | State::Closed => false,
        }
    }

    /// Whether the end was told and all output is consumed: the socket can be dropped.
    pub fn is_finished(&self) -> bool {
        let told = matches!(self.state, State::LinesOut | State::Closed) && self.pending.is_none();
        told && self.output.buffer.is_empty()
    }

    /// Bytes allocated for input and output. Not counted is an incomplete WebSocket message: at most twice
    /// [`max_message`](LinkOptions::max_message) and 4 KiB.
    pub fn bytes_held(&self) -> usize {
        let lines = if let State::Lines(lines) = &self.state { lines.buffered() } else { 0 };
        self.input.capacity() + self.output.buffer.capacity() + lines
    }

    fn is_paused(&self) -> bool {
        self.output.own() > OWN_OUTPUT_LIMIT
    }

    fn advance(&mut self) -> Option<LinkEvent> {
        match &mut self.state {
            State::Request(upgrade) => match upgrade.poll(self.input.as_slice(), self.output.buffer.tail()) {
                Ok(Some(accepted)) => {
                    let socket = Socket::new(Role::Server, upgrade.options.link.max_message);
                    self.open(socket, accepted.head);
                    Some(LinkEvent::Open(Some(accepted.request)))
                }
                Ok(None) if self.ended => Some(self.close_now(Closed::lost("the connection ended before its request"))),
                Ok(None) => None,
                Err(refusal) => Some(self.close_now(refused(refusal))),
            },
            State::Response(awaited) => match awaited.poll(self.input.as_slice()) {
                Ok(Some(head)) => {
                    let socket = Socket::new(Role::Client, awaited.link.max_message);
                    self.open(socket, head);
                    Some(LinkEvent::Open(None))
                }
                Ok(None) if self.ended => {
                    Some(self.close_now(Closed::lost("the connection ended before the server's answer")))
                }
                Ok(None) => None,
                Err(closed) => Some(self.close_now(closed)),
            },
            State::Socket(socket) => {
                let mut pipe = Pipe { input: &mut self.input, output: &mut self.output, ended: self.ended };
                match socket.poll(&mut pipe)? {
                    Step::Frame(text) => Some(LinkEvent::Frame(text)),
                    Step::Closed(closed) => Some(self.close_now(closed)),
                }
            }
            State::Lines(lines) => {
                let closed = match lines.next_line() {
                    Some(Ok(line)) => match std::str::from_utf8(line) {
                        Ok(text) => return Some(LinkEvent::Frame(Utf8Bytes::from(text))),
                        Err(_) => Closed::new(Cause::Fault, code::NOT_UTF8, "a line is not UTF-8"),
                    },
                    Some(Err(error)) => Closed::new(Cause::Fault, code::TOO_BIG, error.to_string()),
                    None if self.ended => Closed::new(Cause::Peer, code::NORMAL, "the input has ended"),
                    None => return None,
                };
                self.state = State::LinesOut;
                Some(LinkEvent::Closed(closed))
            }
            State::LinesOut | State::Closed => None,
        }
    }

    fn open(&mut self, socket: Socket, head: usize) {
        self.state = State::Socket(Box::new(socket));
        self.input.consume(head);
    }

    fn close_now(&mut self, closed: Closed) -> LinkEvent {
        self.state = State::Closed;
        self.input.clear();
        LinkEvent::Closed(closed)
    }

    /// Closes from outside of polling. An `Open` not yet told is told no more.
    fn end_with(&mut self, closed: Closed) {
        self.pending = Some(self.close_now(closed));
    }
}

impl fmt::Debug for Link {
    /// Shows no bytes: there are tokens among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Request(_) => "request",
            State::Response(_) => "response",
            State::Socket(_) => "websocket",
            State::Lines(_) => "lines",
            State::LinesOut => "lines out",
            State::Closed => "closed",
        };
        f.debug_struct("Link")
            .field("state", &state)
            .field("input", &self.input.len())
            .field("output", &self.output.buffer.len())
            .finish_non_exhaustive()
    }
}

fn refused(refusal: Refusal) -> Closed {
    Closed::new(Cause::Refused { status: refusal.status() }, code::ABNORMAL, refusal.text())
}
