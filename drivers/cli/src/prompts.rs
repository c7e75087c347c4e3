//! Questions of agents on the terminal of a command that follows their job: they are shown, and a typed line answers them.

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use nuncio_tokio::arcp::{AskedQuestion, Client, JobEvent, JobId, Json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::output::{FollowedJob, Printer, expected, value_of};

/// How long a question is open before it is shown, so that one whose answer follows directly, in a history, is not.
const SETTLED: Duration = Duration::from_millis(200);

/// The open questions of the followed jobs, and the lines that are typed.
pub(crate) struct Prompts {
    client: Client,
    mode: Mode,
    open: VecDeque<Prompt>,
    lines: Option<mpsc::UnboundedReceiver<String>>,
    /// Whether the first question is shown.
    shown: bool,
    /// When the first question is shown, if it is open then.
    due: Instant,
}

/// What is done with a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Nothing.
    Off,
    /// The command that answers it is shown, because there is no terminal.
    Hint,
    /// It is shown, and answered by a typed line.
    Ask,
}

struct Prompt {
    job_id: JobId,
    agent: String,
    question: AskedQuestion,
}

impl Prompts {
    /// Shows questions if `wanted`: if stdin and stderr are terminals, they are answered there.
    pub(crate) fn new(client: &Client, wanted: bool) -> Prompts {
        let mode = match wanted {
            true if io::stdin().is_terminal() && io::stderr().is_terminal() => Mode::Ask,
            true => Mode::Hint,
            false => Mode::Off,
        };
        Prompts { client: client.clone(), mode, open: VecDeque::new(), lines: None, shown: false, due: Instant::now() }
    }

    /// Takes note of an event of a followed job.
    pub(crate) fn event(&mut self, job: &FollowedJob, event: &JobEvent) {
        if self.mode == Mode::Off {
            return;
        }
        if let Some(question) = event.question() {
            if self.open.is_empty() {
                self.due = Instant::now() + SETTLED;
            }
            self.open.push_back(Prompt { job_id: job.job_id.clone(), agent: job.agent.to_string(), question });
        } else if let Some(answered) = event.answered() {
            self.close(&job.job_id, &answered.question_id);
        }
    }

    /// Forgets the questions of a job that has ended.
    pub(crate) fn ended(&mut self, job_id: &JobId) {
        self.retain(|prompt| prompt.job_id != *job_id);
    }

    fn close(&mut self, job_id: &JobId, question_id: &str) {
        self.retain(|prompt| prompt.job_id != *job_id || prompt.question.question_id != question_id);
    }

    fn retain(&mut self, keeps: impl Fn(&Prompt) -> bool) {
        self.shown &= self.open.front().is_some_and(&keeps);
        self.open.retain(keeps);
    }

    /// Waits until a question is to be shown, or a line was typed for the one that is.
    pub(crate) async fn next(&mut self) -> Option<String> {
        if self.open.is_empty() {
            return std::future::pending().await;
        }
        if !self.shown {
            tokio::time::sleep_until(self.due).await;
            return None;
        }
        match &mut self.lines {
            Some(lines) => match lines.recv().await {
                Some(line) => Some(line),
                // stdin has ended: `nuncio answer` can still be used.
                None => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }

    /// Shows the first question, or sends the line as its answer.
    pub(crate) async fn act(&mut self, line: Option<String>, printer: &mut Printer) {
        let Some(prompt) = self.open.front() else { return };
        if self.mode == Mode::Hint {
            printer.note(&hint(prompt)).await;
            self.open.pop_front();
            return;
        }
        let Some(line) = line else {
            self.lines.get_or_insert_with(typed);
            self.shown = true;
            let Prompt { agent, question, .. } = prompt;
            printer.prompt(agent, &question.prompt, &expected(question)).await;
            return;
        };
        self.shown = false;
        let answered = match typed_value(&prompt.question, &line) {
            Ok(value) => {
                let id = &prompt.question.question_id;
                self.client.answer(&prompt.job_id, id, &value, None).await.map_err(|error| error.to_string())
            }
            Err(reason) => Err(reason),
        };
        match answered {
            // The event that follows closes the others' prompts, too.
            Ok(_) => drop(self.open.pop_front()),
            Err(reason) => printer.message(&format!("nuncio: {reason}")).await,
        }
    }
}

/// Returns the value that a typed line stands for. A line without a text is no answer, because Enter may be pressed by mistake.
fn typed_value(question: &AskedQuestion, line: &str) -> Result<Box<Json>, String> {
    match (line.trim(), &question.schema) {
        ("", _) => Err("nothing was typed; type an answer, or \"\" for an empty text".to_owned()),
        ("\"\"", None) => value_of(question, ""),
        _ => value_of(question, line),
    }
}

/// Says which command answers a question.
fn hint(prompt: &Prompt) -> String {
    let Prompt { job_id, question, .. } = prompt;
    format!("{} waits: `nuncio answer {job_id} {} VALUE` answers it", question.question_id, question.question_id)
}

/// Reads lines of stdin on a thread of its own, because a read may never return.
fn typed() -> mpsc::UnboundedReceiver<String> {
    let (sender, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
