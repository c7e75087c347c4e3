//! Questions and answers (ours): the bodies of their events, and the answers to requests about them.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::maybe::Maybe;
use super::raw::Raw;
use crate::arcp::wire::ids::JobId;
use crate::json::{Text, present};

/// A question of an agent, as a client sees it (ours).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AskedQuestion {
    /// The id of the question, which is unique within its job.
    pub question_id: String,
    /// The prompt.
    pub prompt: String,
    /// The answers that fit, if only some do.
    pub choices: Option<Vec<String>>,
    /// The JSON Schema that an answer has to fit. Without choices and schema the answer is any text.
    pub schema: Option<Raw>,
    /// The answer if none is given in time.
    pub default: Option<Raw>,
    /// When the question expires, as it was written.
    pub expires_at: Option<String>,
}

/// How a question has ended (ours).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QuestionOutcome {
    /// `answered`: a principal has answered.
    Answered,
    /// `default`: no answer came in time, and the default counts.
    Default,
    /// `expired`: no answer came in time, and there is no default.
    Expired,
    /// `withdrawn`: the agent no longer asks it.
    Withdrawn,
}

/// The end of a question (ours).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnsweredQuestion {
    /// The id of the question.
    pub question_id: String,
    /// How it has ended.
    pub outcome: QuestionOutcome,
    /// The answer, unless there is none.
    pub value: Option<Raw>,
    /// The principal that has answered, if one has.
    pub by: Option<String>,
    /// What the person has added to the value.
    pub note: Option<String>,
}

/// A page of open questions (ours).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QuestionPage {
    /// The questions, the oldest job first.
    pub questions: Vec<OpenQuestion>,
    /// The cursor of the next page, for [`QuestionQuery::cursor`](crate::arcp::client::QuestionQuery::cursor). Absent on the
    /// last page. A page with a cursor may be empty.
    pub next_cursor: Option<String>,
}

/// An open question of a job (ours).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenQuestion {
    /// The job's id.
    pub job_id: JobId,
    /// The agent: `name@version`, or the bare name.
    pub agent: String,
    /// The principal that has submitted the job.
    pub principal: String,
    /// Whether this client may answer.
    pub may_answer: bool,
    /// The question.
    pub question: AskedQuestion,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked<'a> {
    #[serde(borrow)]
    question_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    prompt: Maybe<Text<'a>>,
    choices: Maybe<Vec<String>>,
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "present")]
    default: Option<&'a RawValue>,
    #[serde(borrow)]
    expires_at: Maybe<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Answered<'a> {
    #[serde(borrow)]
    question_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    outcome: Maybe<Text<'a>>,
    #[serde(borrow, deserialize_with = "present")]
    value: Option<&'a RawValue>,
    #[serde(borrow)]
    by: Maybe<Text<'a>>,
    #[serde(borrow)]
    note: Maybe<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Questions<'a> {
    #[serde(borrow)]
    questions: Maybe<Vec<Maybe<Row<'a>>>>,
    #[serde(borrow)]
    next_cursor: Maybe<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Row<'a> {
    #[serde(borrow)]
    job_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    agent: Maybe<Text<'a>>,
    #[serde(borrow)]
    principal: Maybe<Text<'a>>,
    may_answer: Maybe<bool>,
    #[serde(borrow)]
    question: Maybe<Asked<'a>>,
}

impl AskedQuestion {
    /// Reads the body of an `x-vendor.nuncio.question`; `None` if it has no id or no prompt.
    pub(crate) fn read(body: &Raw) -> Option<AskedQuestion> {
        let asked: Asked<'_> = body.parse().ok()?;
        asked.question(&body.clone().into_bytes())
    }
}

impl Asked<'_> {
    fn question(&self, frame: &Bytes) -> Option<AskedQuestion> {
        Some(AskedQuestion {
            question_id: self.question_id.owned()?,
            prompt: self.prompt.owned()?,
            choices: self.choices.0.clone(),
            schema: Raw::unless_null(frame, self.schema),
            default: self.default.map(|value| Raw::new(frame, value)),
            expires_at: self.expires_at.owned(),
        })
    }
}

impl AnsweredQuestion {
    /// Reads the body of an `x-vendor.nuncio.answered`; `None` if it has no id or no known outcome.
    pub(crate) fn read(body: &Raw) -> Option<AnsweredQuestion> {
        let answered: Answered<'_> = body.parse().ok()?;
        answered.question(&body.clone().into_bytes())
    }
}

impl Answered<'_> {
    pub(crate) fn question(&self, frame: &Bytes) -> Option<AnsweredQuestion> {
        let outcome = match self.outcome.as_str()? {
            "answered" => QuestionOutcome::Answered,
            "default" => QuestionOutcome::Default,
            "expired" => QuestionOutcome::Expired,
            "withdrawn" => QuestionOutcome::Withdrawn,
            _ => return None,
        };
        Some(AnsweredQuestion {
            question_id: self.question_id.owned()?,
            outcome,
            value: self.value.map(|value| Raw::new(frame, value)),
            by: self.by.owned(),
            note: self.note.owned(),
        })
    }
}

impl Questions<'_> {
    /// Returns the page. Rows without a job or a question are left out.
    pub(crate) fn page(&self, frame: &Bytes) -> QuestionPage {
        QuestionPage {
            questions: self.questions.items().filter_map(|row| row.question(frame)).collect(),
            next_cursor: self.next_cursor.cursor(),
        }
    }
}

impl Row<'_> {
    fn question(&self, frame: &Bytes) -> Option<OpenQuestion> {
        Some(OpenQuestion {
            job_id: self.job_id.as_str()?.into(),
            agent: self.agent.owned().unwrap_or_default(),
            principal: self.principal.owned().unwrap_or_default(),
            may_answer: self.may_answer.0.unwrap_or_default(),
            question: self.question.0.as_ref()?.question(frame)?,
        })
    }
}
