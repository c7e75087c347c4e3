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

/// Bytes of an incomplete message that are not kept while a link waits for the peer's close frame.
const MUCH_UNREAD: usize = 64 << 10;

/// The framing of one connection: converts bytes of the socket to frames, and frames to bytes.
///
/// See the [crate's front page](crate) for how a driver uses it.
pub struct Link {
    state: State,
    /// An event that is returned before more input is read.
    pending: Option<LinkEvent>,
    input: Buffer,
    output: Output,
    /// The input has ended.
    ended: bool,
    /// Whether the input may contain an event.
    unpolled: bool,
    /// The maximum length of a message until the peer is welcome.
    restraint: Option<usize>,
}

enum State {
    /// A server waits for the request.
    Request(Upgrade),
    /// A client waits for the response.
    Response(Awaited),
    Socket(Box<Socket>),
    Lines(Lines),
    /// The input of lines has ended or is faulty; lines can still be written.
    LinesOut,
    Closed,
}

impl Link {
    /// Returns the server's side of a connection that was just accepted. It reads, checks and answers the HTTP request.
    pub fn server(options: Arc<ServerOptions>) -> Self {
        Self::starting(State::Request(Upgrade::new(options)), None)
    }

    /// Returns the server's side of a connection on which a web framework has already sent the 101. Bytes that it has
    /// read beyond the request must be passed to [`receive`](Link::receive) first.
    pub fn server_upgraded(options: LinkOptions) -> Self {
        Self::upgraded(Role::Server, options)
    }

    /// Returns the client's side of a connection that was just made. [`output`](Link::output) holds the HTTP request.
    pub fn client(options: &ClientOptions) -> Self {
        let mut output = Output::default();
        let awaited = Awaited::new(options, output.buffer.tail());
        Self { output, ..Self::starting(State::Response(awaited), None) }
    }

    /// Returns the client's side of a connection on which other code has already received the 101.
    pub fn client_upgraded(options: LinkOptions) -> Self {
        Self::upgraded(Role::Client, options)
    }

    /// Returns either side of a stream of newline-delimited frames, for stdio.
    pub fn lines(options: LinkOptions) -> Self {
        Self::starting(State::Lines(Lines::new(options.max_message)), Some(LinkEvent::Open(None)))
    }

    fn upgraded(role: Role, options: LinkOptions) -> Self {
        let socket = Socket::new(role, options.max_message);
        Self::starting(State::Socket(Box::new(socket)), Some(LinkEvent::Open(None)))
    }

    fn starting(state: State, pending: Option<LinkEvent>) -> Self {
        Self {
            state,
            pending,
            input: Buffer::default(),
            output: Output::default(),
            ended: false,
            unpolled: false,
            restraint: None,
        }
    }

    /// Bounds messages by `max` bytes until [`welcome`](Link::welcome) is called, for a peer that has not proved who it is.
    /// If the link is closed before, it is `Closed` at once and frees what it holds of the peer's.
    pub fn restrain(&mut self, max: usize) {
        self.restraint = Some(max);
        self.bound(max);
    }

    /// Ends what [`restrain`](Link::restrain) has begun. Messages have at most [`LinkOptions::max_message`] bytes from now
    /// on, which `options` repeats.
    pub fn welcome(&mut self, options: LinkOptions) {
        if self.restraint.take().is_some() {
            self.bound(options.max_message);
        }
    }

    fn bound(&mut self, max: usize) {
        match &mut self.state {
            State::Socket(socket) => socket.set_max_message(max),
            State::Lines(lines) => lines.set_max_line(max),
            State::Request(_) | State::Response(_) | State::LinesOut | State::Closed => {}
        }
    }

    /// Returns the bytes that were received and are not part of a message that was returned. Of those behind a message,
    /// up to 4 KiB may be missing.
    pub fn unread(&self) -> usize {
        self.input.len()
            + match &self.state {
                State::Socket(socket) => socket.partial(),
                State::Lines(lines) => lines.buffered(),
                State::Request(_) | State::Response(_) | State::LinesOut | State::Closed => 0,
            }
    }

    /// Returns whether the input has ended.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Takes bytes that were read from the socket. If it is called only while [`wants_input`](Link::wants_input) is
    /// true, the link holds at most one incomplete message (or HTTP head) and the bytes of one call. Once the link is
    /// closed, the bytes are dropped.
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

    /// Notes that the input has ended. Frames that were received before are still returned, then the end.
    pub fn receive_end(&mut self) {
        self.ended = true;
        self.unpolled = true;
        if let State::Lines(lines) = &mut self.state {
            lines.finish();
        }
    }

    /// Returns the next event. `None` means that the link needs more input, or, if [`wants_input`](Link::wants_input)
    /// is false, that more of the output has to be consumed.
    pub fn poll_event(&mut self) -> Option<LinkEvent> {
        let event = self.pending.take().or_else(|| self.advance());
        if event.is_none() && !self.is_paused() {
            self.unpolled = false;
        }
        event
    }

    /// Queues one message of UTF-8 text. Returns false and queues nothing if the link is not [open](Link::is_open): a
    /// connection may end while a frame is on its way to it, and the core learns of that by `Closed`.
    ///
    /// The link does not bound the queue; the core's credit does.
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
    /// ends, for which the driver has a deadline. If it holds more than 64 KiB of an incomplete message, it is `Closed` at once
    /// and frees them. Lines, and a client that waits for its response, are `Closed` at
    /// once. A server that waits for its request refuses it as [`Refusal::Busy`]. Frames that are received from now on
    /// are dropped.
    ///
    /// For a code that must not be sent (such as 1005, 1006 and those below 1000) the close frame has no code. A reason
    /// is cut to 123 bytes.
    pub fn close(&mut self, code: u16, reason: &str) {
        let at_once = self.restraint.is_some() || self.unread() > MUCH_UNREAD;
        match &mut self.state {
            State::Request(_) => self.refuse(Refusal::Busy),
            State::Socket(socket) => {
                let mut pipe = Pipe { input: &mut self.input, output: &mut self.output, ended: self.ended };
                socket.close(code, reason, &mut pipe);
                if at_once {
                    self.end_with(Closed::new(Cause::Us, code, reason));
                }
            }
            State::Response(_) | State::Lines(_) => {
                self.end_with(Closed::new(Cause::Us, code, reason));
            }
            State::LinesOut => self.state = State::Closed,
            State::Closed => {}
        }
    }

    /// Refuses a request that has not arrived yet, for example because its deadline has passed. It has no effect later,
    /// or on a link that is not a server's.
    pub fn refuse(&mut self, refusal: Refusal) {
        if matches!(self.state, State::Request(_)) {
            refusal.write(self.output.buffer.tail());
            self.end_with(refused(refusal));
        }
    }

    /// Returns the bytes to write to the socket.
    pub fn output(&self) -> &[u8] {
        self.output.buffer.as_slice()
    }

    /// Notes that the first `count` bytes of the output were written.
    pub fn consume(&mut self, count: usize) {
        self.output.consume(count);
    }

    /// Moves all output to the end of `into`, for a writer that does not lock the link while it writes. An empty `into`
    /// is swapped with the output instead: nothing is copied, and its capacity is reused.
    pub fn take_output(&mut self, into: &mut Vec<u8>) {
        self.output.take(into);
    }

    /// Returns whether to read from the socket. It is false while events wait to be polled, and while too many pongs
    /// wait to be written.
    pub fn wants_input(&self) -> bool {
        let reads = !matches!(self.state, State::LinesOut | State::Closed);
        let waiting = self.unpolled || self.pending.is_some();
        reads && !self.ended && !waiting && !self.is_paused()
    }

    /// Frees what the buffers do not need, for a connection that waits: most of a server's connections do so most of the time.
    pub fn release(&mut self) {
        self.input.release();
        self.output.buffer.release();
    }

    /// Returns whether frames can be sent. It is false before the upgrade, for which the driver has a deadline.
    pub fn is_open(&self) -> bool {
        match &self.state {
            State::Socket(socket) => !socket.is_closing(),
            State::Lines(_) | State::LinesOut => true,
            State::Request(_) | State::Response(_) | State::Closed => false,
        }
    }

    /// Returns whether `Closed` was returned and all output is consumed: the socket can be dropped.
    pub fn is_finished(&self) -> bool {
        let told = matches!(self.state, State::LinesOut | State::Closed) && self.pending.is_none();
        told && self.output.buffer.is_empty()
    }

    /// Returns the number of bytes that are allocated for input and output. An incomplete WebSocket message is not
    /// counted; it has at most twice [`max_message`](LinkOptions::max_message) and 4 KiB.
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
                    let max = upgrade.options.link.max_message;
                    let socket = Socket::new(Role::Server, self.restraint.map_or(max, |restraint| restraint.min(max)));
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

    /// Closes the link outside of polling. An `Open` that was not returned yet is dropped.
    fn end_with(&mut self, closed: Closed) {
        self.pending = Some(self.close_now(closed));
    }
}

impl fmt::Debug for Link {
    /// Shows no bytes, because they include tokens.
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
