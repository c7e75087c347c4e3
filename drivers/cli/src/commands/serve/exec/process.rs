//! One run of a program for a job.

use std::os::unix::process::ExitStatusExt as _;
use std::sync::Arc;

use nuncio_tokio::arcp::{Failure, JobContext, Output};
use serde_json::json;
use tracing::warn;

use super::environment;
use super::plain::{self, Printed};
use super::stdio::{self, Listener, Silence};
use crate::exec::answer;
use crate::exec::ending::Ending;
use crate::exec::host::Host;
use crate::exec::program::{Program, ResultSource};
use crate::exec::run::{self, Pipes, RunError, Tasks};

/// Runs the program for a job until both have ended. If the job ends first, the program is ended.
pub(super) async fn run(
    program: &Program,
    host: &Host,
    ctx: JobContext,
    silence: &Arc<Silence>,
) -> Result<Output, Failure> {
    let mut command = program.to_command();
    // They are there until the program has ended.
    let _files = environment::set(&mut command, &ctx).map_err(|error| {
        Failure::internal(format!("a file for the program of the agent cannot be written: {error}"))
    })?;
    let tasks = |pipes: Pipes| {
        let (answers, to_write) = stdio::answers();
        let (source, max, ended, job) = (program.result, host.max_line(), pipes.ended.clone(), ctx.clone());
        let has_messages = source == ResultSource::Messages;
        let input = if has_messages { answer::input(ctx.input()) } else { plain::input(source, ctx.input()) };
        let asks = has_messages && program.questions;
        let silence = Arc::clone(silence);
        Tasks {
            writing: tokio::spawn(stdio::write_stdin(pipes.stdin, input, to_write, asks)),
            logging: tokio::spawn(stdio::log_stderr(pipes.stderr, ctx.clone(), ended.clone())),
            listening: tokio::spawn(async move {
                if has_messages {
                    Said::Messages(
                        Listener::new(job, answers).listen(pipes.stdout, ended, max, asks.then_some(&*silence)).await,
                    )
                } else {
                    Said::Printed(plain::read(source, pipes.stdout, ended, &job, max).await)
                }
            }),
        }
    };
    let ended = run::to_end(command, program.pty, host, ctx.cancelled(), tasks).await;
    let (status, said) = ended.map_err(|error| {
        if matches!(error, RunError::Start(_)) {
            warn!(program = %program.command, %error, "the program of an agent cannot be started");
        }
        Failure::internal(error.of("agent"))
    })?;
    let details = json!({ "exit_status": status.code(), "signal": status.signal() });
    match said {
        Said::Messages(ending) => ending.conclude(status.success(), &run::ended(status), &details),
        Said::Printed(printed) => printed
            .and_then(|printed| plain::conclude(program.result, printed, status))
            .map_err(|failure| failure.with_details(&details)),
    }
}

/// What a program has said about its result.
enum Said {
    Messages(Ending),
    Printed(Result<Printed, Failure>),
}
