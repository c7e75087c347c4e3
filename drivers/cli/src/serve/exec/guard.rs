//! A process that outlives nuncio by a moment: if nuncio is killed, it ends the programs that nuncio cannot end any more.
//!
//! There is one for a server. It reads the numbers of process groups on its stdin, `+4711` and `-4711`; the end of its
//! stdin is the end of nuncio, however it came.

use std::io::{self, BufRead as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Mutex;
use tracing::warn;

use super::process::Group;

/// The hidden subcommand of nuncio that is the guard.
const COMMAND: &str = "agent-guard";

/// Nuncio's side of it.
pub(super) struct Guard {
    stdin: Mutex<Option<ChildStdin>>,
    _process: Child,
}

impl Guard {
    pub(super) fn start(grace: Duration) -> io::Result<Guard> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(COMMAND).arg(grace.as_millis().to_string());
        // In a group of its own: what ends nuncio at a terminal must not end it.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn()?;
        Ok(Guard { stdin: Mutex::new(process.stdin.take()), _process: process })
    }

    pub(super) async fn remember(&self, group: &Group) {
        self.tell('+', group).await;
    }

    pub(super) async fn forget(&self, group: &Group) {
        self.tell('-', group).await;
    }

    async fn tell(&self, sign: char, group: &Group) {
        let Some(pid) = group.pid() else { return };
        let mut stdin = self.stdin.lock().await;
        if let Some(pipe) = stdin.as_mut()
            && let Err(error) = pipe.write_all(format!("{sign}{pid}\n").as_bytes()).await
        {
            warn!(%error, "the guard of the agents' programs is gone: they would outlive a killed nuncio");
            *stdin = None;
        }
    }
}

/// What the guard is told.
#[derive(Args, Debug)]
pub(crate) struct GuardOptions {
    grace_millis: u64,
}

/// The guard itself.
pub(crate) fn guard(options: &GuardOptions) {
    let mut groups = Vec::new();
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let group = |number: &str| number.parse().ok().and_then(Pid::from_raw);
        match line.split_at_checked(1) {
            Some(("+", number)) => groups.extend(group(number)),
            Some(("-", number)) => groups.retain(|known| Some(*known) != group(number)),
            _ => {}
        }
    }
    end(&groups, Duration::from_millis(options.grace_millis));
}

/// As nuncio would have done it: SIGTERM, then SIGKILL.
fn end(groups: &[Pid], grace: Duration) {
    const PAUSE: Duration = Duration::from_millis(20);
    let deadline = Instant::now() + grace;
    let signal_all = |signal| {
        for group in groups {
            // Nobody is left in it.
            let _nobody = kill_process_group(*group, signal);
        }
    };
    signal_all(Signal::TERM);
    while Instant::now() < deadline && groups.iter().any(|group| test_kill_process_group(*group).is_ok()) {
        std::thread::sleep(PAUSE);
    }
    signal_all(Signal::KILL);
}
