//! The lines that a program writes to stdout, without IO.

use nuncio_core::cap::ErrorCode;
use nuncio_core::surrogates::{self, Joiner};
use nuncio_tokio::cap::Failure;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value};

/// A line of a program's stdout.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    /// Text that is not a JSON object.
    Text(String),
    /// How far the job is, and a sentence about it.
    Progress { percent: i32, message: String },
    /// The output.
    Result(Value),
    /// A piece of an output that is a text: a JSON string, which may begin or end within a character.
    Chunk(String),
    /// Why the job has failed.
    Failure(Failure),
    /// A JSON object that is not a message, and why.
    Invalid(String),
}

/// Parses a line; `None` for an empty one.
pub(super) fn parse(line: &[u8]) -> Option<Message> {
    let text = String::from_utf8_lossy(line);
    // Some languages write a byte order mark before UTF-8.
    let text = text.trim().trim_start_matches('\u{feff}').trim_start();
    if text.is_empty() {
        return None;
    }
    if !text.starts_with('{') {
        return Some(Message::Text(text.to_owned()));
    }
    if let Err(error) = std::str::from_utf8(line) {
        return Some(Message::Invalid(format!("it is not UTF-8: {error}")));
    }
    // A chunk is joined with the next one first.
    if let Ok(Piece { chunk }) = serde_json::from_str(text)
        && chunk.get().starts_with('"')
    {
        return Some(Message::Chunk(chunk.get().to_owned()));
    }
    let members = serde_json::from_str::<Members>(&surrogates::replaced(text)).map_err(|error| error.to_string());
    Some(members.and_then(message).unwrap_or_else(Message::Invalid))
}

/// A message that is a chunk and nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Piece<'a> {
    #[serde(borrow)]
    chunk: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    kind: Option<String>,
    body: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    result: Option<Value>,
    chunk: Option<String>,
    error: Option<RawFailure>,
}

/// Deserializes `null` as a member that is present.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn message(members: Members) -> Result<Message, String> {
    match members {
        Members { kind: Some(kind), body: Some(body), result: None, chunk: None, error: None } => event(&kind, body),
        Members { kind: None, body: None, result: Some(result), chunk: None, error: None } => {
            Ok(Message::Result(result))
        }
        Members { kind: None, body: None, result: None, chunk: None, error: Some(error) } => {
            error.failure().map(Message::Failure)
        }
        _ => Err("a message has kind and body, or one of result, chunk and error".to_owned()),
    }
}

#[derive(Deserialize)]
struct Progress {
    current: Number,
    total: Option<Number>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct Log {
    message: String,
}

fn event(kind: &str, body: Value) -> Result<Message, String> {
    let wrong = |error: serde_json::Error| format!("the body of {kind:?} cannot be read: {error}");
    match kind {
        "progress" => {
            let Progress { current, total, message } = serde_json::from_value(body).map_err(wrong)?;
            let percent = percent(&current, total.as_ref())?;
            Ok(Message::Progress { percent, message: message.unwrap_or_default() })
        }
        "log" => {
            let Log { message } = serde_json::from_value(body).map_err(wrong)?;
            Ok(Message::Text(message))
        }
        _ => Err(format!("CAP has no event {kind:?}; it has progress")),
    }
}

/// How much `current` is of `total`, or of 100 without a total, in whole percent.
#[expect(clippy::cast_possible_truncation, reason = "it is between 0 and 100")]
fn percent(current: &Number, total: Option<&Number>) -> Result<i32, String> {
    let number = |number: &Number| number.as_f64().filter(|value| value.is_finite() && *value >= 0.0);
    let current = number(current).ok_or("the progress is negative")?;
    let total = total.map_or(Some(100.0), |total| number(total).filter(|total| *total > 0.0));
    let total = total.ok_or("the total of the progress is not more than zero")?;
    Ok((current / total * 100.0).clamp(0.0, 100.0).floor() as i32)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFailure {
    message: String,
    code: Option<Code>,
    retryable: Option<bool>,
}

/// A code of the application's own, or the name of one.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a code is a number from 1000 to 9999, or a text")]
enum Code {
    Number(i32),
    Name(String),
}

impl RawFailure {
    fn failure(self) -> Result<Failure, String> {
        let message = match &self.code {
            Some(Code::Name(name)) => format!("{name}: {}", self.message),
            Some(Code::Number(_)) | None => self.message,
        };
        let failure = match self.retryable {
            Some(true) => Failure::retryable(message),
            Some(false) => Failure::fatal(message),
            None => Failure::new(message),
        };
        match self.code {
            Some(Code::Number(code)) if (1_000..=9_999).contains(&code) => Ok(failure.code(ErrorCode(code))),
            Some(Code::Number(code)) => Err(format!("the code {code} is not from 1000 to 9999")),
            Some(Code::Name(_)) | None => Ok(failure),
        }
    }
}

/// The longest output that is made of chunks, in bytes. A worker accepts none that is longer.
const MAX_TEXT: usize = 2 << 20;

/// What a program has said about the end of its job so far.
#[derive(Debug, Default)]
pub(super) struct Ending {
    result: Option<Value>,
    text: Option<String>,
    joiner: Joiner,
    failure: Option<Failure>,
}

impl Ending {
    pub(super) fn result(&mut self, result: Value) -> Result<(), &'static str> {
        if self.result.is_some() || self.text.is_some() {
            return Err("the result was given already; the first one counts");
        }
        self.result = Some(result);
        Ok(())
    }

    pub(super) fn chunk(&mut self, chunk: &str) -> Result<(), &'static str> {
        if self.result.is_some() {
            return Err("the result was given already; the first one counts");
        }
        let joined = self.joiner.join(chunk);
        let chunk: String = serde_json::from_str(&joined).map_err(|_| "the chunk is not a text")?;
        let text = self.text.get_or_insert_default();
        if text.len().saturating_add(chunk.len()) > MAX_TEXT {
            let failure = Failure::fatal(format!("the output is longer than {MAX_TEXT} bytes"));
            self.failure.get_or_insert(failure.code(ErrorCode::JOB_RESOURCE_EXHAUSTED));
            return Err("the output is too long");
        }
        text.push_str(&chunk);
        Ok(())
    }

    pub(super) fn failure(&mut self, failure: Failure) -> Result<(), &'static str> {
        if self.failure.is_some() {
            return Err("the error was given already; the first one counts");
        }
        self.failure = Some(failure);
        Ok(())
    }

    /// A line could not be read that may have been the result or the error, so the job must not succeed without it.
    pub(super) fn unreadable(&mut self, reason: &str) {
        let failure = Failure::new(format!("a line of the program's output cannot be read: {reason}"));
        self.failure.get_or_insert(failure);
    }

    /// Returns how the job ends, after the program has ended as `ended` says.
    pub(super) fn conclude(mut self, success: bool, ended: &str) -> Result<Value, Failure> {
        if self.joiner.finish() {
            self.text.get_or_insert_default().push('\u{fffd}');
        }
        match self {
            Ending { failure: Some(failure), .. } => Err(failure),
            _ if !success => Err(Failure::new(format!("the program {ended}"))),
            Ending { text: Some(text), .. } => Ok(Value::String(text)),
            Ending { result, .. } => Ok(result.unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use nuncio_core::cap::FailureKind;
    use serde_json::json;

    use super::*;

    fn invalid(line: &str) -> String {
        match parse(line.as_bytes()) {
            Some(Message::Invalid(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lines_are_messages_or_text() {
        let parsed = |line: &str| parse(line.as_bytes()).expect("the line is not empty");
        assert_eq!(parse(b"  \r"), None);
        assert_eq!(parsed("hello"), Message::Text("hello".to_owned()));
        assert_eq!(parsed(r#"{"result": null}"#), Message::Result(Value::Null));
        assert_eq!(parsed(r#"{"result": [1]}"#), Message::Result(json!([1])));
        assert_eq!(parsed(r#"{"chunk": "a"}"#), Message::Chunk("\"a\"".to_owned()));
        assert_eq!(parsed(r#"{"result": "a\ud83d"}"#), Message::Result(json!("a\u{fffd}")));
        assert_eq!(parsed("\u{feff}{\"result\": 5}"), Message::Result(json!(5)));
        assert_eq!(parse(b"a\xff"), Some(Message::Text("a\u{fffd}".to_owned())));
        let progress = |percent, message: &str| Message::Progress { percent, message: message.to_owned() };
        assert_eq!(
            parsed(r#"{"kind": "progress", "body": {"current": 1, "total": 3, "message": "one"}}"#),
            progress(33, "one")
        );
        assert_eq!(parsed(r#"{"kind": "progress", "body": {"current": 7.9}}"#), progress(7, ""));
        assert_eq!(parsed(r#"{"kind": "progress", "body": {"current": 9, "total": 3}}"#), progress(100, ""));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(invalid(r#"{"result": {"score": NaN}}"#).contains("column"));
        assert!(invalid("\u{feff}{\"result\": NaN}").contains("column"));
        let not_text = parse(b"{\"result\": \"\xff\"}");
        assert!(
            matches!(not_text, Some(Message::Invalid(why)) if why.contains("not UTF-8") && why.contains("index 12"))
        );
        assert!(invalid(r#"{"result": 1, "chunk": "a"}"#).contains("one of result, chunk and error"));
        assert!(invalid(r#"{"kind": "metric", "body": {}}"#).contains("no event \"metric\""));
        assert!(invalid(r#"{"kind": "progress", "body": {"current": -1}}"#).contains("negative"));
        assert!(invalid(r#"{"kind": "progress", "body": {"current": 1, "total": 0}}"#).contains("more than zero"));
        assert!(invalid(r#"{"error": {"message": "m", "code": 12}}"#).contains("1000 to 9999"));
    }

    #[test]
    fn errors_have_a_code_and_say_whether_another_attempt_may_help() {
        let failure = |line: &str| match parse(line.as_bytes()) {
            Some(Message::Failure(failure)) => failure,
            other => panic!("{other:?}"),
        };
        assert_eq!(failure(r#"{"error": {"message": "m"}}"#).kind(), FailureKind::Plain);
        assert_eq!(failure(r#"{"error": {"message": "m", "retryable": true}}"#).kind(), FailureKind::Retryable);
        assert_eq!(failure(r#"{"error": {"message": "m", "retryable": false}}"#).kind(), FailureKind::Fatal);
        assert_eq!(failure(r#"{"error": {"message": "m", "code": "NO_PAPER"}}"#).message(), "NO_PAPER: m");
    }

    #[test]
    fn a_character_that_is_cut_between_two_chunks_is_joined() {
        let mut ending = Ending::default();
        for line in [r#"{"chunk": "a\ud83d"}"#, r#"{"chunk": "\ude00b\ud83d"}"#] {
            let Some(Message::Chunk(chunk)) = parse(line.as_bytes()) else { panic!("{line}") };
            assert_eq!(ending.chunk(&chunk), Ok(()));
        }
        assert_eq!(ending.conclude(true, "").expect("a text"), json!("a\u{1f600}b\u{fffd}"));
    }

    #[test]
    fn an_unreadable_line_is_never_a_success() {
        let mut ending = Ending::default();
        ending.unreadable("expected value");
        assert!(ending.conclude(true, "ended with exit status 0").is_err());
    }

    #[test]
    fn the_first_result_counts_and_chunks_are_one_text() {
        let mut ending = Ending::default();
        assert!(ending.result(json!(1)).is_ok() && ending.result(json!(2)).is_err() && ending.chunk(r#""a""#).is_err());
        assert_eq!(ending.conclude(true, "").expect("it succeeds"), json!(1));
        let mut ending = Ending::default();
        assert!(ending.chunk(r#""a""#).is_ok() && ending.chunk(r#""b""#).is_ok());
        assert_eq!(ending.conclude(true, "").expect("it succeeds"), json!("ab"));
        assert!(Ending::default().conclude(false, "was killed by signal 9").is_err());
    }
}
