//! Cuts the bytes of a server into lines and messages.

use bytes::Bytes;

use super::event::{NatsFault, NatsMessage};
use super::lines::{Lines, TooLong, Unterminated, number, split_word, words};

/// What a server has sent.
#[derive(Debug)]
pub(super) enum Frame {
    /// The JSON of INFO.
    Info(Vec<u8>),
    Message(NatsMessage),
    /// A message whose subjects are not UTF-8, by its subscription and the length of its payload.
    Unreadable(u64, usize),
    Ping,
    Pong,
    /// `+OK`, which servers send to verbose clients only.
    Ok,
    /// The text of an error, without its quotes.
    Error(String),
}

/// The input of a link.
pub(super) struct Framer {
    lines: Lines,
    /// The message whose line was read and whose payload has not come yet.
    head: Option<Head>,
    max_line: usize,
    max_payload: usize,
}

/// The line before a payload.
struct Head {
    sid: u64,
    /// `None` if one of them is not UTF-8.
    subjects: Option<(String, Option<String>)>,
    headers: usize,
    /// The length of headers and payload.
    total: usize,
}

impl Framer {
    pub(super) fn new(max_line: usize, max_payload: usize) -> Framer {
        Framer { lines: Lines::new(max_line), head: None, max_line, max_payload }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.head = None;
    }

    pub(super) fn bytes_held(&self) -> usize {
        self.lines.bytes_held()
    }

    /// Returns the next frame, or `None` if it is not complete yet.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, NatsFault> {
        loop {
            if let Some(head) = &self.head {
                const WRONG: NatsFault = NatsFault::Line("a payload that is longer than its line says");
                if self.lines.block(head.total).map_err(|Unterminated| WRONG)?.is_none() {
                    return Ok(None);
                }
                return Ok(self.head.take().map(|head| self.message(head)));
            }
            let length = self.lines.line_length().map_err(|TooLong| NatsFault::LineTooLong { max: self.max_line })?;
            let Some(length) = length else { return Ok(None) };
            let line = self.lines.first(length);
            let (verb, rest) = split_word(line);
            let frame = match verb {
                b"MSG" => {
                    self.head = Some(self.head_of(rest, false)?);
                    None
                }
                b"HMSG" => {
                    self.head = Some(self.head_of(rest, true)?);
                    None
                }
                b"INFO" => Some(Frame::Info(rest.to_vec())),
                b"PING" => Some(Frame::Ping),
                b"PONG" => Some(Frame::Pong),
                b"+OK" => Some(Frame::Ok),
                b"-ERR" => Some(Frame::Error(error_text(rest))),
                _ => return Err(NatsFault::Line("a line of another protocol")),
            };
            self.lines.consume(length);
            if let Some(frame) = frame {
                return Ok(Some(frame));
            }
        }
    }

    /// Reads `subject sid [reply] [headers] total`.
    fn head_of(&self, line: &[u8], with_headers: bool) -> Result<Head, NatsFault> {
        const WRONG: NatsFault = NatsFault::Line("a message whose line cannot be read");
        let words = words(line, 6);
        let lengths = if with_headers { 2 } else { 1 };
        let reply = match words.len().checked_sub(lengths + 2) {
            Some(0) => None,
            Some(1) => Some(words[2]),
            _ => return Err(WRONG),
        };
        let size = |word: &[u8]| number(word).and_then(|size| usize::try_from(size).ok()).ok_or(WRONG);
        let sid = number(words[1]).ok_or(WRONG)?;
        let total = size(words[words.len() - 1])?;
        let headers = if with_headers { size(words[words.len() - 2])? } else { 0 };
        let payload = total.checked_sub(headers).ok_or(WRONG)?;
        if payload > self.max_payload {
            return Err(NatsFault::PayloadTooLarge { bytes: payload, max: self.max_payload });
        }
        if headers > self.max_line {
            return Err(NatsFault::LineTooLong { max: self.max_line });
        }
        let text = |word: &[u8]| String::from_utf8(word.to_vec()).ok();
        let subjects = match (text(words[0]), reply.map(text)) {
            (Some(subject), None) => Some((subject, None)),
            (Some(subject), Some(Some(reply))) => Some((subject, Some(reply))),
            _ => None,
        };
        Ok(Head { sid, subjects, headers, total })
    }

    /// Takes the message whose line was read, and whose payload is complete.
    fn message(&mut self, head: Head) -> Frame {
        let Head { sid, subjects, headers, total } = head;
        let bytes = self.lines.first(total);
        let frame = match subjects {
            None => Frame::Unreadable(sid, total - headers),
            Some((subject, reply)) => {
                let payload = Bytes::copy_from_slice(&bytes[headers..]);
                Frame::Message(NatsMessage { sid, subject, reply, status: status(&bytes[..headers]), payload })
            }
        };
        self.lines.consume(total);
        frame
    }
}

fn error_text(rest: &[u8]) -> String {
    let text = String::from_utf8_lossy(rest);
    let text = text.trim();
    text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).unwrap_or(text).to_owned()
}

/// Returns the status in the first line of headers, such as the 503 of `NATS/1.0 503 No Responders`. The headers come from
/// the sender of the message, who may have written anything.
fn status(headers: &[u8]) -> Option<u16> {
    let rest = headers.strip_prefix(b"NATS/1.0")?;
    let (nothing, rest) = split_word(rest);
    let code = rest.get(..3).filter(|code| nothing.is_empty() && code.iter().all(u8::is_ascii_digit))?;
    let ends = rest.get(3).is_none_or(|next| matches!(next, b' ' | b'\t' | b'\r'));
    std::str::from_utf8(code).ok().filter(|_| ends)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_a_number_after_the_version() {
        assert_eq!(status(b"NATS/1.0 503\r\n\r\n"), Some(503));
        assert_eq!(status(b"NATS/1.0 404 No Messages\r\n\r\n"), Some(404));
        for none in [
            &b""[..],
            b"NATS/1.0\r\n\r\n",
            b"NATS/1.0503\r\n",
            b"NATS/1.0 5030\r\n",
            b"NATS/1.0 50",
            b"HTTP/1.1 503\r\n",
        ] {
            assert_eq!(status(none), None, "{none:?}");
        }
    }
}
