//! Connects a client, and reconnects it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_channel::oneshot;
use futures_lite::future::or;
use nuncio_link::{Cause, Closed, LinkOptions, Request, Utf8Bytes};
use tracing::{Instrument, debug, info, info_span};

use super::action::Host as _;
use super::backoff::{Attempt, Backoff};
use super::connect::Connector;
use super::error::{ConnectError, SessionEnd};
use super::hub::Hub;
use super::reconnect::Reconnect;
use super::session::SessionEvent;
use super::token::TokenSource;
use super::transport::Transport;
use crate::io::clock::{monotonic, timeout};
use crate::io::conn::{self, Patience};
use crate::io::pipe::Pipe;
use crate::io::port::{Port, Turn};
use crate::io::sync::{CancellationToken, lock};
use crate::io::{Driver, Io as _, Sanitized};

/// Makes the connections of one client.
pub(super) struct Supervisor<D: Driver> {
    pub(super) hub: Arc<Hub>,
    pub(super) io: Arc<D::Thread>,
    pub(super) connector: Box<dyn Connector<D>>,
    pub(super) token: TokenSource,
    pub(super) reconnect: Reconnect,
    /// The time limit for a connection and its upgrade.
    pub(super) connect_timeout: Duration,
}

/// How long a closing connection may take to write its last frames.
const LINGER: Duration = Duration::from_secs(1);

impl<D: Driver> Supervisor<D> {
    /// Connects each time the machine asks for it, until the session has ended.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(self.reconnect);
        let mut connection: Option<oneshot::Receiver<()>> = None;
        let abandoned = CancellationToken::new();
        let started = monotonic();
        while let Some(attempt) = self.wanted(started).await {
            let progress = self.hub.run(|state, _| state.link.take_progress());
            let Attempt { number, after: pause } = backoff.next(monotonic(), progress);
            if self.hub.look(|state| state.link.was_welcomed()) {
                info!(attempt, ?pause, "reconnecting");
                self.hub.announce(SessionEvent::Reconnecting { attempt: number, after: pause });
            }
            if !pause.is_zero() && self.ended_within(pause).await {
                break;
            }
            if self.hub.look(|state| state.link.is_token_wanted()) && !self.renew().await {
                continue;
            }
            match timeout(&*self.io, self.connect_timeout, self.connector.connect(&self.io)).await {
                // The session has ended in the meantime.
                Some(Ok(_)) if self.hub.ended().is_some() => break,
                Some(Ok(transport)) => connection = Some(self.open(transport, abandoned.clone())),
                Some(Err(error)) => self.failed(ConnectError::Io(Arc::new(error))),
                None => self.failed(ConnectError::TimedOut),
            }
        }
        if let Some(connection) = connection {
            // Gives the connection time to write its last frames, then abandons it.
            timeout(&*self.io, LINGER * 3, connection).await;
            abandoned.cancel();
        }
    }

    /// Waits until the machine asks for a connection. Returns the number of failed attempts before it, or `None` once
    /// the session has ended.
    async fn wanted(&mut self, started: Instant) -> Option<u32> {
        loop {
            if self.hub.ended().is_some() {
                return None;
            }
            if let Some(attempt) = self.hub.run(|state, _| state.link.take_wanted()) {
                if self.may(attempt, monotonic().duration_since(started)) {
                    return Some(attempt);
                }
                continue;
            }
            self.hub.wanted.notified().await;
        }
    }

    /// Returns whether to make another attempt after `failed` attempts that failed. If not, the session is ended.
    fn may(&self, failed: u32, elapsed: Duration) -> bool {
        let (welcomed, last, window) = self
            .hub
            .run(|state, now| (state.link.was_welcomed(), state.link.last().cloned(), state.link.window_passed(now)));
        let first = failed == 0 && !welcomed;
        let last = last.unwrap_or(ConnectError::Ended("the connection was lost".to_owned()));
        let end = match (welcomed, window) {
            (true, Some(window)) => SessionEnd::WindowPassed { window, last },
            (true, None) if self.reconnect.resumes_again(failed) => return true,
            (true, None) => SessionEnd::GaveUp { attempts: failed, last },
            (false, _) if first || !last.is_final() && self.reconnect.connects_again(failed, elapsed) => return true,
            (false, _) => SessionEnd::Unreachable { attempts: failed, last },
        };
        self.hub.give_up(end);
        false
    }

    /// Asks for a token, and gives it to the machine. Returns whether to connect with it.
    async fn renew(&mut self) -> bool {
        match timeout(&*self.io, self.connect_timeout, self.token.ask()).await {
            Some(Ok(token)) => {
                debug!("the source has given a token");
                self.hub.run(|state, now| {
                    state.link.renewed();
                    state.client.renew(now, token);
                });
                return self.hub.ended().is_none();
            }
            Some(Err(error)) => self.failed(error),
            None => self.failed(ConnectError::TimedOut),
        }
        false
    }

    async fn ended_within(&mut self, pause: Duration) -> bool {
        timeout(&*self.io, pause, self.hub.end.wait(|end| end.as_ref().map(drop))).await.is_some()
    }

    fn failed(&self, error: ConnectError) {
        debug!(error = %Sanitized(&error), "the attempt to connect failed");
        self.hub.run(|state, now| {
            state.link.failed(error);
            state.client.handle_connect_failed(now);
        });
    }

    /// Starts the tasks of a connection, which end at the latest when `abandoned` is cancelled.
    fn open(&self, mut transport: Transport, abandoned: CancellationToken) -> oneshot::Receiver<()> {
        let pipe = Arc::new(Pipe::default());
        let (epoch, max_message) =
            self.hub.run(|state, _| (state.link.attach(Arc::clone(&pipe)), state.client.config().limits.frame_bytes));
        let link = Arc::new(Mutex::new(transport.link(max_message)));
        let port = Arc::new(ClientPort {
            hub: Arc::clone(&self.hub),
            epoch,
            is_written_anywhere: transport.is_written_anywhere,
            failure: Mutex::new(None),
        });
        let patience = Patience { open: Some(self.connect_timeout), linger: LINGER, link: LinkOptions::default() };
        let connection = conn::run(self.io.clone(), transport.stream, link, pipe, port, patience);
        let (done, ended) = oneshot::channel();
        let connection = async move {
            or(connection, abandoned.cancelled()).await;
            drop(done);
        };
        self.io.spawn(Box::pin(connection.instrument(info_span!("connection", epoch))));
        ended
    }
}

/// A connection of the client machine.
struct ClientPort {
    hub: Arc<Hub>,
    epoch: u64,
    is_written_anywhere: bool,
    /// The error that reading has failed with.
    failure: Mutex<Option<Arc<io::Error>>>,
}

impl Port for ClientPort {
    fn opened(&self, _request: Option<&Request>) {
        self.hub.run(|state, now| {
            if state.link.is_current(self.epoch) {
                state.link.opened();
                state.client.handle_open(now);
            }
        });
    }

    fn receive(&self, frames: &mut VecDeque<Utf8Bytes>) -> Turn {
        self.hub.run(|state, now| {
            if !state.link.is_current(self.epoch) {
                frames.clear();
            }
            while state.client.reading() {
                let Some(frame) = frames.pop_front() else { break };
                state.client.handle_frame(now, &Bytes::from(frame));
            }
        });
        // A client has one connection, which delays no other.
        Turn::default()
    }

    fn spoiled(&self, _closed: &Closed) {}

    fn is_written_anywhere(&self) -> bool {
        self.is_written_anywhere
    }

    fn sent(&self, frames: usize) {
        self.hub.run(|state, now| {
            if state.link.is_current(self.epoch) {
                state.client.handle_sent(now, frames);
            }
        });
    }

    fn failed(&self, error: io::Error) {
        *lock(&self.failure) = Some(Arc::new(error));
    }

    fn ended(&self, closed: &Closed) {
        let failure = lock(&self.failure).take();
        debug!(code = closed.code, reason = closed.reason, "the connection is over");
        self.hub.run(|state, now| {
            if state.link.is_current(self.epoch) {
                let opened = state.link.ended(match (failure, closed.cause) {
                    (Some(failure), _) => ConnectError::Io(failure),
                    (None, Cause::Refused { status }) => {
                        ConnectError::Upgrade { status, reason: closed.reason.clone() }
                    }
                    (None, Cause::Tls) => ConnectError::Tls,
                    (None, Cause::Peer | Cause::Us | Cause::Fault | Cause::Lost) => {
                        ConnectError::Ended(closed.reason.clone())
                    }
                });
                if opened {
                    match closed.cause {
                        Cause::Peer => state.client.handle_peer_close(now, closed.code),
                        _ => state.client.handle_close(now),
                    }
                } else {
                    state.client.handle_connect_failed(now);
                }
            }
        });
    }
}
