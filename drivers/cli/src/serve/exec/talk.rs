//! Between a program's pipes and its job.

use std::time::Duration;

use nuncio_tokio::arcp::{Delegation, Denied, JobContext, Refused, ResultWriter};
use nuncio_tokio::io::CancellationToken;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdin;
use tokio::sync::mpsc;
use tracing::debug;

use super::lines::{Cut, Cutter, Long};
use super::protocol::{self, Asked, Ending, Id, Piece, Said};

/// Answers that wait for a program to read them; beyond, its output is no longer read.
const ANSWERS: usize = 64;
/// The longest log message made of a line; longer ones become several.
const MESSAGE: usize = 8 * 1024;
const READ: usize = 16 * 1024;
/// How long somebody who left the program's process group may hold its pipes open after its end.
const HELD_OPEN: Duration = Duration::from_secs(1);

pub(super) fn answers() -> (mpsc::Sender<String>, mpsc::Receiver<String>) {
    mpsc::channel(ANSWERS)
}

/// Writes the input, then the answers as they come. Without questions stdin ends after the input.
pub(super) async fn tell(mut stdin: ChildStdin, input: String, mut answers: mpsc::Receiver<String>, questions: bool) {
    let mut line = Some(input);
    if !questions {
        answers.close();
    }
    while let Some(text) = line {
        // A program may end, or close its stdin, without having read everything: what it does counts.
        if let Err(error) = stdin.write_all(text.as_bytes()).await {
            debug!(%error, "the program does not read its stdin");
            return;
        }
        line = answers.recv().await;
    }
}

/// A pipe of the program, read until its end, or until it should have ended.
struct Pipe<R> {
    input: R,
    ended: CancellationToken,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    fn new(input: R, ended: CancellationToken) -> Pipe<R> {
        Pipe { input, ended, buffer: vec![0; READ] }
    }

    /// The next bytes; none at the end.
    async fn read(&mut self) -> &[u8] {
        let Pipe { input, ended, buffer } = self;
        let read = tokio::select! {
            biased;
            read = input.read(buffer) => read.unwrap_or_else(|error| {
                debug!(%error, "a pipe of the program cannot be read");
                0
            }),
            () = async { ended.cancelled().await; tokio::time::sleep(HELD_OPEN).await } => 0,
        };
        &self.buffer[..read]
    }
}

/// Makes log events of a program's stderr.
pub(super) async fn complaints(stderr: impl AsyncRead + Unpin, ctx: JobContext, ended: CancellationToken) {
    let mut pipe = Pipe::new(stderr, ended);
    let mut cutter = Cutter::new(MESSAGE, Long::Split);
    let source = json!({ "source": "stderr" });
    loop {
        let mut bytes = pipe.read().await;
        let over = bytes.is_empty();
        while let Some(cut) = cutter.next(&mut bytes).or_else(|| over.then(|| cutter.finish()).flatten()) {
            if let Cut::Line(line) = cut
                && !line.trim_ascii().is_empty()
            {
                // After the job's end the rest is read and dropped, so that the program is not held up in its ending.
                drop(ctx.log_with("warn", &String::from_utf8_lossy(&line), &source).await);
            }
        }
        if over {
            return;
        }
    }
}

/// What a program says on its stdout, done.
pub(super) struct Listener {
    ctx: JobContext,
    writer: ResultWriter,
    answers: mpsc::Sender<String>,
    ending: Ending,
    line: u64,
}

impl Listener {
    pub(super) fn new(ctx: JobContext, answers: mpsc::Sender<String>) -> Listener {
        Listener { writer: ctx.writer(), ctx, answers, ending: Ending::default(), line: 0 }
    }

    /// Listens to the end. While an event waits for room nothing is read, and the program waits as well.
    pub(super) async fn listen(
        mut self,
        stdout: impl AsyncRead + Unpin,
        ended: CancellationToken,
        longest: usize,
    ) -> Ending {
        let mut pipe = Pipe::new(stdout, ended);
        let mut cutter = Cutter::new(longest, Long::Dropped);
        loop {
            let mut bytes = pipe.read().await;
            let over = bytes.is_empty();
            while let Some(cut) = cutter.next(&mut bytes).or_else(|| over.then(|| cutter.finish()).flatten()) {
                self.line += 1;
                let said = match cut {
                    Cut::Line(line) => protocol::read(&line),
                    Cut::TooLong => Some(Said::Invalid(format!("the line is longer than {longest} bytes"))),
                };
                if let Some(said) = said {
                    self.act(said).await;
                }
            }
            if over {
                return self.ending;
            }
        }
    }

    async fn act(&mut self, said: Said) {
        let done = match said {
            Said::Text(text) => self.log("info", &text).await,
            Said::Event(body) => self.ctx.emit(&body).await.map_err(Wrong::Refused),
            Said::Result(result) => self.ending.result(result).map_err(Wrong::Said),
            Said::Failure(failure) => self.ending.failure(failure).map_err(Wrong::Said),
            Said::Chunk(piece) => self.write(piece).await,
            Said::Authorize(id, asked) => {
                let answer = self.authorize(&id, &asked);
                self.answer(answer).await;
                Ok(())
            }
            Said::Delegate(id, delegation) => {
                self.delegate(id, &delegation).await;
                Ok(())
            }
            Said::Invalid(reason) => Err(Wrong::Line(reason)),
        };
        let reason = match done {
            // Nobody is left to be told anything.
            Ok(()) | Err(Wrong::Refused(Refused::Terminal | Refused::Stale)) => return,
            Err(Wrong::Refused(refused)) => refused.to_string(),
            Err(Wrong::Said(reason)) => reason.to_owned(),
            Err(Wrong::Line(reason)) => reason,
        };
        // A program that asks nothing may never read this: it is no reason to hold it up.
        drop(self.answers.try_send(protocol::invalid(self.line, &reason)));
        let attributes = json!({ "source": "nuncio", "line": self.line });
        let message = format!("a line of the program's output is ignored: {reason}");
        drop(self.ctx.log_with("warn", &message, &attributes).await);
    }

    async fn log(&self, level: &str, text: &str) -> Result<(), Wrong> {
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.floor_char_boundary(MESSAGE);
            let (message, after) = rest.split_at(end);
            self.ctx.log_with(level, message, &json!({ "source": "stdout" })).await.map_err(Wrong::Refused)?;
            rest = after;
        }
        Ok(())
    }

    async fn write(&mut self, piece: Piece) -> Result<(), Wrong> {
        self.ending.chunk().map_err(Wrong::Said)?;
        match piece {
            Piece::Text(text) => self.writer.write_text(&text).await.map_err(Wrong::Refused),
            Piece::Bytes(bytes) => self.writer.write_bytes(&bytes).await.map_err(Wrong::Refused),
        }
    }

    fn authorize(&self, id: &Id, asked: &Asked) -> String {
        let Asked { cap, target } = asked;
        let decided =
            if cap == "model.use" { self.ctx.authorize_model(target) } else { self.ctx.authorize(cap, target) };
        match decided {
            Ok(operation) => protocol::allowed(id, &operation),
            Err(denied) => protocol::denied(id, &denied.fault()),
        }
    }

    async fn delegate(&self, id: Id, delegation: &Delegation) {
        let mut child = match self.ctx.delegate(delegation).await {
            Ok(child) => child,
            Err(denied) => return self.answer(protocol::not_delegated(&id, &denied.fault())).await,
        };
        let Some(job) = child.job_id().map(|job| job.to_string()) else {
            // Declined at once: it has ended already.
            let fault = child.outcome().await.fault.unwrap_or_else(|| Denied::NotRunning.fault());
            return self.answer(protocol::not_delegated(&id, &fault)).await;
        };
        self.answer(protocol::delegated(&id, &job)).await;
        let (ctx, answers) = (self.ctx.clone(), self.answers.clone());
        tokio::spawn(async move {
            tokio::select! {
                outcome = child.outcome() => {
                    // The program may have ended meanwhile.
                    drop(answers.send(protocol::outcome(&id, &job, &outcome)).await);
                }
                () = ctx.cancelled() => {}
            }
        });
    }

    /// Who asks reads the answers; until there is room for one more, nothing more of what it says is read.
    async fn answer(&self, line: String) {
        tokio::select! {
            biased;
            // It may have closed its stdin.
            sent = self.answers.send(line) => drop(sent),
            () = self.ctx.cancelled() => {}
        }
    }
}

/// Why a line is not acted upon.
enum Wrong {
    Refused(Refused),
    Said(&'static str),
    Line(String),
}
