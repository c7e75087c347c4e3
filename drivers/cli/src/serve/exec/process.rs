//! One program's life: started for a job, ended with it, nothing left behind.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};

use nuncio_tokio::arcp::{Failure, JobContext, Output};
use nuncio_tokio::io::CancellationToken;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use tokio::process::{Child, Command};
use tracing::{info, warn};

use super::protocol;
use super::talk::{self, Listener};
use super::{Program, Shared, environment};

/// Runs the program for a job to its end, whichever of the two ends first.
pub(super) async fn run(program: &Program, host: &Shared, ctx: JobContext) -> Result<Output, Failure> {
    let mut child = match spawn(program, &ctx) {
        Ok(child) => child,
        Err(error) => {
            warn!(program = %program.command, %error, "the program of an agent cannot be started");
            return Err(Failure::internal(format!("the program of the agent cannot be started: {error}")));
        }
    };
    let group = Group::of(&child);
    host.guard.remember(&group).await;
    let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Failure::internal("the program of the agent has no pipes"));
    };

    let ended = CancellationToken::new();
    let (answers, to_tell) = talk::answers();
    let input = protocol::input(ctx.input());
    let telling = tokio::spawn(talk::tell(stdin, input, to_tell, program.questions));
    let complaining = tokio::spawn(talk::complaints(stderr, ctx.clone(), ended.clone()));
    let listener = Listener::new(ctx.clone(), answers);
    let listening = tokio::spawn(listener.listen(stdout, ended.clone(), host.line));

    let status = tokio::select! {
        status = child.wait() => status,
        () = ctx.cancelled() => stop(&mut child, &group, host).await,
    };
    // Whatever it has started and left.
    group.signal(Signal::KILL);
    ended.cancel();
    let ending = listening.await;
    let complained = complaining.await;
    telling.abort();
    host.guard.forget(&group).await;
    group.let_go();

    let status = status.map_err(|error| Failure::internal(format!("the program's end cannot be told: {error}")))?;
    complained.map_err(|error| Failure::internal(format!("the program's stderr was not read: {error}")))?;
    let ending = ending.map_err(|error| Failure::internal(format!("the program's stdout was not read: {error}")))?;
    let details = json!({ "exit_status": status.code(), "signal": status.signal() });
    ending.conclude(status.success(), &status.to_string(), &details)
}

fn spawn(program: &Program, ctx: &JobContext) -> io::Result<Child> {
    let mut command = Command::new(&program.path);
    command.args(&program.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Of its own: Ctrl-C at nuncio's terminal is not for it, and with it all that it starts can be reached.
    command.process_group(0);
    environment::set(&mut command, ctx);
    command.spawn()
}

async fn stop(child: &mut Child, group: &Group, host: &Shared) -> io::Result<ExitStatus> {
    if !host.at_once.is_cancelled() {
        group.signal(Signal::TERM);
        tokio::select! {
            status = child.wait() => return status,
            () = tokio::time::sleep(host.grace) => info!(grace = ?host.grace, "the program ignores SIGTERM"),
            () = host.at_once.cancelled() => {}
        }
    }
    group.signal(Signal::KILL);
    child.wait().await
}

/// A program and all that it has started, unless that made itself a group of its own.
///
/// If it is dropped before [`let_go`](Group::let_go), because a task was aborted, all of it is killed.
pub(super) struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Group {
        Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)))
    }

    pub(super) fn pid(&self) -> Option<Pid> {
        self.0
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // Nobody is left in it.
            let _nobody = kill_process_group(group, signal);
        }
    }

    fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
