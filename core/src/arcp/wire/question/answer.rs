//! How a question ends, and the body of the event that says so (ours).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{owned_json, question_id, question_number};
use crate::json::{Object, Text, present};

/// The answer to a question, as its agent gets it (ours).
#[derive(Clone, Debug)]
pub enum Answer {
    /// A principal has answered.
    Given {
        /// The value, which fits the question, as it was written.
        value: Arc<RawValue>,
        /// The principal that has answered.
        by: Arc<str>,
        /// What the person has added to the value.
        note: Option<Arc<str>>,
    },
    /// No answer was given by the deadline: this is the question's default.
    Default {
        /// The value.
        value: Arc<RawValue>,
    },
    /// No answer was given by the deadline, and the question has no default.
    Expired,
}

impl Answer {
    /// Returns the value, unless the question has expired without one.
    pub fn value(&self) -> Option<&RawValue> {
        match self {
            Answer::Given { value, .. } | Answer::Default { value } => Some(value),
            Answer::Expired => None,
        }
    }

    /// Returns the value if it is a text, such as one of the choices.
    pub fn text(&self) -> Option<String> {
        let Text(text) = serde_json::from_str(self.value()?.get()).ok()?;
        Some(text.into_owned())
    }

    /// Returns the principal that has answered; `None` unless the answer was [given](Answer::Given).
    pub fn by(&self) -> Option<&str> {
        if let Answer::Given { by, .. } = self { Some(by) } else { None }
    }

    /// Returns what the person has added to the value.
    pub fn note(&self) -> Option<&str> {
        if let Answer::Given { note, .. } = self { note.as_deref() } else { None }
    }

    /// Returns an upper estimate of the memory this holds, in bytes.
    pub(crate) fn held(&self) -> usize {
        let value = self.value().map_or(0, |value| value.get().len());
        value + self.by().map_or(0, str::len) + self.note().map_or(0, str::len)
    }
}

impl PartialEq for Answer {
    fn eq(&self, other: &Answer) -> bool {
        let parts = |answer: &Answer| {
            let (given, expired) = (answer.by().is_some(), matches!(answer, Answer::Expired));
            (given, expired, answer.value().map(RawValue::get).map(String::from))
        };
        parts(self) == parts(other) && self.by() == other.by() && self.note() == other.note()
    }
}

impl Eq for Answer {}

/// How a question has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It has an answer, or has expired without one.
    Settled(Answer),
    /// The agent has asked something else in its place after a restart.
    Withdrawn,
}

/// The end of a question, by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) number: u64,
    pub(crate) outcome: Outcome,
}

impl Outcome {
    /// The name on the wire.
    fn name(&self) -> &'static str {
        match self {
            Outcome::Settled(Answer::Given { .. }) => "answered",
            Outcome::Settled(Answer::Default { .. }) => "default",
            Outcome::Settled(Answer::Expired) => "expired",
            Outcome::Withdrawn => "withdrawn",
        }
    }

    pub(crate) fn answer(&self) -> Option<&Answer> {
        if let Outcome::Settled(answer) = self { Some(answer) } else { None }
    }

    /// Adds its members to an object: those that the event has, and the reply to the one who has answered.
    pub(crate) fn write(&self, number: u64, object: Object) -> Object {
        let answer = self.answer();
        object
            .plain("question_id", question_id(number))
            .plain("outcome", self.name())
            .raw("value", answer.and_then(Answer::value))
            .opt_text("by", answer.and_then(Answer::by))
            .opt_text("note", answer.and_then(Answer::note))
    }
}

impl Settled {
    /// Returns the body of the event.
    pub(crate) fn body(&self) -> String {
        self.outcome.write(self.number, Object::new()).close()
    }

    /// Reads the body of an event that [`Settled::body`] wrote.
    pub(crate) fn read(body: &str) -> Option<Settled> {
        #[derive(Deserialize)]
        struct Read<'a> {
            #[serde(borrow)]
            question_id: Text<'a>,
            #[serde(borrow)]
            outcome: Text<'a>,
            #[serde(borrow, default, deserialize_with = "present")]
            value: Option<&'a RawValue>,
            by: Option<String>,
            note: Option<String>,
        }
        let read: Read<'_> = serde_json::from_str(body).ok()?;
        let value = read.value.and_then(|value| owned_json(value.get())).map(Box::<RawValue>::into);
        let outcome = match (read.outcome.as_str(), value, read.by) {
            ("answered", Some(value), Some(by)) => {
                Outcome::Settled(Answer::Given { value, by: by.into(), note: read.note.map(Into::into) })
            }
            ("default", Some(value), _) => Outcome::Settled(Answer::Default { value }),
            ("expired", None, _) => Outcome::Settled(Answer::Expired),
            ("withdrawn", None, _) => Outcome::Withdrawn,
            _ => return None,
        };
        Some(Settled { number: question_number(read.question_id.as_str())?, outcome })
    }
}
