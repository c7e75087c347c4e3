//! Between a program's pipes and its job.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nuncio_core::surrogates::Joiner;
use nuncio_tokio::arcp::{
    self, Body, Delegation, Denied, ErrorCode, Fault, JobContext, Level, Operation, Refused, ResultWriter,
};
use nuncio_tokio::io::CancellationToken;
use tokio::io::{AsyncRead, AsyncWriteExt};
use tokio::process::ChildStdin;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tracing::{debug, info};

use super::reservations::Reservations;
use crate::exec::answer;
use crate::exec::ending::Ending;
use crate::exec::lines::{Line, LineSplitter, LongLine};
use crate::exec::lost::Spread;
use crate::exec::pipe::PipeLines;
use crate::exec::protocol::{self, Amount, Chunk, Id, Message, Question};

/// The maximum number of answers that wait for the program to read them. Until it does, its stdout is not read.
const MAX_ANSWERS: usize = 64;
/// The maximum number of answers and approvals of people that a program awaits. The runtime limits its questions, but a question
/// may be repeated.
const MAX_AWAITED: usize = 1_000;
/// Bytes of the longest log message made of a line. A longer line becomes several messages.
const MAX_LOG_MESSAGE: usize = 8 * 1024;

/// Why a line that names a reservation has no effect.
const NOT_RESERVED: &str = "there is no reservation of this number, or it was settled or released";

/// How long a program may write no line before the log says what it may wait for.
const SILENCE: Duration = Duration::from_secs(5);

/// What is logged once of an agent whose program writes nothing, because it may wait for the end of its stdin.
#[derive(Debug, Default)]
pub(super) struct Silence(AtomicBool);

impl Silence {
    /// Waits until the program has been silent for too long, and logs it if that was not done before.
    async fn over(&self, ctx: &JobContext) {
        tokio::time::sleep(SILENCE).await;
        if !self.0.swap(true, Ordering::Relaxed) {
            let agent = ctx.agent();
            info!(
                job = %ctx.job_id(),
                "the program of the agent {agent} has written no line for {} s; its stdin stays open for answers, so a program that \
                 reads stdin to its end never gets there: give it --result {agent}=stdout (or json or exit), or if it writes \
                 messages, questions = false in the configuration file",
                SILENCE.as_secs()
            );
        }
    }
}

pub(super) fn answers() -> (mpsc::Sender<String>, mpsc::Receiver<String>) {
    mpsc::channel(MAX_ANSWERS)
}

/// Writes the input, then the answers to questions as they come. Without `questions`, closes stdin after the input.
pub(super) async fn write_stdin(
    mut stdin: ChildStdin,
    input: String,
    mut answers: mpsc::Receiver<String>,
    questions: bool,
) {
    let mut line = Some(input);
    if !questions {
        answers.close();
    }
    while let Some(text) = line {
        // A program may close its stdin or end without reading all of it. Only its exit status decides about the job.
        if let Err(error) = stdin.write_all(text.as_bytes()).await {
            debug!(%error, "the program does not read its stdin");
            return;
        }
        // An input may be large, and there may be no answer until the job ends.
        drop(text);
        line = answers.recv().await;
    }
}

/// Turns the lines of a program's stderr into log events.
pub(super) async fn log_stderr(stderr: impl AsyncRead + Unpin, ctx: JobContext, ended: CancellationToken) {
    let mut lines = PipeLines::new(stderr, ended, LineSplitter::new(MAX_LOG_MESSAGE, LongLine::Split));
    while let Some(line) = lines.next().await {
        if let Line::Complete(line) = line
            && !line.trim_ascii().is_empty()
        {
            // Fails after the job's end. The rest is read all the same, so that the program can write it and end.
            drop(ctx.log(Level::Warn, &String::from_utf8_lossy(&line)).field("source", "stderr").await);
        }
    }
}

/// Acts on the lines of a program's stdout.
pub(super) struct Listener {
    ctx: JobContext,
    writer: ResultWriter,
    answers: mpsc::Sender<String>,
    ending: Ending,
    joiner: Joiner,
    reservations: Reservations,
    /// Has a permit for each answer of people that may still be awaited.
    awaited: Arc<Semaphore>,
    line: u64,
}

impl Listener {
    pub(super) fn new(ctx: JobContext, answers: mpsc::Sender<String>) -> Listener {
        let (ending, joiner, reservations) = (Ending::default(), Joiner::default(), Reservations::default());
        let awaited = Arc::new(Semaphore::new(MAX_AWAITED));
        Listener { writer: ctx.writer(), ctx, answers, ending, joiner, reservations, awaited, line: 0 }
    }

    /// Reads stdout to its end. While an event waits for room nothing is read, so the program waits too.
    pub(super) async fn listen(
        mut self,
        stdout: impl AsyncRead + Unpin,
        ended: CancellationToken,
        max_line: usize,
        silence: Option<&Silence>,
    ) -> Ending {
        let mut lines = PipeLines::new(stdout, ended, LineSplitter::new(max_line, LongLine::Drop));
        let mut next = {
            let mut first = std::pin::pin!(lines.next());
            match silence {
                Some(silence) => tokio::select! {
                    line = &mut first => line,
                    () = silence.over(&self.ctx) => first.await,
                },
                None => first.await,
            }
        };
        let mut spread = Spread::default();
        while let Some(line) = next {
            self.line += 1;
            let message = match line {
                Line::Complete(line) | Line::TooLong(line) if spread.is_lost(&line) => Some(protocol::spread(&line)),
                Line::Complete(line) => protocol::parse(&line),
                Line::TooLong(beginning) => Some(protocol::too_long(&beginning, max_line)),
            };
            if let Some(message) = message {
                self.act(message).await;
            }
            next = lines.next().await;
        }
        // Fails if the job has ended.
        drop(self.complete_text().await);
        self.ending
    }

    async fn act(&mut self, message: Message) {
        let done = match message {
            Message::Text(text) => self.log(&text).await,
            Message::Event(body, None) => self.ctx.emit(&body).await.map_err(LineError::Refused),
            Message::Event(body, Some(number)) => self.settle(&body, number).await,
            Message::Reserve(id, amount) => {
                let answer = self.reserve(&id, amount);
                self.answer(answer).await;
                Ok(())
            }
            Message::Release(number) => {
                self.reservations.take(number).map(drop).ok_or(LineError::Misplaced(NOT_RESERVED))
            }
            Message::Result(result) => self.ending.result(result).map_err(LineError::Misplaced),
            Message::Failure(failure) => self.ending.failure(failure).map_err(LineError::Misplaced),
            Message::Chunk(chunk) => self.write(chunk).await,
            Message::Authorize(id, question) => {
                self.authorize(id, question).await;
                Ok(())
            }
            Message::Delegate(id, delegation) => {
                self.delegate(id, &delegation).await;
                Ok(())
            }
            Message::Ask(id, question) => self.ask(id, &question).await,
            Message::Invalid(reason) => Err(LineError::Invalid(reason)),
            Message::Unknown(reason) => {
                self.ending.unknown(self.line, &reason);
                Err(LineError::Invalid(reason))
            }
            Message::Unreadable(reason) => {
                self.ending.unreadable(self.line, &reason);
                Err(LineError::Invalid(reason))
            }
        };
        let reason = match done {
            // After the job's end an error cannot be reported.
            Ok(()) | Err(LineError::Refused(Refused::Terminal | Refused::Stale)) => return,
            Err(LineError::Refused(refused)) => refused.to_string(),
            Err(LineError::Misplaced(reason)) => reason.to_owned(),
            Err(LineError::Invalid(reason)) => reason,
        };
        // Does not wait for room, because a program that asks nothing may never read its stdin.
        drop(self.answers.try_send(answer::invalid(self.line, &reason)));
        let message = format!("a line of the program's output has no effect: {reason}");
        drop(self.ctx.log(Level::Warn, &message).field("source", "nuncio").field("line", self.line).await);
    }

    async fn log(&self, text: &str) -> Result<(), LineError> {
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.floor_char_boundary(MAX_LOG_MESSAGE);
            let (message, after) = rest.split_at(end);
            self.ctx.log(Level::Info, message).await.map_err(LineError::Refused)?;
            rest = after;
        }
        Ok(())
    }

    async fn write(&mut self, chunk: Chunk) -> Result<(), LineError> {
        self.ending.chunk().map_err(LineError::Misplaced)?;
        match chunk {
            Chunk::Text(json) => {
                let joined = self.joiner.join(json.get());
                let text: String =
                    serde_json::from_str(&joined).map_err(|error| LineError::Invalid(error.to_string()))?;
                self.writer.write_text(&text).await.map_err(LineError::Refused)
            }
            Chunk::Bytes(bytes) => {
                self.complete_text().await.map_err(LineError::Refused)?;
                self.writer.write_bytes(&bytes).await.map_err(LineError::Refused)
            }
        }
    }

    /// Writes what is left of a character whose other half does not follow.
    async fn complete_text(&mut self) -> Result<(), Refused> {
        if self.joiner.finish() { self.writer.write_text("\u{fffd}").await } else { Ok(()) }
    }

    /// Answers whether an operation is allowed: at once, or when people have decided.
    async fn authorize(&self, id: Id, question: Question) {
        let operation = match decide(&self.ctx, &self.reservations, &id, &question) {
            Ok(decided) => return self.answer(decided).await,
            Err(operation) => operation,
        };
        let awaited = match self.await_another() {
            Ok(awaited) => awaited,
            Err(fault) => return self.answer(answer::denied(&id, &fault)).await,
        };
        let posed = match self.ctx.pose_approval(&operation).await {
            Ok(posed) => posed,
            Err(denied) => return self.answer(answer::denied(&id, &denied.fault())).await,
        };
        let (ctx, answers, reservations) = (self.ctx.clone(), self.answers.clone(), self.reservations.clone());
        tokio::spawn(async move {
            let _awaited = awaited;
            // Without a decision the job has ended or is cancelled, and the program is stopped.
            if posed.decided().await.is_ok()
                && let Ok(decided) = decide(&ctx, &reservations, &id, &question)
            {
                // Fails if the program has ended.
                drop(answers.send(decided).await);
            }
        });
    }

    fn reserve(&self, id: &Id, Amount { currency, amount }: Amount) -> String {
        match self.ctx.reserve(&currency, amount) {
            Ok(reservation) => answer::reserved(id, self.reservations.keep(reservation)),
            Err(denied) => answer::not_reserved(id, &denied.fault()),
        }
    }

    /// Emits a cost that settles a reservation.
    async fn settle(&self, body: &Body, number: u64) -> Result<(), LineError> {
        let mut reservation = self.reservations.take(number).ok_or(LineError::Misplaced(NOT_RESERVED))?;
        let settled = reservation.settle(body).await;
        if settled.is_err() {
            self.reservations.keep(reservation);
        }
        settled.map_err(LineError::Refused)
    }

    async fn delegate(&self, id: Id, delegation: &Delegation) {
        let mut child = match self.ctx.delegate(delegation).await {
            Ok(child) => child,
            Err(denied) => return self.answer(answer::not_delegated(&id, &denied.fault())).await,
        };
        let Some(job) = child.job_id().map(ToString::to_string) else {
            // A child without an id was declined at once, and has ended already.
            let fault = child.outcome().await.fault.unwrap_or_else(|| Denied::NotRunning.fault());
            return self.answer(answer::not_delegated(&id, &fault)).await;
        };
        self.answer(answer::delegated(&id, &job)).await;
        let (ctx, answers) = (self.ctx.clone(), self.answers.clone());
        tokio::spawn(async move {
            tokio::select! {
                outcome = child.outcome() => {
                    // Fails if the program has ended.
                    drop(answers.send(answer::outcome(&id, &job, &outcome)).await);
                }
                () = ctx.cancelled() => {}
            }
        });
    }

    /// Asks people. Questions are asked in the order of their lines, and answered in any.
    async fn ask(&self, id: Id, question: &arcp::Question) -> Result<(), LineError> {
        let awaited = match self.await_another() {
            Ok(awaited) => awaited,
            Err(fault) => {
                self.answer(answer::not_asked(&id, &fault)).await;
                return Ok(());
            }
        };
        let fault = match self.ctx.pose(question).await {
            Ok(posed) => {
                let answers = self.answers.clone();
                tokio::spawn(async move {
                    let _awaited = awaited;
                    // Without an answer the job has ended or is cancelled, and the program is stopped.
                    if let Ok(answer) = posed.answer().await {
                        // Fails if the program has ended.
                        drop(answers.send(answer::answered(&id, &answer)).await);
                    }
                });
                return Ok(());
            }
            Err(refused @ (Refused::Terminal | Refused::Stale)) => return Err(LineError::Refused(refused)),
            Err(refused @ Refused::Limit { .. }) => Fault::new(ErrorCode::InternalError, refused.to_string()),
            Err(refused) => Fault::invalid(refused.to_string()),
        };
        self.answer(answer::not_asked(&id, &fault)).await;
        Ok(())
    }

    /// Counts an answer of people that comes later, until the returned value is dropped.
    fn await_another(&self) -> Result<OwnedSemaphorePermit, Fault> {
        Arc::clone(&self.awaited).try_acquire_owned().map_err(|_| {
            let message = format!(
                "the program already waits for {MAX_AWAITED} answers of people, which is the limit; ask again when one has come"
            );
            Fault::new(ErrorCode::InternalError, message)
        })
    }

    /// Sends an answer to a question. While there is no room for it, nothing more of stdout is read.
    async fn answer(&self, line: String) {
        tokio::select! {
            biased;
            // Fails if the program has closed its stdin.
            sent = self.answers.send(line) => drop(sent),
            () = self.ctx.cancelled() => {}
        }
    }
}

/// Returns the line that answers whether an operation is allowed, or the operation that people have to approve first.
fn decide(
    ctx: &JobContext,
    reservations: &Reservations,
    id: &Id,
    question: &Question,
) -> Result<String, Box<Operation>> {
    let Question { cap, target, reserve } = question;
    let decision = match reserve {
        Some(Amount { currency, amount }) => ctx
            .authorize_reserving(cap, target, currency, amount.clone())
            .map(|(operation, reservation)| (operation, Some(reservations.keep(reservation)))),
        None if cap == "model.use" => ctx.authorize_model(target).map(|operation| (operation, None)),
        None => ctx.authorize(cap, target).map(|operation| (operation, None)),
    };
    match decision {
        Ok((operation, reservation)) => Ok(answer::allowed(id, &operation, reservation)),
        Err(Denied::NeedsApproval(operation)) => Err(operation),
        Err(denied) => Ok(answer::denied(id, &denied.fault())),
    }
}

/// Why a line has no effect.
enum LineError {
    /// The runtime refuses the event.
    Refused(Refused),
    /// The message contradicts an earlier one.
    Misplaced(&'static str),
    /// The line is not a message.
    Invalid(String),
}
