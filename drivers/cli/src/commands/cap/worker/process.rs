//! One run of a program for a job. Nothing of it is left when it has ended.

use std::io;
use std::process::Stdio;
use std::sync::Arc;

use nuncio_tokio::cap::{Failure, JobContext};
use nuncio_tokio::io::CancellationToken;
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;
use tracing::{Instrument as _, debug, info, warn};

use super::protocol::{self, Ending, Message};
use crate::exec::group::Group;
use crate::exec::host::Host;
use crate::exec::lines::{Line, LineSplitter, LongLine};
use crate::exec::pipe::Pipe;
use crate::exec::program::Program;

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
    let mut child = spawn(program, &ctx).map_err(|error| {
        warn!(program = %program.command, %error, "the program of a topic cannot be started");
        Failure::new(format!("the program of the topic cannot be started: {error}"))
    })?;
    let group = Group::of(&child);
    host.guard().add(&group).await;
    let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Failure::new("the program of the topic has no pipes"));
    };
    let ended = CancellationToken::new();
    let writing = tokio::spawn(write(stdin, format!("{input}\n")));
    let logging = tokio::spawn(log(stderr, ended.clone()).in_current_span());
    let listening = tokio::spawn(listen(stdout, ctx.clone(), ended.clone(), host.max_line()).in_current_span());
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
    let status = status.map_err(|error| Failure::new(format!("cannot wait for the program's end: {error}")))?;
    logged.map_err(|error| Failure::new(format!("the program's stderr was not read: {error}")))?;
    let ending = ending.map_err(|error| Failure::new(format!("the program's stdout was not read: {error}")))?;
    ending.conclude(status.success(), &status.to_string())
}

fn spawn(program: &Program, ctx: &JobContext) -> io::Result<Child> {
    let mut command = Command::new(&program.path);
    command.args(&program.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own reaches everything the program starts, and is spared by Ctrl-C in nuncio's terminal.
    command.process_group(0);
    // Nuncio's own variables may name keys, and servers with their passwords.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("NUNCIO_") || name == "NATS_URL" || name == "REDIS_URL") {
            command.env_remove(name);
        }
    }
    let text = |text: &str| text.replace('\0', "\u{fffd}");
    command
        .env("NUNCIO_JOB_ID", text(ctx.job_id()))
        .env("NUNCIO_TOPIC", ctx.topic())
        .env("NUNCIO_TRACE_ID", text(ctx.trace_id()))
        .env("NUNCIO_ATTEMPT", ctx.attempt().to_string());
    if let Some(deadline) = ctx.deadline() {
        command.env("NUNCIO_DEADLINE", deadline.to_rfc3339());
    }
    command.spawn()
}

/// Writes the input, and closes stdin.
async fn write(mut stdin: ChildStdin, input: String) {
    // A program may end without reading all of it. Only its exit status decides about the job.
    if let Err(error) = stdin.write_all(input.as_bytes()).await {
        debug!(%error, "the program does not read its stdin");
    }
}

/// Logs the lines of stderr.
async fn log(stderr: impl AsyncRead + Unpin, ended: CancellationToken) {
    let mut pipe = Pipe::new(stderr, ended);
    let mut splitter = LineSplitter::new(MAX_LOG_LINE, LongLine::Split);
    loop {
        let mut bytes = pipe.read().await;
        let is_end = bytes.is_empty();
        while let Some(line) = splitter.next(&mut bytes).or_else(|| is_end.then(|| splitter.finish()).flatten()) {
            if let Line::Complete(line) = line
                && !line.trim_ascii().is_empty()
            {
                warn!(source = "stderr", line = ?String::from_utf8_lossy(&line), "the program says");
            }
        }
        if is_end {
            return;
        }
    }
}

/// Acts on the lines of stdout, to its end.
async fn listen(stdout: impl AsyncRead + Unpin, ctx: JobContext, ended: CancellationToken, max_line: usize) -> Ending {
    let mut pipe = Pipe::new(stdout, ended);
    let mut splitter = LineSplitter::new(max_line, LongLine::Drop);
    let mut ending = Ending::default();
    loop {
        let mut bytes = pipe.read().await;
        let is_end = bytes.is_empty();
        while let Some(line) = splitter.next(&mut bytes).or_else(|| is_end.then(|| splitter.finish()).flatten()) {
            let message = match line {
                Line::Complete(line) => protocol::parse(&line),
                Line::TooLong => Some(Message::Invalid(format!("it is longer than {max_line} bytes"))),
            };
            if let Some(message) = message {
                act(message, &ctx, &mut ending).await;
            }
        }
        if is_end {
            return ending;
        }
    }
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
