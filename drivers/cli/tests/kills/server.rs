//! The server that is killed, and what its clients know of it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A server that takes longer than this is stuck.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

fn nuncio() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nuncio"));
    for name in ["NUNCIO_TOKENS", "NUNCIO_CONFIG", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command
}

/// A `nuncio serve` with the demo agents.
pub(crate) struct Serving {
    child: Child,
    pub(crate) url: String,
    /// The time from its start until it was ready.
    pub(crate) took: Duration,
}

impl Serving {
    pub(crate) fn start(journal: &Path) -> Serving {
        let began = Instant::now();
        let mut command = nuncio();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--demo-agents", "--token", "t=me", "--journal"])
            .arg(journal);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim_end().strip_prefix("READY ").expect("the server is ready").to_owned();
        Serving { child, url, took: began.elapsed() }
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        drop((self.child.kill(), self.child.wait()));
    }
}

/// Checks that the journal has no fault.
pub(crate) fn check(journal: &Path) {
    let output = nuncio().args(["journal", "check"]).arg(journal).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// What the threads of the program share.
#[derive(Default)]
pub(crate) struct Site {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    url: Option<String>,
    /// The frames that clients have received from this server.
    received: usize,
    is_finishing: bool,
}

impl Site {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a server is ready.
    pub(crate) fn ready(&self, url: &str) {
        let mut state = self.lock();
        (state.url, state.received) = (Some(url.to_owned()), 0);
        self.changed.notify_all();
    }

    /// Notes that the server is being killed.
    pub(crate) fn gone(&self) {
        self.lock().url = None;
    }

    /// Notes that the last server stays.
    pub(crate) fn finish(&self) {
        self.lock().is_finishing = true;
    }

    pub(crate) fn is_finishing(&self) -> bool {
        self.lock().is_finishing
    }

    /// Notes a frame.
    pub(crate) fn received(&self) {
        self.lock().received += 1;
        self.changed.notify_all();
    }

    /// Waits until the clients have received so many frames from the server. Returns whether they have.
    pub(crate) fn has_received(&self, frames: usize) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), PATIENCE, |state| state.received < frames);
        waited.is_ok_and(|(_, waited)| !waited.timed_out())
    }

    /// Waits for the address of a server.
    pub(crate) fn url(&self) -> String {
        let waited = self.changed.wait_timeout_while(self.lock(), PATIENCE, |state| state.url.is_none());
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.url.clone().expect("a server is started")
    }
}
