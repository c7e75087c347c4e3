//! The task of a store: it connects, moves bytes, and connects again.

use std::sync::Arc;
use std::time::Duration;

use futures_lite::AsyncReadExt as _;
use futures_lite::future::or;
use tracing::{info, warn};

use super::connect::Connector;
use super::hub::Hub;
use crate::cap::blob::RedisOptions;
use crate::io::clock::{monotonic, sleep};
use crate::io::conn::write;
use crate::io::{Driver, Sanitized, Stream};

/// How long a connection has to last to count as a success.
const STEADY: Duration = Duration::from_secs(5);
const READ_BYTES: usize = 64 * 1024;

/// Makes the connections of one store.
pub(super) struct Runner<D: Driver> {
    pub(super) hub: Arc<Hub>,
    pub(super) thread: Arc<D::Thread>,
    pub(super) connector: Connector<D>,
}

impl<D: Driver> Runner<D> {
    /// Runs until the store is closed.
    pub(super) async fn run(self) {
        or(self.hub.closing.cancelled(), self.keep_connected()).await;
        self.hub.give_up("the store is closed");
    }

    async fn keep_connected(&self) {
        let mut attempts = Attempts::default();
        loop {
            sleep(&*self.thread, attempts.next(self.connector.options())).await;
            match self.connector.connect(&self.thread).await {
                Ok((stream, link)) => {
                    info!("connected to Redis");
                    let made = monotonic();
                    self.hub.connected(link);
                    let reason = self.serve(stream).await;
                    warn!(reason = %Sanitized(&reason), "the connection to Redis is lost");
                    self.hub.give_up(&reason);
                    attempts.lost(monotonic().duration_since(made));
                }
                Err(error) => {
                    warn!(error = %Sanitized(&error), "the attempt to connect to Redis failed");
                    self.hub.give_up(&error);
                }
            }
        }
    }

    /// Moves bytes until the connection has ended. Returns why.
    async fn serve(&self, stream: Stream) -> String {
        let (mut input, mut output) = futures_lite::io::split(stream);
        let hub = &*self.hub;
        let read = async {
            let mut buffer = vec![0; READ_BYTES];
            loop {
                match input.read(&mut buffer).await {
                    Ok(0) => return "the server closed the connection".to_owned(),
                    Ok(count) => {
                        if let Err(fault) = hub.receive(&buffer[..count]) {
                            return fault;
                        }
                    }
                    Err(error) => return error.to_string(),
                }
            }
        };
        let writing = async {
            let mut bytes = Vec::new();
            loop {
                hub.take_output(&mut bytes);
                if bytes.is_empty() {
                    hub.wanted.notified().await;
                    continue;
                }
                if let Err(error) = write(&mut output, &bytes).await {
                    return error.to_string();
                }
                bytes.clear();
                bytes.shrink_to(READ_BYTES);
            }
        };
        let given_up = async {
            loop {
                let changed = hub.next_change();
                if let Some(reason) = hub.down() {
                    return reason;
                }
                changed.await;
            }
        };
        or(given_up, or(writing, read)).await
    }
}

/// The attempts in a row that have not brought a lasting connection.
#[derive(Debug, Default)]
struct Attempts(u32);

impl Attempts {
    /// Counts an attempt, and returns the pause before it: none before the first.
    fn next(&mut self, options: &RedisOptions) -> Duration {
        let failed = self.0;
        self.0 = failed.saturating_add(1);
        if failed == 0 { Duration::ZERO } else { options.pause(failed) }
    }

    /// Notes that a connection was lost which has lasted so long.
    fn lost(&mut self, lasted: Duration) {
        if lasted >= STEADY {
            self.0 = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_a_connection_lasts() {
        let options = RedisOptions::new("redis://h").expect("it is valid");
        let mut attempts = Attempts::default();
        assert_eq!(attempts.next(&options), Duration::ZERO);
        let mut ceiling = options.first_pause;
        for _ in 0..10 {
            let pause = attempts.next(&options);
            assert!(ceiling / 2 <= pause && pause <= ceiling, "{pause:?} of {ceiling:?}");
            ceiling = (ceiling * 2).min(options.longest_pause);
        }
        attempts.lost(Duration::from_millis(4_999));
        assert!(attempts.next(&options) > Duration::ZERO);
        attempts.lost(STEADY);
        assert_eq!(attempts.next(&options), Duration::ZERO);
    }
}
