use std::io::{self, ErrorKind, Read, Write};

use bytes::Bytes;
use tungstenite::{
    Error, Message, Utf8Bytes,
    error::ProtocolError,
    protocol::{
        CloseFrame, Role, WebSocketConfig, WebSocketContext,
        frame::{
            Frame, FrameHeader,
            coding::{CloseCode, Data, OpCode},
        },
    },
};

use crate::{
    buffer::{Buffer, Output},
    control::{Control, Next, is_registered},
    event::{Cause, Closed, code},
};

/// Returns how much tungstenite reads at a time. Each connection allocates it, and its free part is zeroed at every read. A
/// server has many connections that wait, and clients send it little.
const fn read_buffer(role: Role) -> usize {
    match role {
        Role::Server => 512,
        Role::Client => 4 * 1024,
    }
}

/// Bytes of pongs beyond which a link reads no further until they are written.
pub(crate) const OWN_OUTPUT_LIMIT: usize = 16 * 1024;

/// The maximum length of a close reason in bytes: a control frame holds 125, and the close code takes two.
const REASON_LIMIT: usize = 123;

/// An upgraded connection: tungstenite's protocol over the link's buffers.
pub(crate) struct Socket {
    context: WebSocketContext,
    role: Role,
    max_message: usize,
    control: Control,
    /// How the link will be reported to have ended, if the driver has closed it.
    closing: Option<Closed>,
    /// Bytes that were read since the last message, up to a read buffer of them less.
    partial: usize,
}

pub(crate) enum Step {
    Frame(Utf8Bytes),
    Closed(Closed),
}

impl Socket {
    pub(crate) fn new(role: Role, max_message: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(read_buffer(role))
            // tungstenite buffers nothing: when it returns, everything that it writes is in the link's output.
            .write_buffer_size(0)
            .max_message_size(Some(max_message))
            .max_frame_size(Some(max_message));
        Self {
            context: WebSocketContext::new(role, Some(config)),
            role,
            max_message,
            control: Control::default(),
            closing: None,
            partial: 0,
        }
    }

    /// Changes the maximum length of a message.
    pub(crate) fn set_max_message(&mut self, max_message: usize) {
        self.max_message = max_message;
        self.context.set_config(|config| {
            config.max_message_size = Some(max_message);
            config.max_frame_size = Some(max_message);
        });
    }

    /// Returns the bytes that were read of a message which is not complete.
    pub(crate) fn partial(&self) -> usize {
        self.partial
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    pub(crate) fn poll(&mut self, pipe: &mut Pipe<'_>) -> Option<Step> {
        let masked = matches!(self.role, Role::Server);
        while pipe.output.own() <= OWN_OUTPUT_LIMIT {
            let before = pipe.input.len();
            let read = self.context.read(&mut Input { pipe, control: &mut self.control, masked });
            self.partial += before - pipe.input.len();
            if matches!(read, Ok(Message::Text(_) | Message::Binary(_))) {
                self.partial = 0;
            }
            match read {
                // After our close frame, the peer's messages are read and dropped, because its own close frame follows
                // them.
                Ok(Message::Text(_) | Message::Binary(_)) if self.is_closing() => {}
                Ok(Message::Text(text)) => return Some(Step::Frame(text)),
                Ok(Message::Binary(bytes)) => {
                    return Some(match Utf8Bytes::try_from(bytes) {
                        Ok(text) => Step::Frame(text),
                        Err(error) => Step::Closed(self.fail(&error.into(), pipe)),
                    });
                }
                Ok(Message::Ping(_)) => {
                    let before = pipe.output.buffer.len();
                    self.flush(pipe);
                    pipe.output.count_own(before);
                }
                Ok(Message::Close(frame)) => {
                    return Some(Step::Closed(self.closed_by_peer(frame, pipe)));
                }
                Ok(Message::Pong(_) | Message::Frame(_)) => {}
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return self.held_back(pipe),
                Err(error) => return Some(Step::Closed(self.fail(&error, pipe))),
            }
        }
        None
    }

    /// Handles a frame that tungstenite was not given, once it has read everything before it.
    fn held_back(&mut self, pipe: &mut Pipe<'_>) -> Option<Step> {
        match self.control.next(pipe.input.as_slice(), matches!(self.role, Role::Server)) {
            Next::TooLong => Some(Step::Closed(self.fail(&ProtocolError::ControlFrameTooBig.into(), pipe))),
            Next::Close { code, reason, length } => {
                pipe.input.consume(length);
                let closed = self.closing.take().unwrap_or_else(|| {
                    self.write_close(code, &reason, pipe);
                    Closed::new(Cause::Peer, code, reason)
                });
                Some(Step::Closed(closed))
            }
            Next::Pass(_) | Next::Incomplete => None,
        }
    }

    pub(crate) fn send(&mut self, frame: &[u8], pipe: &mut Pipe<'_>) {
        match self.role {
            // Writes what tungstenite would, without its copy of the frame.
            Role::Server => {
                let header = FrameHeader { opcode: OpCode::Data(Data::Text), ..FrameHeader::default() };
                let out = pipe.output.buffer.tail();
                out.reserve(frame.len() + 10);
                infallible(&header.format(frame.len() as u64, out));
                out.extend_from_slice(frame);
            }
            Role::Client => {
                let frame = Frame::message(Bytes::copy_from_slice(frame), OpCode::Data(Data::Text), true);
                infallible(&self.context.write(pipe, Message::Frame(frame)));
            }
        }
    }

    pub(crate) fn close(&mut self, code: u16, reason: &str, pipe: &mut Pipe<'_>) {
        if self.closing.is_none() {
            self.closing = Some(Closed::new(Cause::Us, code, reason));
            self.write_close(code, reason, pipe);
        }
    }

    fn closed_by_peer(&mut self, frame: Option<CloseFrame>, pipe: &mut Pipe<'_>) -> Closed {
        if let Some(closed) = self.closing.take() {
            return closed;
        }
        self.flush(pipe);
        match frame {
            Some(frame) => Closed::new(Cause::Peer, frame.code.into(), frame.reason.as_str()),
            None => Closed::new(Cause::Peer, code::NO_STATUS, ""),
        }
    }

    /// Ends the connection after an error, with a close frame. tungstenite itself would go on reading and send none.
    fn fail(&mut self, error: &Error, pipe: &mut Pipe<'_>) -> Closed {
        if let Some(closed) = self.closing.take() {
            return closed;
        }
        let (code, reason) = match error {
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                return Closed::lost("the connection ended without a close frame");
            }
            Error::Capacity(_) => (code::TOO_BIG, format!("a message is longer than {} bytes", self.max_message)),
            Error::Utf8(_) => (code::NOT_UTF8, "a message is not UTF-8".to_owned()),
            Error::Protocol(rule) => (code::PROTOCOL, rule.to_string()),
            // The other errors do not occur on a connection that is read from memory.
            _ => (code::PROTOCOL, "the WebSocket protocol was violated".to_owned()),
        };
        self.write_close(code, &reason, pipe);
        Closed::new(Cause::Fault, code, reason)
    }

    fn write_close(&mut self, code: u16, reason: &str, pipe: &mut Pipe<'_>) {
        let fits = (0..=reason.len().min(REASON_LIMIT)).rev().find(|&end| reason.is_char_boundary(end));
        let reason = &reason[..fits.unwrap_or(0)];
        let frame = is_registered(code).then(|| CloseFrame { code: CloseCode::from(code), reason: reason.into() });
        infallible(&self.context.close(pipe, frame));
    }

    fn flush(&mut self, pipe: &mut Pipe<'_>) {
        infallible(&self.context.flush(pipe));
    }
}

/// Checks a write to memory, which cannot fail. `ConnectionClosed` is not a failure: tungstenite returns it on a server
/// once the answer to a close frame is written.
fn infallible(written: &Result<(), Error>) {
    debug_assert!(matches!(written, Ok(()) | Err(Error::ConnectionClosed)), "a write to memory failed: {written:?}");
}

/// The link's buffers, as the stream that tungstenite reads and writes.
pub(crate) struct Pipe<'a> {
    pub(crate) input: &'a mut Buffer,
    pub(crate) output: &'a mut Output,
    pub(crate) ended: bool,
}

/// The pipe, without the frames that this side handles itself.
struct Input<'a, 'b> {
    pipe: &'a mut Pipe<'b>,
    control: &'a mut Control,
    masked: bool,
}

impl Read for Input<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let received = self.pipe.input.as_slice();
        let count = match self.control.next(received, self.masked) {
            Next::Pass(count) => count.min(into.len()),
            // The rest of the frame will not come. `Ok(0)` is the end of the stream.
            Next::Incomplete if self.pipe.ended => return Ok(0),
            Next::Incomplete | Next::TooLong | Next::Close { .. } => return Err(ErrorKind::WouldBlock.into()),
        };
        into[..count].copy_from_slice(&received[..count]);
        self.control.passed(received, count);
        self.pipe.input.consume(count);
        Ok(count)
    }
}

impl Write for Input<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pipe.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Pipe<'_> {
    /// Reads nothing: tungstenite reads an [`Input`] only, and asks for this to write.
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.buffer.tail().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
