//! How often and how soon a client connects again.

use std::time::Duration;

/// How a client makes its first connection, and reconnects once the connection was lost.
///
/// The first attempt is made at once, and so is the second, unless the last connection was lost within
/// [`steady_after`]. The pause before each further attempt is random: between half and all of a value that starts at
/// [`first_pause`] and doubles up to [`longest_pause`]. It starts at
/// [`first_pause`] again after a connection that has brought an event or an answer.
///
/// A token that the runtime refuses, an HTTP status such as 404 and a certificate that is not trusted end the first
/// connection without another attempt.
///
/// ```
/// use std::time::Duration;
///
/// # use nuncio_smol::arcp::{Client, ClientBuildError, Reconnect, SessionEnd};
/// # smol::block_on(async {
/// let patient = Reconnect::default().longest_pause(Duration::from_secs(2)).connect_within(Duration::from_secs(60));
/// let client = Client::builder("ws://127.0.0.1:7777/arcp", "secret")?.reconnect(patient);
///
/// // A port where nothing listens.
/// let client = Client::builder("ws://127.0.0.1:9/arcp", "secret")?.reconnect(Reconnect::default().attempts(2));
/// let Err(error) = client.connect().await else { panic!("something listens there") };
/// assert!(matches!(error, ClientBuildError::Session(SessionEnd::Unreachable { attempts: 2, .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// [`first_pause`]: Reconnect::first_pause
/// [`longest_pause`]: Reconnect::longest_pause
/// [`steady_after`]: Reconnect::steady_after
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a client reconnects as `ClientBuilder::reconnect` says"]
pub struct Reconnect {
    pub(super) first_pause: Duration,
    pub(super) longest_pause: Duration,
    pub(super) steady_after: Duration,
    attempts: Option<u32>,
    connect_within: Duration,
}

impl Reconnect {
    /// Makes one attempt to connect. When the connection is lost, the session ends.
    pub fn never() -> Reconnect {
        Reconnect::default().attempts(0)
    }

    /// Sets the first pause. Default: 100 ms.
    pub fn first_pause(mut self, pause: Duration) -> Reconnect {
        self.first_pause = pause;
        self
    }

    /// Sets the longest pause. Default: 10 s.
    pub fn longest_pause(mut self, pause: Duration) -> Reconnect {
        self.longest_pause = pause;
        self
    }

    /// Sets how long a connection must last to count as a success. One that is lost earlier counts as a failed attempt
    /// for the pauses. Default: 5 s.
    pub fn steady_after(mut self, time: Duration) -> Reconnect {
        self.steady_after = time;
        self
    }

    /// Sets the number of attempts that may fail in a row until the client gives up. Default: no limit but
    /// [`connect_within`](Reconnect::connect_within) for the first connection, and the session's resume window (§6.3)
    /// afterwards.
    pub fn attempts(mut self, attempts: u32) -> Reconnect {
        self.attempts = Some(attempts);
        self
    }

    /// Sets for how long attempts to make the first connection are repeated. With zero there is one attempt. Default: 5 s.
    pub fn connect_within(mut self, time: Duration) -> Reconnect {
        self.connect_within = time;
        self
    }

    /// Returns whether to try the first connection again after `failed` attempts that took `elapsed`.
    pub(super) fn connects_again(&self, failed: u32, elapsed: Duration) -> bool {
        self.resumes_again(failed) && elapsed < self.connect_within
    }

    /// Returns whether to try to reconnect again after `failed` attempts.
    pub(super) fn resumes_again(&self, failed: u32) -> bool {
        self.attempts.is_none_or(|most| failed < most)
    }
}

impl Default for Reconnect {
    fn default() -> Reconnect {
        Reconnect {
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(10),
            steady_after: Duration::from_secs(5),
            attempts: None,
            connect_within: Duration::from_secs(5),
        }
    }
}
