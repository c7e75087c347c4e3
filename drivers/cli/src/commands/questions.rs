//! `nuncio questions`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use nuncio_tokio::arcp::{Client, Json, OpenQuestion, QuestionQuery};
use serde::Serialize;

use super::find;
use super::listing::{Cursors, Listed, until_interrupted};
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{self, Changes, expected, grid, terminal_width};
use crate::text::{eprint_line, json, sanitize};
use crate::time::positive_duration;

const AFTER_HELP: &str = "\
Examples:
  nuncio questions
  nuncio questions --watch --json | jq -r .question.prompt
  nuncio answer job_01KAJ6Y3M2Q4T5V6W7X8Y9Z0AB yes

Lists the questions of the jobs that your token may watch, the oldest job
first. `nuncio answer` answers them.

Exit codes:
  0    the questions were listed; with --watch, Ctrl-C was pressed
  2    invalid usage
  5    the runtime refused the token or the request, or has no support for
       questions
  6    the runtime is unreachable, or the session is lost
  7    stdout cannot be written
  130  left by Ctrl-C before the questions were listed";

/// The list of questions. A runtime that keeps its promises needs fewer pages.
const LISTED: Listed = Listed { what: "questions", most: 9_999, narrower: "name a job", instead: "tell its operator" };

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// List only the questions of this job: its id, or a part of it that no other job has
    #[arg(value_name = "JOB", value_parser = NonEmptyStringValueParser::new())]
    job_id: Option<String>,
    /// Look for new questions every INTERVAL until Ctrl-C, and print each once [default interval: 2s]
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, require_equals = true, default_missing_value = "2s")]
    #[arg(value_parser = positive_duration)]
    watch: Option<Duration>,
    /// Print a JSON object per question and line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(options: Options) -> Exit {
    let listed = until_interrupted(list(&options), options.watch.is_some()).await;
    output::finish_with(options.json, listed).await
}

async fn list(options: &Options) -> Result<(), Error> {
    let client = options.connection.connect().await?;
    let job = match &options.job_id {
        Some(text) => Some(find::job(&client, text).await?),
        None => None,
    };
    match options.watch {
        Some(interval) => watch(&client, job.as_deref(), options.json, interval).await?,
        None => {
            let questions = open(&client, job.as_deref()).await?;
            if questions.is_empty() && !options.json {
                eprint_line("there are no open questions");
            }
            print(&questions, options.json).map_err(Error::stdout)?;
        }
    }
    client.close().await;
    Ok(())
}

/// Prints each question once, until the task is dropped.
async fn watch(client: &Client, job: Option<&str>, json: bool, interval: Duration) -> Result<(), Error> {
    let (mut changes, mut known) = (Changes::of(client), BTreeSet::new());
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let listed = async {
            ticks.tick().await;
            open(client, job).await
        };
        let mut questions = changes.during(listed, || {}).await?;
        let all = questions.iter().map(name).collect();
        questions.retain(|open| !known.contains(&name(open)));
        known = all;
        print(&questions, json).map_err(Error::stdout)?;
    }
}

/// The job and the id of a question.
fn name(open: &OpenQuestion) -> (String, String) {
    (open.job_id.to_string(), open.question.question_id.clone())
}

/// Returns all open questions that may be seen, or those of one job.
pub(super) async fn open(client: &Client, job_id: Option<&str>) -> Result<Vec<OpenQuestion>, Error> {
    let (mut questions, mut cursor) = (Vec::new(), None);
    let mut cursors = Cursors::new(&LISTED);
    loop {
        let query = QuestionQuery { job_id: job_id.map(Into::into), limit: None, cursor: cursor.map(Cow::Owned) };
        let page = client.questions(&query).await?;
        questions.extend(page.questions);
        match page.next_cursor {
            Some(next) => {
                cursors.follow(&next)?;
                cursor = Some(next);
            }
            None => return Ok(questions),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Question { job_id: &'a str, agent: &'a str, principal: &'a str, may_answer: bool, question: Question<'a> },
}

#[derive(Serialize)]
struct Question<'a> {
    question_id: &'a str,
    prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    choices: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn of(open: &'a OpenQuestion) -> Line<'a> {
        let asked = &open.question;
        Line::Question {
            job_id: open.job_id.as_str(),
            agent: &open.agent,
            principal: &open.principal,
            may_answer: open.may_answer,
            question: Question {
                question_id: &asked.question_id,
                prompt: &asked.prompt,
                choices: asked.choices.as_deref(),
                schema: asked.schema.as_ref().and_then(|schema| schema.parse().ok()),
                default: asked.default.as_ref().and_then(|default| default.parse().ok()),
                expires_at: asked.expires_at.as_deref(),
            },
        }
    }
}

fn print(questions: &[OpenQuestion], as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        for open in questions {
            writeln!(out, "{}", json(&Line::of(open))?)?;
        }
        return out.flush();
    }
    for line in lines(questions, terminal_width()) {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

/// Returns a table of the questions. If it is wider than the terminal, each question has lines of its own instead, so that no
/// question is cut off.
fn lines(questions: &[OpenQuestion], terminal: Option<usize>) -> Vec<String> {
    let rows: Vec<[Cow<'_, str>; 5]> = questions.iter().map(cells).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let table = grid(["JOB", "ID", "AGENT", "QUESTION", "ANSWER"], &rows, 5, |_, cell| cell.to_owned());
    let fits = |line: &String| terminal.is_none_or(|columns| console::measure_text_width(line) <= columns);
    if table.iter().all(fits) {
        return table;
    }
    let of_row = |[job, id, agent, prompt, answer]: &[Cow<'_, str>; 5]| {
        [format!("{job} {id} {agent}"), format!("  question: {prompt}"), format!("  answer:   {answer}")]
    };
    rows.iter().flat_map(of_row).collect()
}

fn cells(open: &OpenQuestion) -> [Cow<'_, str>; 5] {
    let answer = expected(&open.question);
    [
        sanitize(open.job_id.as_str()),
        sanitize(&open.question.question_id),
        sanitize(&open.agent),
        sanitize(&open.question.prompt),
        sanitize(&if open.may_answer { answer } else { format!("{answer} (you may not answer)") }).into_owned().into(),
    ]
}
