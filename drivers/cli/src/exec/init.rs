//! The first process of a container: it runs the command in a child process, passes signals on to it, and reaps the processes
//! that programs have left behind, which become its children.
//!
//! It has no other child processes and so can reap all of them; the runtime of the child waits for its own by their ids.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use clap::Args;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::error::Error;
use crate::exit::Exit;

/// The signals that are passed on.
const PASSED_ON: [Signal; 6] = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2];

#[derive(Args, Debug)]
pub(crate) struct InitOptions {
    /// The arguments of nuncio
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Returns whether this is the first process of a container.
pub(crate) fn is_needed() -> bool {
    std::process::id() == 1
}

/// Runs nuncio with these arguments, below a process that takes in what its programs leave behind, as the first process of a
/// container does.
pub(crate) fn as_if_first(options: &InitOptions) -> Result<u8, Error> {
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| Error::System(error.into()))?;
    run(options.arguments.clone())
}

/// Runs nuncio with these arguments in a child process until it ends. Returns its exit code.
pub(crate) fn run(arguments: Vec<OsString>) -> Result<u8, Error> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::System)?;
    runtime.block_on(supervise(arguments)).map_err(Error::System)
}

async fn supervise(arguments: Vec<OsString>) -> io::Result<u8> {
    let mut ended = signal(SignalKind::child())?;
    let (sender, mut signals) = mpsc::channel(16);
    for passed in PASSED_ON {
        let mut source = signal(SignalKind::from_raw(passed.as_raw()))?;
        let sender = sender.clone();
        tokio::spawn(async move { while source.recv().await.is_some() && sender.send(passed).await.is_ok() {} });
    }
    let child = spawn(arguments)?;
    loop {
        tokio::select! {
            _ = ended.recv() => {
                if let Some(status) = reap(child)? {
                    return Ok(code(status));
                }
            }
            Some(signal) = signals.recv() => {
                // Fails if it has just ended.
                let _ended = kill_process(child, signal);
            }
        }
    }
}

/// Starts the child in a group of its own, so that Ctrl-C in the terminal reaches it once and not twice.
fn spawn(arguments: Vec<OsString>) -> io::Result<Pid> {
    let child = Command::new(std::env::current_exe()?).args(arguments).process_group(0).spawn()?;
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let id = id.ok_or_else(|| io::Error::other("the child process has no id"))?;
    if rustix::termios::isatty(io::stdin()) {
        // Fails if the terminal belongs to another session.
        let _foreign = rustix::termios::tcsetpgrp(io::stdin(), id);
    }
    Ok(id)
}

/// Reaps every process that has ended. Returns the status of the child, if it is one of them.
fn reap(child: Pid) -> io::Result<Option<WaitStatus>> {
    let mut of_child = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((ended, status))) if ended == child => of_child = Some(status),
            Ok(Some(_)) => {}
            Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(of_child),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The code that a shell reports for this status.
fn code(status: WaitStatus) -> u8 {
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(Exit::Failed.code())
}
