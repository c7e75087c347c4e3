//! `nuncio answer`.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use nuncio_tokio::arcp::{AskedQuestion, ClientError, Json, RemoteFault, RequestFailure};
use serde::Deserialize;

use super::interrupt::until_interrupted;
use super::{find, questions};
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{self, expected, value_of};
use crate::text::eprint_line;

const AFTER_HELP: &str = "\
Examples:
  nuncio answer job_01KAJ6Y3M2Q4T5V6W7X8Y9Z0AB yes
  nuncio answer job_01KAJ6Y3M2Q4T5V6W7X8Y9Z0AB q2 no --note 'ask on Monday'

VALUE is text. If the question has a schema, VALUE is JSON, such as 7 or
'{\"hour\": 7}'. `nuncio questions` lists the open questions. Only the first
answer to a question counts.

Exit codes:
  0    the answer was taken
  2    invalid usage: the job has several open questions, or VALUE is not JSON
  5    the runtime refused the token or the answer, or the job has no open
       question
  6    the runtime is unreachable, or the session is lost
  130  left by Ctrl-C; the answer may have been taken";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// Id of the job, or a part of it that no other job has
    #[arg(value_name = "JOB", value_parser = NonEmptyStringValueParser::new())]
    job_id: String,
    /// Id of the question, if the job has several open ones, and the answer
    #[arg(value_name = "[QUESTION] VALUE", required = true, num_args = 1..=2, allow_negative_numbers = true)]
    answer: Vec<String>,
    /// Add a note for the agent
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) async fn run(options: Options) -> Exit {
    output::finish(until_interrupted(answer(&options), "the answer may have been taken").await)
}

async fn answer(options: &Options) -> Result<Exit, Error> {
    let client = options.connection.connect().await?;
    let (named, text) = match &options.answer[..] {
        [named, text] => (Some(named.as_str()), text),
        [text] => (None, text),
        // clap takes one or two.
        _ => return Err(Error::Usage("give the answer".to_owned())),
    };
    let job_id = find::job(&client, &options.job_id).await?;
    let mut open: Vec<_> =
        questions::open(&client, Some(&job_id)).await?.into_iter().map(|open| open.question).collect();
    let question = match named {
        Some(named) => open.iter().position(|question| question.question_id == named).map(|at| open.swap_remove(at)),
        None => Some(only(&mut open)?),
    };
    let (question_id, value) = match &question {
        Some(question) => (question.question_id.clone(), value_of(question, text).map_err(Error::Usage)?),
        // It may have been answered before, which the runtime says.
        None => (named.unwrap_or_default().to_owned(), any_value(text)),
    };
    let taken = client.answer(&job_id, &question_id, &value, options.note.as_deref()).await;
    let taken = taken.map_err(|error| match &error {
        ClientError::Failed(RequestFailure::Refused(fault)) if is_unknown(fault) => none(&question_id, &open),
        _ => error.into(),
    })?;
    client.close().await;
    let value = taken.value.as_ref().map_or("", |value| value.as_str());
    eprint_line(&format!("the answer to {question_id} is {value}"));
    Ok(Exit::Success)
}

/// Returns the open question of a job that has one.
fn only(open: &mut Vec<AskedQuestion>) -> Result<AskedQuestion, Error> {
    match (open.len(), open.pop()) {
        (1, Some(question)) => Ok(question),
        (_, None) => {
            Err(Error::Refused("the job has no open question; `nuncio questions` lists those of all jobs".to_owned()))
        }
        (number, Some(last)) => {
            open.push(last);
            let open = list(open);
            Err(Error::Usage(format!(
                "the job has {number} open questions: {open}; write `nuncio answer JOB QUESTION VALUE`"
            )))
        }
    }
}

/// Whether an answer was refused because the job has never asked the question. The reason is an addition of Nuncio's runtime.
fn is_unknown(fault: &RemoteFault) -> bool {
    #[derive(Deserialize)]
    struct Details<'a> {
        question: &'a str,
    }
    let details: Option<Details<'_>> = fault.details.as_ref().and_then(|details| details.parse().ok());
    details.is_some_and(|details| details.question == "unknown")
}

/// Says that the job has no such question, and which ones are open.
fn none(question_id: &str, open: &[AskedQuestion]) -> Error {
    let instead = match open {
        [] => "`nuncio questions` lists those of all jobs".to_owned(),
        open => format!("open: {}", list(open)),
    };
    Error::Refused(format!("the job has no open question {question_id}; {instead}"))
}

/// The open questions of a job.
fn list(open: &[AskedQuestion]) -> String {
    let shown =
        |question: &AskedQuestion| format!("{} {} ({})", question.question_id, question.prompt, expected(question));
    open.iter().map(shown).collect::<Vec<_>>().join("; ")
}

/// A value for a question that is not known: JSON, or a text.
fn any_value(text: &str) -> Box<Json> {
    serde_json::from_str(text)
        .or_else(|_| serde_json::value::to_raw_value(text))
        .unwrap_or_else(|_| Json::NULL.to_owned())
}
