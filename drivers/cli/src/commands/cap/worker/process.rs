//! One run of a program for a job. Nothing of it is left when it has ended.

use std::sync::Arc;

use nuncio_tokio::cap::{Failure, JobContext};
use nuncio_tokio::io::CancellationToken;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{ChildStderr, ChildStdin, Command};
use tokio::sync::oneshot;
use tracing::{Instrument as _, debug, info, warn};

use super::protocol::{self, Ending, Message};
use crate::exec::answer;
use crate::exec::host::Host;
use crate::exec::lines::{Line, LineSplitter, LongLine};
use crate::exec::pipe::PipeLines;
use crate::exec::program::Program;
use crate::exec::run::{self, Pipes, RunError, Stdout, Tasks};

/// Bytes of a line in the log. A longer one becomes several.
const MAX_LOG_LINE: usize = 8 * 1024;

/// Runs a program for a job, in a task of its own: the job's end drops the returned future, and the program has to be ended
/// all the same.
pub(super) async fn run(program: Arc<Program>, host: Host, ctx: JobContext, input: Value) -> Result<Value, Failure> {
    let (sender, result) = oneshot::channel();
    let running = host.count_running();
    let run = async move {
        let ended = to_end(&program, &host, ctx, &input).await;
        // Fails if the job has ended already.
        drop(sender.send(ended));
        drop(running);
    };
    tokio::spawn(run.in_current_span());
    result.await.unwrap_or_else(|_| Err(Failure::new("the program was stopped before it had ended")))
}

async fn to_end(program: &Program, host: &Host, ctx: JobContext, input: &Value) -> Result<Value, Failure> {
    let tasks = |pipes: Pipes| Tasks {
        writing: tokio::spawn(write(pipes.stdin, answer::one_line(&input.to_string()))),
        logging: tokio::spawn(log(pipes.stderr, pipes.ended.clone()).in_current_span()),
        listening: tokio::spawn(listen(pipes.stdout, ctx.clone(), pipes.ended, host.max_line()).in_current_span()),
    };
    let ended = run::to_end(prepared(program, &ctx), program.pty, host, ctx.cancelled(), tasks).await;
    let (status, ending) = ended.map_err(|error| {
        if matches!(error, RunError::Start(_)) {
            warn!(program = %program.command, %error, "the program of a topic cannot be started");
        }
        Failure::new(error.of("topic"))
    })?;
    ending.conclude(status.success(), &run::ended(status))
}

fn prepared(program: &Program, ctx: &JobContext) -> Command {
    let mut command = program.to_command();
    // They may have the passwords of the servers.
    command.env_remove("NATS_URL").env_remove("REDIS_URL");
    let text = |text: &str| text.replace('\0', "\u{fffd}");
    command
        .env("NUNCIO_JOB_ID", text(ctx.job_id()))
        .env("NUNCIO_TOPIC", ctx.topic())
        .env("NUNCIO_TRACE_ID", text(ctx.trace_id()))
        .env("NUNCIO_ATTEMPT", ctx.attempt().to_string());
    if let Some(deadline) = ctx.deadline() {
        command.env("NUNCIO_DEADLINE", deadline.to_rfc3339());
    }
    command
}

/// Writes the input, and closes stdin.
async fn write(mut stdin: ChildStdin, input: String) {
    // A program may end without reading all of it. Only its exit status decides about the job.
    if let Err(error) = stdin.write_all(input.as_bytes()).await {
        debug!(%error, "the program does not read its stdin");
    }
}

/// Logs the lines of stderr.
async fn log(stderr: ChildStderr, ended: CancellationToken) {
    let mut lines = PipeLines::new(stderr, ended, LineSplitter::new(MAX_LOG_LINE, LongLine::Split));
    while let Some(line) = lines.next().await {
        if let Line::Complete(line) = line
            && !line.trim_ascii().is_empty()
        {
            warn!(source = "stderr", line = ?String::from_utf8_lossy(&line), "the program says");
        }
    }
}

/// Acts on the lines of stdout, to its end.
async fn listen(stdout: Stdout, ctx: JobContext, ended: CancellationToken, max_line: usize) -> Ending {
    let mut lines = PipeLines::new(stdout, ended, LineSplitter::new(max_line, LongLine::Drop));
    let mut ending = Ending::default();
    while let Some(line) = lines.next().await {
        let message = match line {
            Line::Complete(line) => protocol::parse(&line),
            Line::TooLong(_) => Some(Message::Invalid(format!("it is longer than {max_line} bytes"))),
        };
        if let Some(message) = message {
            act(message, &ctx, &mut ending).await;
        }
    }
    ending
}

async fn act(message: Message, ctx: &JobContext, ending: &mut Ending) {
    let done = match message {
        Message::Text(text) => {
            info!(source = "stdout", line = ?text, "the program says");
            Ok(())
        }
        Message::Progress { percent, message } => {
            if let Err(refused) = ctx.progress(percent).message(message).await {
                debug!(%refused, "progress is not reported");
            }
            Ok(())
        }
        Message::Result(result) => ending.result(result),
        Message::Chunk(chunk) => ending.chunk(&chunk),
        Message::Failure(failure) => ending.failure(failure),
        Message::Invalid(reason) => {
            ending.unreadable(&reason);
            warn!(reason, "a line of the program's output cannot be read, so the job fails");
            Ok(())
        }
    };
    if let Err(reason) = done {
        warn!(reason, "a line of the program's output is ignored");
    }
}
