//! Where the server is killed.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::server::Serve;

/// What passes by and may be a process's last moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// The process has begun, its journal is not open.
    Opening,
    /// It listens.
    Ready,
    /// A client has read a frame, of whatever kind.
    Frame,
    /// A client has read an event or a terminal that it had not seen before.
    Fresh,
    /// A client has sent a submit, and has not waited for the answer.
    Submit,
    /// The same of an ack.
    Ack,
    /// The same of a cancel.
    Cancel,
    /// A credential is minted, and the server does not know it yet.
    Mint,
    /// The server was told its value.
    Minted,
    /// A value was minted for a rotation, and the server does not know it yet.
    Rotate,
    /// The server asked for a revocation, which is done, and does not know it yet.
    Revoke,
    /// It was told.
    Revoked,
}

/// A process, and when it is to be killed.
#[derive(Default)]
pub(crate) struct Trap(Mutex<State>);

#[derive(Default)]
struct State {
    child: Option<Child>,
    /// What it says.
    lines: Option<Lines<BufReader<ChildStdout>>>,
    /// How often it passes by until then.
    armed: Option<(Point, u32)>,
}

impl Trap {
    /// Starts a process and kills it when so many of these have passed by; returns its address, unless it was killed before
    /// it had one.
    ///
    /// Errors: what the process says is wrong.
    pub(crate) fn start(&self, serve: &Serve, armed: Option<(Point, u32)>) -> Result<Option<String>, String> {
        self.start_by(Command::new(std::env::current_exe().unwrap()).args(serve.arguments()), armed)
    }

    /// The same by a command of one's own.
    pub(crate) fn start_by(
        &self,
        command: &mut Command,
        armed: Option<(Point, u32)>,
    ) -> Result<Option<String>, String> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        *self.state() = State { child: Some(child), lines: None, armed };
        while let Some(Ok(line)) = lines.next() {
            match line.split_once(' ') {
                None if line == "OPENING" => self.pass(Point::Opening),
                Some(("READY", url)) => {
                    self.state().lines = Some(lines);
                    self.pass(Point::Ready);
                    return Ok(Some(url.to_owned()));
                }
                Some(("FAILED", why)) => {
                    self.kill();
                    return Err(why.to_owned());
                }
                _ => panic!("the server says {line:?}"),
            }
        }
        assert!(armed.is_some() && self.state().armed.is_none(), "the server has ended by itself before it listened");
        Ok(None)
    }

    /// Waits until the process logs this.
    pub(crate) fn wait_for(&self, text: &str) {
        let mut lines = self.state().lines.take().unwrap();
        while !lines.next().unwrap().unwrap().contains(text) {}
        self.state().lines = Some(lines);
    }

    /// The process's id.
    pub(crate) fn id(&self) -> i32 {
        self.state().child.as_ref().unwrap().id().try_into().unwrap()
    }

    /// Something has passed by.
    pub(crate) fn pass(&self, point: Point) {
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

    /// Kills it whatever has passed by, and waits for its end.
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

impl Drop for Trap {
    fn drop(&mut self) {
        self.kill();
    }
}

fn kill(state: &mut State) {
    if let Some(child) = &mut state.child {
        // SIGKILL; it may have ended by itself, which shows elsewhere.
        drop(child.kill());
    }
}
