//! One run of a program: it is started for a job, and nothing of it is left when it has ended.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use nuncio_tokio::arcp::{Failure, JobContext, Output};
use nuncio_tokio::io::CancellationToken;
use rustix::process::Signal;
use serde_json::json;
use tokio::process::{Child, Command};
use tracing::warn;

use super::environment;
use super::stdio::{self, Listener};
use crate::exec::group::Group;
use crate::exec::host::Host;
use crate::exec::program::Program;
use crate::exec::protocol;

/// Runs the program for a job until both have ended. If the job ends first, the program is ended.
pub(super) async fn run(program: &Program, host: &Host, ctx: JobContext) -> Result<Output, Failure> {
    let mut child = match spawn(program, &ctx) {
        Ok(child) => child,
        Err(error) => {
            warn!(program = %program.command, %error, "the program of an agent cannot be started");
            return Err(Failure::internal(format!("the program of the agent cannot be started: {error}")));
        }
    };
    let group = Group::of(&child);
    host.guard().add(&group).await;
    let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Failure::internal("the program of the agent has no pipes"));
    };

    let ended = CancellationToken::new();
    let (answers, to_write) = stdio::answers();
    let input = protocol::input(ctx.input());
    let writing = tokio::spawn(stdio::write_stdin(stdin, input, to_write, program.questions));
    let logging = tokio::spawn(stdio::log_stderr(stderr, ctx.clone(), ended.clone()));
    let listener = Listener::new(ctx.clone(), answers);
    let listening = tokio::spawn(listener.listen(stdout, ended.clone(), host.max_line()));

    let status = tokio::select! {
        status = child.wait() => status,
        () = ctx.cancelled() => host.stop(&mut child, &group).await,
    };
    // Ends what the program has started and left behind.
    group.signal(Signal::KILL);
    ended.cancel();
    let ending = listening.await;
    let logged = logging.await;
    writing.abort();
    host.guard().remove(&group).await;
    group.release();

    let status = status.map_err(|error| Failure::internal(format!("cannot wait for the program's end: {error}")))?;
    logged.map_err(|error| Failure::internal(format!("the program's stderr was not read: {error}")))?;
    let ending = ending.map_err(|error| Failure::internal(format!("the program's stdout was not read: {error}")))?;
    let details = json!({ "exit_status": status.code(), "signal": status.signal() });
    ending.conclude(status.success(), &status.to_string(), &details)
}

fn spawn(program: &Program, ctx: &JobContext) -> io::Result<Child> {
    let mut command = Command::new(&program.path);
    command.args(&program.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own reaches everything the program starts, and is spared by Ctrl-C in nuncio's terminal.
    command.process_group(0);
    environment::set(&mut command, ctx);
    command.spawn()
}
