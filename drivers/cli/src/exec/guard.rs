//! The guard: a child process of the server that ends the server's programs if the server is killed.
//!
//! It reads the ids of process groups from its stdin, a line `+4711` for one that was started and `-4711` for one that has
//! ended. When the server ends, in whatever way, the guard's stdin does too, and it ends the groups that are left.

use std::io::{self, BufRead as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Mutex;
use tracing::warn;

use super::group::Group;
use crate::exit::Exit;

/// The longest time between SIGTERM and SIGKILL, so that programs end within a second of a nuncio that was killed. Nobody reads
/// what they write any more.
const MAX_GRACE: Duration = Duration::from_millis(500);

/// The hidden subcommand that runs the guard.
const COMMAND: &str = "agent-guard";

/// The server's end of the pipe to the guard.
pub(crate) struct Guard {
    stdin: Mutex<Option<ChildStdin>>,
    _process: Child,
}

impl Guard {
    /// Starts the guard, which leaves `kill_grace` between SIGTERM and SIGKILL.
    pub(crate) fn start(kill_grace: Duration) -> io::Result<Guard> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(COMMAND).arg(kill_grace.as_millis().to_string());
        // In a group of its own, so that Ctrl-C in the server's terminal does not end it.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn()?;
        Ok(Guard { stdin: Mutex::new(process.stdin.take()), _process: process })
    }

    pub(crate) async fn add(&self, group: &Group) {
        self.write('+', group).await;
    }

    pub(crate) async fn remove(&self, group: &Group) {
        self.write('-', group).await;
    }

    async fn write(&self, sign: char, group: &Group) {
        let Some(pid) = group.pid() else { return };
        let mut stdin = self.stdin.lock().await;
        if let Some(pipe) = stdin.as_mut()
            && let Err(error) = pipe.write_all(format!("{sign}{pid}\n").as_bytes()).await
        {
            warn!(%error, "the guard process is gone; if nuncio is killed, its agents' programs will go on");
            *stdin = None;
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct GuardOptions {
    /// Milliseconds between SIGTERM and SIGKILL
    kill_grace: u64,
}

/// Runs the guard.
pub(crate) fn guard(options: &GuardOptions) -> Exit {
    let mut groups = Vec::new();
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let group = |number: &str| number.parse().ok().and_then(Pid::from_raw);
        match line.split_at_checked(1) {
            Some(("+", number)) => groups.extend(group(number)),
            Some(("-", number)) => groups.retain(|known| Some(*known) != group(number)),
            _ => {}
        }
    }
    end(&groups, Duration::from_millis(options.kill_grace).min(MAX_GRACE));
    Exit::Success
}

/// Sends SIGTERM to all groups, and SIGKILL to those that are left after `kill_grace`.
fn end(groups: &[Pid], kill_grace: Duration) {
    const POLL_INTERVAL: Duration = Duration::from_millis(20);
    let deadline = Instant::now() + kill_grace;
    let signal_all = |signal| {
        for group in groups {
            let _empty = kill_process_group(*group, signal);
        }
    };
    signal_all(Signal::TERM);
    while Instant::now() < deadline && groups.iter().any(|group| test_kill_process_group(*group).is_ok()) {
        std::thread::sleep(POLL_INTERVAL);
    }
    signal_all(Signal::KILL);
}
