//! The task of a bus: it connects, moves bytes, and connects again.

use std::sync::Arc;
use std::time::Duration;

use futures_channel::oneshot;
use futures_lite::future::or;
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};
use nuncio_link::nats::NatsInfo;
use tracing::{info, warn};

use super::connect::{Connection, Connector};
use super::error::NatsError;
use super::hub::Hub;
use super::pool::Pool;
use crate::io::clock::{monotonic, sleep};
use crate::io::conn::write;
use crate::io::{Driver, Io, Sanitized, Stream};

/// How long a closing connection may take to write what is queued.
const LINGER: Duration = Duration::from_secs(1);
const READ_BYTES: usize = 64 * 1024;

/// Makes the connections of one bus.
pub(super) struct Runner<D: Driver> {
    pub(super) hub: Arc<Hub>,
    pub(super) thread: Arc<D::Thread>,
    pub(super) connector: Connector<D>,
    pub(super) pool: Pool,
}

impl<D: Driver> Runner<D> {
    /// Runs until the bus is closed. `first` is told how the first connection has gone.
    pub(super) async fn run(mut self, connect_within: Duration, first: oneshot::Sender<Result<(), NatsError>>) {
        let started = monotonic();
        let give_up = |error: &NatsError| error.is_final() || monotonic().duration_since(started) >= connect_within;
        let connection = loop {
            match self.connect().await {
                Some(Ok(connection)) => break connection,
                Some(Err(error)) if give_up(&error) => {
                    self.hub.closed();
                    let _gone = first.send(Err(error)).is_err();
                    return;
                }
                Some(Err(_)) => {}
                None => return self.hub.closed(),
            }
        };
        let mut connection = Some(connection);
        let mut first = Some(first);
        while !self.hub.closing.is_cancelled() {
            if let Some(connection) = connection.take() {
                let made = monotonic();
                let Connection { stream, link, info } = connection;
                self.pool.discovered(&info.connect_urls);
                info!(server = ?info.server_name, version = ?info.version, "connected to NATS");
                self.hub.connected(link);
                if let Some(first) = first.take() {
                    let _gone = first.send(Ok(())).is_err();
                }
                let reason = self.serve(stream).await;
                if !self.hub.closing.is_cancelled() {
                    warn!(reason = %Sanitized(&reason), "the connection to NATS is lost");
                }
                self.hub.disconnected(&reason);
                self.pool.lost(made, monotonic());
            } else {
                connection = match self.connect().await {
                    Some(Ok(connection)) => Some(connection),
                    Some(Err(error)) => {
                        warn!(error = %Sanitized(&error), "the attempt to connect to NATS failed");
                        self.hub.disconnected(&error.to_string());
                        None
                    }
                    None => break,
                };
            }
        }
        self.hub.closed();
    }

    /// Makes one attempt to connect, after its pause. Returns `None` if the bus is closed in the meantime.
    async fn connect(&mut self) -> Option<Result<Connection, NatsError>> {
        let (server, pause) = self.pool.next();
        let attempt = async {
            sleep(&*self.thread, pause).await;
            Some(self.connector.connect(&self.thread, self.hub.clock, server).await)
        };
        or(attempt, async {
            self.hub.closing.cancelled().await;
            None
        })
        .await
    }

    /// Moves bytes until the connection has ended. Returns why.
    async fn serve(&mut self, stream: Stream) -> String {
        let (mut input, mut output) = futures_lite::io::split(stream);
        let (hub, pool, thread) = (&*self.hub, &mut self.pool, &*self.thread);
        let mut learn = |info: Option<Box<NatsInfo>>| {
            let Some(info) = info else { return };
            pool.discovered(&info.connect_urls);
            if info.lame_duck {
                info!(server = ?info.server_name, "the NATS server is about to shut down");
            }
        };
        let read = async {
            let mut buffer = vec![0; READ_BYTES];
            loop {
                let written = hub.next_written();
                let (end, info) = hub.run(|_| ());
                learn(info);
                if let Some(end) = end {
                    return end;
                }
                if !hub.wants_input() {
                    written.await;
                    continue;
                }
                let count = match input.read(&mut buffer).await {
                    Ok(count) => count,
                    Err(error) => return error.to_string(),
                };
                let now = hub.clock.now();
                let (end, info) = hub.run(|link| match count {
                    0 => link.receive_end(),
                    count => link.receive(now, &buffer[..count]),
                });
                learn(info);
                if let Some(end) = end {
                    return end;
                }
            }
        };
        let writing = async {
            let mut bytes = Vec::new();
            loop {
                let is_closing = hub.closing.is_cancelled();
                if !hub.take_output(&mut bytes) {
                    return "the connection has ended".to_owned();
                }
                if bytes.is_empty() {
                    if is_closing {
                        // It makes no difference if the server has closed first.
                        let _closed_first = output.close().await.is_err();
                        return "the bus is closed".to_owned();
                    }
                    hub.wanted.notified().await;
                    continue;
                }
                if let Err(error) = write(&mut output, &bytes).await {
                    return error.to_string();
                }
                bytes.clear();
                bytes.shrink_to(READ_BYTES);
                hub.wrote();
            }
        };
        let watch = async {
            while let Some(deadline) = hub.poll_timeout() {
                thread.sleep_until(hub.clock.instant(deadline)).await;
                let now = hub.clock.now();
                let (end, _) = hub.run(|link| link.handle_timeout(now));
                if let Some(end) = end {
                    return end;
                }
            }
            std::future::pending().await
        };
        let linger = async {
            hub.closing.cancelled().await;
            sleep(thread, LINGER).await;
            "the server did not take what was queued in time".to_owned()
        };
        or(or(writing, read), or(watch, linger)).await
    }
}
