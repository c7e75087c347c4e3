//! The server process and the points at which it is killed.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::server::Serve;

/// A point that may be reached while a server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KillPoint {
    /// The process has started, but its journal is not open yet.
    Opening,
    /// The server listens.
    Ready,
    /// A client has read a frame of any kind.
    Frame,
    /// A client has read an event or a terminal for the first time.
    Fresh,
    /// A client has sent a submit, without waiting for the answer.
    Submit,
    /// A client has sent an ack, without waiting.
    Ack,
    /// A client has sent a cancel, without waiting for the answer.
    Cancel,
    /// A credential was minted, but its value was not sent to the server yet.
    Mint,
    /// A credential was minted and its value was sent to the server.
    Minted,
    /// A value was minted for a rotation, but was not sent to the server yet.
    Rotate,
    /// A revocation was carried out, but the server was not told yet.
    Revoke,
    /// A revocation was carried out and the server was told.
    Revoked,
}

/// A server process that is killed at a chosen point.
#[derive(Default)]
pub(crate) struct ServerProcess(Mutex<State>);

#[derive(Default)]
struct State {
    child: Option<Child>,
    /// The lines that it prints.
    lines: Option<Lines<BufReader<ChildStdout>>>,
    /// The point at which it is killed, and how often that point still has to be reached.
    armed: Option<(KillPoint, u32)>,
}

impl ServerProcess {
    /// Starts a server that is killed when it has reached the point this many times. Returns its URL, or `None` if
    /// it was killed before it printed one.
    ///
    /// # Errors
    /// What the server says if it does not start.
    pub(crate) fn start(&self, serve: &Serve, armed: Option<(KillPoint, u32)>) -> Result<Option<String>, String> {
        self.start_with(Command::new(std::env::current_exe().unwrap()).args(serve.arguments()), armed)
    }

    /// Starts a server by another command.
    pub(crate) fn start_with(
        &self,
        command: &mut Command,
        armed: Option<(KillPoint, u32)>,
    ) -> Result<Option<String>, String> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        *self.state() = State { child: Some(child), lines: None, armed };
        while let Some(Ok(line)) = lines.next() {
            match line.split_once(' ') {
                None if line == "OPENING" => self.reached(KillPoint::Opening),
                Some(("READY", url)) => {
                    self.state().lines = Some(lines);
                    self.reached(KillPoint::Ready);
                    return Ok(Some(url.to_owned()));
                }
                Some(("FAILED", why)) => {
                    self.kill();
                    return Err(why.to_owned());
                }
                _ => panic!("the server printed {line:?}"),
            }
        }
        assert!(armed.is_some() && self.state().armed.is_none(), "the server ended by itself before it listened");
        Ok(None)
    }

    /// Waits until the server logs this text.
    pub(crate) fn wait_for(&self, text: &str) {
        let mut lines = self.state().lines.take().unwrap();
        while !lines.next().unwrap().unwrap().contains(text) {}
        self.state().lines = Some(lines);
    }

    /// Returns the process id.
    pub(crate) fn id(&self) -> i32 {
        self.state().child.as_ref().unwrap().id().try_into().unwrap()
    }

    /// Registers that a point was reached, and kills the process if it is time.
    pub(crate) fn reached(&self, point: KillPoint) {
        let mut state = self.state();
        if let Some((armed, left)) = &mut state.armed
            && *armed == point
        {
            *left = left.saturating_sub(1);
            if *left == 0 {
                state.armed = None;
                kill(&mut state);
            }
        }
    }

    /// Kills the process, whatever points were reached, and waits until it has ended.
    pub(crate) fn kill(&self) {
        let mut state = self.state();
        state.armed = None;
        kill(&mut state);
        if let Some(mut child) = state.child.take() {
            child.wait().unwrap();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

fn kill(state: &mut State) {
    if let Some(child) = &mut state.child {
        // This is SIGKILL. The process may have ended by itself, which the clients notice.
        drop(child.kill());
    }
}
