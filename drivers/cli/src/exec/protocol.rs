//! The messages between nuncio and a program: JSON objects, one per line, on the program's stdout and stdin. No IO.
//!
//! `agents.md`, which `nuncio serve --help` prints, describes them for authors of programs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nuncio_core::surrogates;
use nuncio_tokio::arcp::{self, Body, Delegation, ErrorCode, Failure, Json, Number};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use super::lost;
use crate::{similar, text};

/// The `id` of a question, which its answers repeat.
pub(crate) type Id = Option<Box<Json>>;

/// A line of a program's stdout.
#[derive(Debug)]
pub(crate) enum Message {
    /// Text that is not a JSON object, which becomes a log event.
    Text(String),
    /// An event, which may settle the reservation of this number.
    Event(Body, Option<u64>),
    Result(Box<Json>),
    Chunk(Chunk),
    Failure(Failure),
    Authorize(Id, Question),
    Delegate(Id, Box<Delegation>),
    Reserve(Id, Amount),
    /// Asks people.
    Ask(Id, Box<arcp::Question>),
    /// Ends the reservation of this number.
    Release(u64),
    /// A JSON object that has no effect, and why.
    Invalid(String),
    /// A JSON object of one member that no message has, and why it has no effect. It may be a misspelled result.
    Unknown(String),
    /// A line that cannot be read, and why. It may have been a part of the result, so the job fails.
    Unreadable(String),
}

#[derive(Debug)]
pub(crate) enum Chunk {
    /// A JSON string, which may begin or end within a character.
    Text(Box<Json>),
    Bytes(Vec<u8>),
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    pub(crate) cap: String,
    pub(crate) target: String,
    /// An amount to reserve for the operation.
    pub(crate) reserve: Option<Amount>,
}

/// An amount to reserve.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, expecting = "an object with a currency and an amount")]
pub(crate) struct Amount {
    pub(crate) currency: String,
    #[serde(deserialize_with = "number")]
    pub(crate) amount: Number,
}

/// Reads a number as the text that it was written as.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
    let json = Box::<Json>::deserialize(deserializer)?;
    Number::parse(json.get()).ok_or_else(|| D::Error::custom("the amount is not a number"))
}

/// A mark that some languages write before UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Parses a line; `None` for an empty one.
pub(crate) fn parse(line: &[u8]) -> Option<Message> {
    let all = String::from_utf8_lossy(line);
    let text = all.trim().trim_start_matches(BYTE_ORDER_MARK).trim_start();
    if text.is_empty() {
        return None;
    }
    if !text.starts_with('{') {
        return Some(Message::Text(text.to_owned()));
    }
    let parsed = object(text);
    let Err(error) = std::str::from_utf8(line) else { return Some(parsed) };
    Some(match parsed {
        Message::Text(_) | Message::Invalid(_) | Message::Unknown(_) | Message::Unreadable(_) => parsed,
        _ => Message::Unreadable(format!("it is not UTF-8 at {}", excerpt(&all, error.valid_up_to()))),
    })
}

/// Parses a line that begins like an object.
fn object(text: &str) -> Message {
    if let Err(error) = serde_json::from_str::<&Json>(text) {
        if !lost::is_message(text) {
            return match lost::other_notation(text) {
                Some(why) => Message::Unknown(format!("{why}, in {}", excerpt(text, 0))),
                None => Message::Text(text.to_owned()),
            };
        }
        let reason = without_position(&error);
        return Message::Unreadable(if error.is_eof() {
            format!("it ends within a message, after {}", ending(text))
        } else {
            format!("{reason} at {}", excerpt(text, error.column().saturating_sub(1)))
        });
    }
    let members = serde_json::from_str(text).map_err(|error| without_position(&error));
    members.and_then(message).unwrap_or_else(|reason| {
        let shown = || format!("{reason}, in {}", excerpt(text, 0));
        match of_ending(text) {
            Some(OfEnding::Known) => Message::Unreadable(shown()),
            Some(OfEnding::Unknown) => Message::Unknown(shown()),
            None => Message::Invalid(reason),
        }
    })
}

/// Returns the message for a line that was dropped because it is longer than `max` bytes.
pub(crate) fn too_long(beginning: &[u8], max: usize) -> Message {
    let beginning = String::from_utf8_lossy(beginning);
    let beginning = beginning.trim_start().trim_start_matches(BYTE_ORDER_MARK).trim_start();
    let reason = format!("the line is longer than {max} bytes");
    if lost::other_notation(beginning).is_some() {
        Message::Unknown(format!("{reason}, and begins with {}", excerpt(beginning, 0)))
    } else if lost::is_message(beginning) {
        Message::Unreadable(format!("{reason}, and begins with {}", excerpt(beginning, 0)))
    } else {
        Message::Invalid(reason)
    }
}

/// Returns the message for a line that is a member of a message over several lines.
pub(crate) fn spread(line: &[u8]) -> Message {
    let line = String::from_utf8_lossy(line);
    Message::Unknown(format!("a message is one line, and this line is only a part of one: {}", excerpt(line.trim(), 0)))
}

/// What a JSON object that is not a message has to do with how the job ends.
enum OfEnding {
    /// It has a member that says how.
    Known,
    /// It has nothing but a member that no message has, which may be a misspelled one.
    Unknown,
}

fn of_ending(object: &str) -> Option<OfEnding> {
    let members: BTreeMap<Cow<'_, str>, &Json> = serde_json::from_str(object).unwrap_or_default();
    if lost::OF_ENDING.iter().any(|name| members.contains_key(*name)) {
        return Some(OfEnding::Known);
    }
    let mut names = members.keys();
    match (names.next(), names.next()) {
        (Some(name), None) if !lost::MEMBERS.contains(&&**name) => Some(OfEnding::Unknown),
        _ => None,
    }
}

/// The number of characters of a line that a message shows.
const SHOWN: usize = 40;

/// A few characters of a line from a place on, escaped.
fn excerpt(line: &str, at: usize) -> String {
    let start = line.floor_char_boundary(at);
    let rest = &line[start..];
    let end = rest.char_indices().nth(SHOWN).map_or(rest.len(), |(end, _)| end);
    let (before, after) = (if start > 0 { "…" } else { "" }, if end < rest.len() { "…" } else { "" });
    format!("{before}{}{after}", text::sanitize(&rest[..end]))
}

/// The last characters of a line, escaped.
fn ending(line: &str) -> String {
    let start = line.char_indices().rev().nth(SHOWN - 1).map_or(0, |(start, _)| start);
    excerpt(line, start)
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Members<'a> {
    #[serde(default, borrow, deserialize_with = "present")]
    kind: Option<&'a Json>,
    #[serde(default, borrow, deserialize_with = "present")]
    body: Option<&'a Json>,
    #[serde(default, borrow, deserialize_with = "present")]
    result: Option<&'a Json>,
    #[serde(default, borrow, deserialize_with = "present")]
    chunk: Option<&'a Json>,
    #[serde(default, borrow, deserialize_with = "present")]
    error: Option<&'a Json>,
    #[serde(default, borrow, deserialize_with = "present")]
    authorize: Option<&'a Json>,
    #[serde(default, borrow, deserialize_with = "present")]
    delegate: Option<&'a Json>,
    #[serde(default, borrow, deserialize_with = "present")]
    reserve: Option<&'a Json>,
    #[serde(default, borrow, deserialize_with = "present")]
    release: Option<&'a Json>,
    #[serde(default, borrow, deserialize_with = "present")]
    ask: Option<&'a Json>,
    #[serde(default, borrow, deserialize_with = "present")]
    reservation: Option<&'a Json>,
    #[serde(default, borrow, deserialize_with = "present")]
    id: Option<&'a Json>,
}

/// Deserializes `null` as a member that is present.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de Json>, D::Error> {
    <&Json>::deserialize(deserializer).map(Some)
}

fn message(members: Members<'_>) -> Result<Message, String> {
    let Members { kind, body, result, chunk, error, authorize, delegate, reserve, release, ask, reservation, id } =
        members;
    let asks = [authorize, delegate, reserve, ask].iter().any(Option::is_some);
    let is_one = [kind, result, chunk, error, authorize, delegate, reserve, release, ask].iter().flatten().count() == 1;
    let is_whole = kind.is_some() == body.is_some() && (reservation.is_none() || kind.is_some());
    let id = id.map(Json::to_owned);
    if !is_one || !is_whole || id.is_some() && !asks {
        return Err(
            "a message has kind and body, or one of result, chunk, error, authorize, delegate, reserve, release \
                    and ask; authorize, delegate, reserve and ask may also have an id, and an event a reservation"
                .to_owned(),
        );
    }
    if let Some(result) = result {
        return Ok(Message::Result(surrogates::whole(result).into_owned()));
    }
    if let Some(chunk) = chunk {
        return chunk_of(chunk).map(Message::Chunk);
    }
    if let Some(error) = error {
        return member("error", error).map(|error: RawFailure| Message::Failure(error.into()));
    }
    if let Some(question) = authorize {
        return member("authorize", question).map(|question| Message::Authorize(id, question));
    }
    if let Some(delegate) = delegate {
        return member("delegate", delegate).map(|raw| Message::Delegate(id, Box::new(delegation(raw))));
    }
    if let Some(amount) = reserve {
        return member("reserve", amount).map(|amount| Message::Reserve(id, amount));
    }
    if let Some(question) = ask {
        return member("ask", question).map(|raw: RawQuestion| Message::Ask(id, Box::new(raw.into())));
    }
    if let Some(number) = release {
        return member("release", number).map(Message::Release);
    }
    let kind: String = kind.map_or_else(|| Ok(String::new()), |kind| member("kind", kind))?;
    if kind == "delegate" {
        return Err("write {\"delegate\": {...}} to delegate, not an event".to_owned());
    }
    let reservation = reservation.map(|number| member("reservation", number)).transpose()?;
    let body = Body::raw(&kind, body.unwrap_or(Json::NULL)).map_err(|refused| refused.to_string())?;
    Ok(Message::Event(body, reservation))
}

fn member<T: DeserializeOwned>(name: &str, json: &Json) -> Result<T, String> {
    let text = surrogates::replaced(json.get());
    serde_json::from_str(&text).map_err(|error| format!("{name}: {}", without_position(&error)))
}

/// An error without its line and column, which are useless in a message of one line, and without a long list of names.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    similar::explain(text.split(" at line ").next().unwrap_or_default(), "`nuncio serve --help` lists the messages")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bytes {
    base64: String,
}

fn chunk_of(chunk: &Json) -> Result<Chunk, String> {
    match chunk.get().as_bytes().first() {
        Some(b'"') => Ok(Chunk::Text(chunk.to_owned())),
        Some(b'{') => {
            let Bytes { base64 } = member("chunk", chunk)?;
            STANDARD.decode(base64).map(Chunk::Bytes).map_err(|error| format!("chunk: not valid Base64: {error}"))
        }
        _ => Err("chunk: write a string, or {\"base64\": \"...\"}".to_owned()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with a message")]
struct RawFailure {
    #[serde(default = "internal_error")]
    code: String,
    message: String,
    details: Option<Box<Json>>,
}

fn internal_error() -> String {
    ErrorCode::InternalError.as_str().to_owned()
}

impl From<RawFailure> for Failure {
    fn from(raw: RawFailure) -> Failure {
        let failure = Failure::custom(raw.code, raw.message);
        match raw.details {
            Some(details) => failure.with_details(&details),
            None => failure,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with a prompt")]
struct RawQuestion {
    prompt: String,
    choices: Option<Vec<String>>,
    schema: Option<Box<Json>>,
    #[serde(default, deserialize_with = "given")]
    default: Option<Box<Json>>,
    deadline_sec: Option<u64>,
    key: Option<String>,
}

/// Deserializes `null` as a value that was given.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<Json>>, D::Error> {
    Box::<Json>::deserialize(deserializer).map(Some)
}

impl From<RawQuestion> for arcp::Question {
    fn from(raw: RawQuestion) -> arcp::Question {
        let mut question = arcp::Question::new(raw.prompt);
        if let Some(schema) = raw.schema {
            question = question.schema(&schema);
        }
        if let Some(choices) = raw.choices {
            question = question.choices(choices);
        }
        if let Some(default) = raw.default {
            question = question.default(&default);
        }
        if let Some(secs) = raw.deadline_sec {
            question = question.deadline(Duration::from_secs(secs));
        }
        if let Some(key) = raw.key {
            question = question.key(key);
        }
        question
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with an agent")]
struct RawDelegation {
    agent: String,
    delegate_id: Option<String>,
    input: Option<Box<Json>>,
    lease_request: Option<Box<Json>>,
    lease_constraints: Option<Box<Json>>,
}

fn delegation(raw: RawDelegation) -> Delegation {
    let mut delegation = Delegation::new(raw.agent);
    if let Some(id) = raw.delegate_id {
        delegation = delegation.delegate_id(id);
    }
    if let Some(input) = raw.input {
        delegation = delegation.input(&input);
    }
    if let Some(lease) = raw.lease_request {
        delegation = delegation.lease(&lease);
    }
    if let Some(constraints) = raw.lease_constraints {
        delegation = delegation.lease_constraints(&constraints);
    }
    delegation
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
