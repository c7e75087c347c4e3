//! One run of a program for a job.

use std::os::unix::process::ExitStatusExt as _;

use nuncio_tokio::arcp::{Failure, JobContext, Output};
use serde_json::json;
use tracing::warn;

use super::environment;
use super::stdio::{self, Listener};
use crate::exec::answer;
use crate::exec::host::Host;
use crate::exec::program::Program;
use crate::exec::run::{self, Pipes, RunError, Tasks};

/// Runs the program for a job until both have ended. If the job ends first, the program is ended.
pub(super) async fn run(program: &Program, host: &Host, ctx: JobContext) -> Result<Output, Failure> {
    let mut command = program.to_command();
    // They are there until the program has ended.
    let _files = environment::set(&mut command, &ctx).map_err(|error| {
        Failure::internal(format!("a file for the program of the agent cannot be written: {error}"))
    })?;
    let tasks = |pipes: Pipes| {
        let (answers, to_write) = stdio::answers();
        let input = answer::input(ctx.input());
        let listener = Listener::new(ctx.clone(), answers);
        Tasks {
            writing: tokio::spawn(stdio::write_stdin(pipes.stdin, input, to_write, program.questions)),
            logging: tokio::spawn(stdio::log_stderr(pipes.stderr, ctx.clone(), pipes.ended.clone())),
            listening: tokio::spawn(listener.listen(pipes.stdout, pipes.ended, host.max_line())),
        }
    };
    let ended = run::to_end(command, program.pty, host, ctx.cancelled(), tasks).await;
    let (status, ending) = ended.map_err(|error| {
        if matches!(error, RunError::Start(_)) {
            warn!(program = %program.command, %error, "the program of an agent cannot be started");
        }
        Failure::internal(error.of("agent"))
    })?;
    let details = json!({ "exit_status": status.code(), "signal": status.signal() });
    ending.conclude(status.success(), &status.to_string(), &details)
}
