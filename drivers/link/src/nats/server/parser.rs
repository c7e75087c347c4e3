//! Cuts the bytes of a client into commands.

use bytes::Bytes;
use serde::Deserialize;

use super::event::NatsClientFault;
use crate::nats::lines::{Lines, TooLong, Unterminated, number, split_word, words};
use crate::nats::subject::{check_filter, check_group, check_subject};

/// What a client has sent.
#[derive(Debug)]
pub(super) enum Command {
    Connect(Connect),
    Ping,
    Pong,
    Subscribe { sid: String, subject: String, group: Option<String> },
    Unsubscribe { sid: String, max: Option<u64> },
    Publish { subject: String, reply: Option<String>, headers: Bytes, payload: Bytes },
}

/// The options of CONNECT that matter here; members that are not known are ignored.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "the protocol has these")]
pub(super) struct Connect {
    /// Whether every command is acknowledged with `+OK`. The protocol has it on unless the client turns it off.
    pub(super) verbose: bool,
    pub(super) echo: bool,
    pub(super) headers: bool,
    pub(super) no_responders: bool,
    pub(super) tls_required: bool,
}

impl Default for Connect {
    fn default() -> Connect {
        Connect { verbose: true, echo: true, headers: false, no_responders: false, tls_required: false }
    }
}

/// The input of a link.
pub(super) struct Parser {
    lines: Lines,
    /// The message whose line was read and whose payload has not come yet.
    head: Option<Head>,
    max_line: usize,
    max_payload: usize,
}

/// The line before a payload.
struct Head {
    subject: String,
    reply: Option<String>,
    headers: usize,
    /// The length of headers and payload.
    total: usize,
}

impl Parser {
    pub(super) fn new(max_line: usize, max_payload: usize) -> Parser {
        Parser { lines: Lines::new(max_line), head: None, max_line, max_payload }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.head = None;
    }

    pub(super) fn bytes_held(&self) -> usize {
        self.lines.bytes_held()
    }

    /// Returns the next command, or `None` if it is not complete yet.
    pub(super) fn next(&mut self) -> Result<Option<Command>, NatsClientFault> {
        loop {
            if let Some(head) = &self.head {
                const WRONG: NatsClientFault = NatsClientFault::Line("a payload that is longer than its line says");
                if self.lines.block(head.total).map_err(|Unterminated| WRONG)?.is_none() {
                    return Ok(None);
                }
                return Ok(self.head.take().map(|head| self.message(head)));
            }
            let length = self.lines.line_length();
            let length = length.map_err(|TooLong| NatsClientFault::LineTooLong { max: self.max_line })?;
            let Some(length) = length else { return Ok(None) };
            let (verb, rest) = split_word(self.lines.first(length));
            let command = match verb.to_ascii_uppercase().as_slice() {
                b"PUB" => {
                    self.head = Some(self.head_of(rest, false)?);
                    None
                }
                b"HPUB" => {
                    self.head = Some(self.head_of(rest, true)?);
                    None
                }
                b"SUB" => Some(subscribe(rest)?),
                b"UNSUB" => Some(unsubscribe(rest)?),
                b"PING" => Some(Command::Ping),
                b"PONG" => Some(Command::Pong),
                b"CONNECT" => {
                    let options = serde_json::from_slice(rest);
                    Some(Command::Connect(options.map_err(|_| NatsClientFault::Line("a CONNECT that cannot be read"))?))
                }
                _ => return Err(NatsClientFault::Operation),
            };
            self.lines.consume(length);
            if command.is_some() {
                return Ok(command);
            }
        }
    }

    /// Reads `subject [reply] [headers] total`.
    fn head_of(&self, line: &[u8], with_headers: bool) -> Result<Head, NatsClientFault> {
        const WRONG: NatsClientFault = NatsClientFault::Line("a message whose line cannot be read");
        let words = words(line, 5);
        let lengths = if with_headers { 2 } else { 1 };
        let reply = match words.len().checked_sub(lengths + 1) {
            Some(0) => None,
            Some(1) => Some(words[1]),
            _ => return Err(WRONG),
        };
        let size = |word: &[u8]| number(word).and_then(|size| usize::try_from(size).ok()).ok_or(WRONG);
        let total = size(words[words.len() - 1])?;
        let headers = if with_headers { size(words[words.len() - 2])? } else { 0 };
        if headers > total || with_headers && headers == 0 {
            return Err(WRONG);
        }
        if total > self.max_payload {
            return Err(NatsClientFault::PayloadTooLarge { bytes: total, max: self.max_payload });
        }
        if headers > self.max_line {
            return Err(NatsClientFault::LineTooLong { max: self.max_line });
        }
        let subject = |word: &[u8]| checked(word, |text| check_subject(text).is_ok());
        let subject_of = NatsClientFault::Line("a message on a subject that is not valid");
        Ok(Head {
            subject: subject(words[0]).ok_or(subject_of)?,
            reply: reply.map(|reply| subject(reply).ok_or(subject_of)).transpose()?,
            headers,
            total,
        })
    }

    /// Takes the message whose line was read, and whose payload is complete.
    fn message(&mut self, head: Head) -> Command {
        let Head { subject, reply, headers, total } = head;
        let bytes = Bytes::copy_from_slice(self.lines.first(total));
        self.lines.consume(total);
        Command::Publish { subject, reply, headers: bytes.slice(..headers), payload: bytes.slice(headers..) }
    }
}

/// Reads `subject [group] sid`.
fn subscribe(line: &[u8]) -> Result<Command, NatsClientFault> {
    const WRONG: NatsClientFault = NatsClientFault::Line("a SUB that cannot be read");
    let words = words(line, 4);
    let (subject, group, sid) = match words[..] {
        [subject, sid] => (subject, None, sid),
        [subject, group, sid] => (subject, Some(group), sid),
        _ => return Err(WRONG),
    };
    let group = group.map(|group| checked(group, |text| check_group(text).is_ok()).ok_or(WRONG)).transpose()?;
    let subject = checked(subject, |text| check_filter(text).is_ok());
    Ok(Command::Subscribe { sid: name(sid)?, subject: subject.ok_or(WRONG)?, group })
}

/// Reads `sid [max]`.
fn unsubscribe(line: &[u8]) -> Result<Command, NatsClientFault> {
    const WRONG: NatsClientFault = NatsClientFault::Line("an UNSUB that cannot be read");
    let (sid, max) = match words(line, 3)[..] {
        [sid] => (sid, None),
        [sid, max] => (sid, Some(number(max).ok_or(WRONG)?)),
        _ => return Err(WRONG),
    };
    // 0 stands for no maximum.
    Ok(Command::Unsubscribe { sid: name(sid)?, max: max.filter(|max| *max > 0) })
}

/// Reads the name of a subscription, which is at most 64 letters and digits.
fn name(word: &[u8]) -> Result<String, NatsClientFault> {
    const MAX_BYTES: usize = 64;
    let is_name = |text: &str| text.len() <= MAX_BYTES && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    checked(word, is_name).ok_or(NatsClientFault::Line("a name of a subscription that is not letters and digits"))
}

fn checked(word: &[u8], is_valid: impl Fn(&str) -> bool) -> Option<String> {
    std::str::from_utf8(word).ok().filter(|text| is_valid(text)).map(str::to_owned)
}
