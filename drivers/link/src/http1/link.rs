use std::fmt;

use bytes::Bytes;
use tungstenite::http::{Request, Response, StatusCode};
use ureq_proto::client::state::{RecvBody, RecvResponse};
use ureq_proto::client::{Call, RecvBodyResult, RecvResponseResult, SendRequestResult};
use ureq_proto::{BodyMode, Error};

use super::config::Http1Config;
use super::fault::{Http1Fault, Http1Refused};
use super::head::{check_length, checked, written_bytes};
use crate::buffer::Buffer;
use crate::tls::is_alert;

/// The most bytes by which the framing of a chunked body may exceed each of its bytes.
const CHUNK_OVERHEAD: usize = 32;

/// One connection to an HTTP/1.1 server, without IO. See the [module](super).
pub struct Http1Link {
    config: Http1Config,
    state: State,
    input: Buffer,
    output: Buffer,
    /// Whether the server has closed its side.
    ended: bool,
}

enum State {
    /// No request waits for its response.
    Free,
    /// The head of the response is awaited. `read` counts the bytes of interim responses.
    Head {
        call: Call<RecvResponse>,
        read: usize,
    },
    /// The body of the response is awaited. `framing` counts the bytes read that are not part of it.
    Body {
        call: Call<RecvBody>,
        response: Response<Vec<u8>>,
        framing: usize,
    },
    /// The last response was received, and no request can follow it.
    Spent,
    Failed(Http1Fault),
}

/// What reading has come to.
enum Step {
    Response(Response<Bytes>),
    Again,
    MoreInput,
}

impl Http1Link {
    /// Returns a link for a connection that was just made.
    pub fn new(config: Http1Config) -> Http1Link {
        Http1Link { config, state: State::Free, input: Buffer::default(), output: Buffer::default(), ended: false }
    }

    /// Queues a request, whose URL is absolute or whose headers have a `host`. Its `content-length` follows from its body.
    pub fn request(&mut self, request: &Request<Bytes>) -> Result<(), Http1Refused> {
        if !self.is_reusable() {
            return Err(Http1Refused::Busy);
        }
        let head = checked(request)?;
        let mut bytes = vec![0; written_bytes(&head)];
        let refused = |error: Error| Http1Refused::Request(error.to_string());
        let mut call = Call::new(head).map_err(refused)?;
        call.allow_non_standard_methods(true);
        let mut call = call.proceed();
        let written = call.write(&mut bytes).map_err(refused)?;
        bytes.truncate(written);
        let incomplete = || Http1Refused::Request("its head is larger than expected".to_owned());
        let call = match call.proceed().map_err(refused)?.ok_or_else(incomplete)? {
            SendRequestResult::SendBody(mut call) => {
                call.consume_direct_write(request.body().len()).map_err(refused)?;
                call.proceed().ok_or_else(incomplete)?
            }
            SendRequestResult::RecvResponse(call) => call,
            // Only an `expect` field leads here, which is refused before.
            SendRequestResult::Await100(_) => return Err(Http1Refused::Field("expect")),
        };
        let output = self.output.tail();
        output.extend_from_slice(&bytes);
        output.extend_from_slice(request.body());
        self.state = State::Head { call, read: 0 };
        Ok(())
    }

    /// Takes bytes that the server has sent.
    pub fn receive(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Failed(_)) {
            self.input.tail().extend_from_slice(bytes);
        }
    }

    /// Takes the end of the server's bytes.
    pub fn receive_end(&mut self) {
        self.ended = true;
    }

    /// Returns the response, or `None` if it is not complete yet. A fault is returned again by every later call.
    pub fn poll_response(&mut self) -> Result<Option<Response<Bytes>>, Http1Fault> {
        loop {
            // What fails within leaves the fault behind.
            let (state, step) = match std::mem::replace(&mut self.state, State::Spent) {
                State::Failed(fault) => (State::Failed(fault.clone()), Err(fault)),
                State::Free if self.input.is_empty() => (State::Free, Ok(Step::MoreInput)),
                State::Spent if self.input.is_empty() => (State::Spent, Ok(Step::MoreInput)),
                State::Free | State::Spent => fail(Http1Fault::Unasked),
                State::Head { call, read } => self.read_head(call, read).unwrap_or_else(fail),
                State::Body { call, response, framing } => self.read_body(call, response, framing).unwrap_or_else(fail),
            };
            self.state = state;
            if matches!(self.state, State::Failed(_)) {
                self.input.clear();
            }
            match step? {
                Step::Response(response) => return Ok(Some(response)),
                Step::Again => {}
                Step::MoreInput => return Ok(None),
            }
        }
    }

    fn read_head(&mut self, mut call: Call<RecvResponse>, read: usize) -> Result<Read, Http1Fault> {
        let max = self.config.max_head;
        let input = self.input.as_slice();
        let left = max.saturating_sub(read);
        match is_alert(input) {
            Some(true) if read == 0 => return Err(Http1Fault::Tls),
            None if self.ended => return Err(Http1Fault::Closed),
            None => return Ok((State::Head { call, read }, Ok(Step::MoreInput))),
            Some(_) => {}
        }
        let (used, response) =
            call.try_response(&input[..input.len().min(left)], false).map_err(|error| malformed(&error))?;
        let Some(response) = response else {
            if used > 0 {
                self.input.consume(used);
                return Ok((State::Head { call, read: read + used }, Ok(Step::Again)));
            }
            return if input.len() > left {
                Err(Http1Fault::HeadTooLarge { max })
            } else if self.ended {
                Err(Http1Fault::Closed)
            } else {
                Ok((State::Head { call, read }, Ok(Step::MoreInput)))
            };
        };
        self.input.consume(used);
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Http1Fault::Switched);
        }
        check_length(response.version(), response.headers())?;
        match call.proceed() {
            Some(RecvResponseResult::RecvBody(call)) => {
                if let BodyMode::LengthDelimited(length) = call.body_mode()
                    && length > u64::try_from(self.config.max_body).unwrap_or(u64::MAX)
                {
                    return Err(Http1Fault::BodyTooLarge { max: self.config.max_body });
                }
                Ok((State::Body { call, response: response.map(|()| Vec::new()), framing: 0 }, Ok(Step::Again)))
            }
            Some(RecvResponseResult::Redirect(call)) => {
                Ok(self.complete(response.map(|()| Vec::new()), call.must_close_connection()))
            }
            Some(RecvResponseResult::Cleanup(call)) => {
                Ok(self.complete(response.map(|()| Vec::new()), call.must_close_connection()))
            }
            None => Err(Http1Fault::Malformed("it has no length".to_owned())),
        }
    }

    fn read_body(
        &mut self,
        mut call: Call<RecvBody>,
        mut response: Response<Vec<u8>>,
        mut framing: usize,
    ) -> Result<Read, Http1Fault> {
        let Http1Config { max_head, max_body } = self.config;
        let input = self.input.as_slice();
        let body = response.body_mut();
        let start = body.len();
        // One byte more than the limit shows that it is exceeded.
        let room = input.len().min((max_body + 1).saturating_sub(start));
        body.resize(start + room, 0);
        let (used, kept) = call.read(input, &mut body[start..]).map_err(|error| malformed(&error))?;
        body.truncate(start + kept);
        framing += used - kept;
        if body.len() > max_body {
            return Err(Http1Fault::BodyTooLarge { max: max_body });
        }
        let unread = input.len() - used;
        self.input.consume(used);
        let framing_limit = max_head.saturating_add(response.body().len().saturating_mul(CHUNK_OVERHEAD));
        if framing > framing_limit {
            return Err(too_much_framing());
        }
        let is_close_delimited = call.body_mode() == BodyMode::CloseDelimited;
        let is_complete = if is_close_delimited { self.ended && unread == 0 } else { call.can_proceed() };
        if is_complete {
            let must_close = match call.proceed() {
                Some(RecvBodyResult::Redirect(call)) => call.must_close_connection(),
                Some(RecvBodyResult::Cleanup(call)) => call.must_close_connection(),
                None => true,
            };
            return Ok(self.complete(response, must_close));
        }
        if used == 0 && unread > max_head {
            return Err(too_much_framing());
        }
        if used > 0 && unread > 0 {
            return Ok((State::Body { call, response, framing }, Ok(Step::Again)));
        }
        if self.ended {
            return Err(Http1Fault::Closed);
        }
        Ok((State::Body { call, response, framing }, Ok(Step::MoreInput)))
    }

    fn complete(&self, response: Response<Vec<u8>>, must_close: bool) -> Read {
        // A server that answers before it has the whole request does not read the rest.
        let state = if must_close || !self.output.is_empty() { State::Spent } else { State::Free };
        (state, Ok(Step::Response(response.map(Bytes::from))))
    }

    /// Moves the bytes that wait to be written to the end of `into`.
    pub fn take_output(&mut self, into: &mut Vec<u8>) {
        self.output.take(into);
    }

    /// Returns whether another request can be sent on this connection now.
    pub fn is_reusable(&self) -> bool {
        matches!(self.state, State::Free) && !self.ended && self.input.is_empty() && self.output.is_empty()
    }

    /// Returns the memory that the link holds, in bytes, without that of its constant size.
    pub fn bytes_held(&self) -> usize {
        let body = match &self.state {
            State::Body { response, .. } => response.body().capacity(),
            State::Free | State::Head { .. } | State::Spent | State::Failed(_) => 0,
        };
        body + self.input.capacity() + self.output.capacity()
    }
}

type Read = (State, Result<Step, Http1Fault>);

fn fail(fault: Http1Fault) -> Read {
    (State::Failed(fault.clone()), Err(fault))
}

fn too_much_framing() -> Http1Fault {
    Http1Fault::Malformed("its chunks have too much between them".to_owned())
}

fn malformed(error: &Error) -> Http1Fault {
    // Some messages repeat what the server has sent.
    Http1Fault::Malformed(error.to_string().escape_debug().to_string())
}

impl fmt::Debug for Http1Link {
    /// Shows neither requests nor responses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Free => "free",
            State::Head { .. } => "head",
            State::Body { .. } => "body",
            State::Spent => "spent",
            State::Failed(_) => "failed",
        };
        f.debug_struct("Http1Link").field("state", &state).finish_non_exhaustive()
    }
}
