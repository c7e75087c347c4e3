//! Questions of agents to people (ours): what is asked, which answers fit, and the bodies of the two events.
//!
//! ```text
//! Question  --check--> Checked  --body-->  x-vendor.nuncio.question {question_id, prompt, …}
//!                        schema.rs         x-vendor.nuncio.answered {question_id, outcome, …}   answer.rs
//! ```

mod answer;
mod approval;
mod schema;

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

pub use self::answer::Answer;
pub(crate) use self::answer::{Outcome, Settled};
pub(crate) use self::approval::Decision;
use self::schema::Schema;
use crate::digest::{self, Digest};
use crate::json::{Object, Text, on_one_line, present, strings, too_deep};
use crate::time::Time;

/// The event kind of a question.
pub(crate) const QUESTION: &str = "x-vendor.nuncio.question";
/// The event kind of an answer, and the type of the reply to the request that gave it.
pub(crate) const ANSWERED: &str = "x-vendor.nuncio.answered";
/// The type of a page of open questions.
pub(crate) const QUESTIONS: &str = "x-vendor.nuncio.questions";

/// The longest key of a question, in bytes.
const MAX_KEY: usize = 256;

/// A question that an agent asks people (ours): a prompt, and the answers that fit.
///
/// Without [`choices`](Question::choices) and [`schema`](Question::schema) the answer is any text.
///
/// ```
/// use core::time::Duration;
///
/// use nuncio_core::arcp::Question;
///
/// let question = Question::new("Send the mail to 312 customers?")
///     .choices(["send", "do not send"])
///     .default("do not send")
///     .deadline(Duration::from_secs(600));
/// assert_eq!(question.prompt(), "Send the mail to 312 customers?");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    prompt: String,
    expects: Expects,
    default: Option<String>,
    deadline: Option<Duration>,
    key: Option<String>,
    /// Whether a value that was given cannot be written as JSON.
    unwritable: bool,
}

/// The answers that fit a question.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expects {
    Text,
    Choices(Vec<String>),
    Schema(String),
}

impl Question {
    /// Creates a question whose answer is any text.
    pub fn new(prompt: impl Into<String>) -> Question {
        Question {
            prompt: prompt.into(),
            expects: Expects::Text,
            default: None,
            deadline: None,
            key: None,
            unwritable: false,
        }
    }

    /// Accepts one of these texts and nothing else.
    pub fn choices<T: Into<String>>(mut self, choices: impl IntoIterator<Item = T>) -> Question {
        self.expects = Expects::Choices(choices.into_iter().map(Into::into).collect());
        self
    }

    /// Accepts a JSON value that fits a schema: any value that serde writes as a JSON Schema. The keywords `type`, `enum`, `const`, `properties`, `required`,
    /// `additionalProperties` (a boolean), `items`, `minimum`, `maximum`, `minLength`, `maxLength`, `minItems` and
    /// `maxItems` are checked, and `title`, `description`, `default`, `examples`, `$schema` and `$comment` are passed on. A
    /// question whose schema has another keyword is refused.
    pub fn schema(mut self, schema: &(impl Serialize + ?Sized)) -> Question {
        if let Some(schema) = self.written(schema) {
            self.expects = Expects::Schema(schema);
        }
        self
    }

    /// Accepts any text, which is also what a new question accepts.
    pub fn text(mut self) -> Question {
        self.expects = Expects::Text;
        self
    }

    /// The answer if none is given until the [`deadline`](Question::deadline): a value that serde writes as one that the
    /// question accepts.
    pub fn default(mut self, value: &(impl Serialize + ?Sized)) -> Question {
        self.default = self.written(value);
        self
    }

    fn written(&mut self, value: &(impl Serialize + ?Sized)) -> Option<String> {
        let written = serde_json::to_string(value).ok();
        self.unwritable |= written.is_none();
        written.map(|json| on_one_line(&json).into_owned())
    }

    /// How long the question stays open, from the time at which it is first asked. Without a deadline it stays open until
    /// its job ends. The interval does not follow a wall clock that is set.
    pub fn deadline(mut self, deadline: Duration) -> Question {
        self.deadline = Some(deadline);
        self
    }

    /// The name of the question within its job, of 1 to 256 bytes. A question that was asked under its name is not asked
    /// again: its answer is returned, also in a run after a restart. Without a name it is the place among the questions of
    /// the run that have none.
    pub fn key(mut self, key: impl Into<String>) -> Question {
        self.key = Some(key.into());
        self
    }

    /// Returns the prompt.
    pub fn prompt(&self) -> &str {
        &self.prompt
    }

    /// Returns how long the question stays open.
    pub fn time_limit(&self) -> Option<Duration> {
        self.deadline
    }

    /// Returns the name that was given to the question.
    pub(crate) fn name(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Checks the question.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong.
    pub(crate) fn check(&self) -> Result<(), Cow<'static, str>> {
        let invalid = |sentence: &'static str| Err(Cow::Borrowed(sentence));
        if self.unwritable {
            return invalid("the schema or the default of the question cannot be written as JSON");
        }
        if self.prompt.is_empty() {
            return invalid("a question has a prompt");
        }
        if self.key.as_ref().is_some_and(|key| key.is_empty() || key.len() > MAX_KEY) {
            return invalid("the key of a question has 1 to 256 bytes");
        }
        match &self.expects {
            Expects::Text => {}
            Expects::Choices(choices) => {
                let distinct: BTreeSet<&String> = choices.iter().collect();
                if choices.is_empty() || distinct.len() != choices.len() {
                    return invalid("the choices of a question are different texts, at least one");
                }
            }
            Expects::Schema(schema) => {
                if too_deep(schema) {
                    return invalid("the schema of a question nests too deeply");
                }
                Schema::parse(schema)
                    .map_err(|why| alloc::format!("the schema of the question cannot be checked: {why}"))?;
            }
        }
        if let Some(default) = &self.default {
            self.accepts(default).map_err(|why| alloc::format!("the default does not fit the question: {why}"))?;
        }
        Ok(())
    }

    /// Checks that a JSON value answers the question. The error says why it does not.
    pub(crate) fn accepts(&self, value: &str) -> Result<(), String> {
        if too_deep(value) {
            return Err("the value nests too deeply".to_owned());
        }
        let text = || serde_json::from_str::<Text<'_>>(value).ok();
        match &self.expects {
            Expects::Text => text().map(|_| ()).ok_or_else(|| "the answer has to be a text".to_owned()),
            Expects::Choices(choices) => {
                let chosen = text().is_some_and(|text| choices.iter().any(|choice| choice == text.as_str()));
                let names = || strings(choices.iter().map(String::as_str));
                if chosen { Ok(()) } else { Err(alloc::format!("the answer has to be one of {}", names())) }
            }
            Expects::Schema(schema) => Schema::parse(schema)?.accepts(value),
        }
    }

    /// Returns the bytes of its texts, which [`Limits::question_bytes`](crate::arcp::Limits::question_bytes) bounds.
    pub(crate) fn bytes(&self) -> usize {
        let expects = match &self.expects {
            Expects::Text => 0,
            Expects::Choices(choices) => choices.iter().map(|choice| choice.len() + 4).sum(),
            Expects::Schema(schema) => schema.len(),
        };
        let len = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.prompt.len() + expects + len(&self.default) + len(&self.key)
    }

    /// Returns the digest of what is asked, without its deadline and name.
    pub(crate) fn digest(&self) -> Digest {
        let mut hasher = Sha256::new();
        let prompt = serde_json::Value::from(self.prompt.as_str()).to_string();
        digest::member(&mut hasher, "prompt", Some(&prompt));
        digest::member(&mut hasher, "choices", self.choices_json().as_deref());
        digest::member(&mut hasher, "schema", self.schema_json());
        digest::member(&mut hasher, "default", self.default.as_deref());
        hasher.finalize().into()
    }

    /// Returns the default answer as JSON text.
    pub(crate) fn default_json(&self) -> Option<&str> {
        self.default.as_deref()
    }

    fn choices_json(&self) -> Option<String> {
        if let Expects::Choices(choices) = &self.expects {
            Some(strings(choices.iter().map(String::as_str)))
        } else {
            None
        }
    }

    fn schema_json(&self) -> Option<&str> {
        if let Expects::Schema(schema) = &self.expects { Some(schema) } else { None }
    }

    /// Returns the body of its event.
    pub(crate) fn body(&self, number: u64, expires_at: Option<Time>) -> String {
        Object::with_capacity(self.bytes() + 128)
            .plain("question_id", question_id(number))
            .text("prompt", &self.prompt)
            .opt_json("choices", self.choices_json().as_deref())
            .opt_json("schema", self.schema_json())
            .opt_json("default", self.default.as_deref())
            .opt_plain("expires_at", expires_at.map(Time::to_rfc3339))
            .close()
    }

    /// Reads the body of an event that [`Question::body`] wrote: the number of the question, and the question.
    pub(crate) fn read(body: &str) -> Option<(u64, Question)> {
        #[derive(Deserialize)]
        struct Read<'a> {
            #[serde(borrow)]
            question_id: Text<'a>,
            #[serde(borrow)]
            prompt: Text<'a>,
            choices: Option<Vec<String>>,
            #[serde(borrow)]
            schema: Option<&'a RawValue>,
            #[serde(borrow, default, deserialize_with = "present")]
            default: Option<&'a RawValue>,
        }
        let read: Read<'_> = serde_json::from_str(body).ok()?;
        let question = Question::new(read.prompt.as_str());
        let question = match (read.choices, read.schema) {
            (Some(choices), _) => question.choices(choices),
            (None, Some(schema)) => question.schema(schema),
            (None, None) => question,
        };
        let question = Question { default: read.default.map(|value| value.get().to_string()), ..question };
        Some((question_number(read.question_id.as_str())?, question))
    }
}

/// Returns the id of a question on the wire, which is unique within its job.
pub(crate) fn question_id(number: u64) -> String {
    alloc::format!("q{number}")
}

/// Returns the number of the question with this id; `None` if no question has it.
pub(crate) fn question_number(id: &str) -> Option<u64> {
    let digits = id.strip_prefix('q').filter(|digits| !digits.starts_with(['0', '+']))?;
    digits.parse().ok()
}

/// Returns whether two JSON values are equal: the order of members and the spelling of numbers and escapes do not count.
pub(crate) fn is_same_value(one: &str, other: &str) -> bool {
    digest::value(one) == digest::value(other)
}

/// Returns JSON text of its own for a value of a peer.
pub(crate) fn owned_json(json: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(on_one_line(json).into_owned()).ok()
}
