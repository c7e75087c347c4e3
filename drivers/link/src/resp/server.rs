//! The server side: one connection from a client.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::config::RespConfig;
use super::decoder::{Decoder, number};
use super::reply::{RespFault, RespReply};
use crate::buffer::Buffer;

/// The limits of a [`RespServerLink`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RespServerConfig {
    /// The longest line, in bytes. Default: 64 KiB.
    pub max_line: usize,
    /// How many words a command may have. Default: 64.
    pub max_words: usize,
    /// How many bytes the words of a command may have together. Default: 64 MiB.
    pub max_command: usize,
}

impl Default for RespServerConfig {
    fn default() -> RespServerConfig {
        RespServerConfig { max_line: 64 << 10, max_words: 64, max_command: 64 << 20 }
    }
}

/// One connection from a Redis client, without IO. See the [module](super).
///
/// ```
/// use nuncio_link::resp::{RespCommand, RespReply, RespServerConfig, RespServerLink};
///
/// let mut link = RespServerLink::new(RespServerConfig::default());
/// link.receive(b"*2\r\n$3\r\nGET\r\n$5\r\nres:1\r\n");
/// assert_eq!(link.poll_command()?, Some(RespCommand::Get("res:1".to_owned())));
/// link.reply(&RespReply::Bulk("42".into()));
/// let mut bytes = Vec::new();
/// link.take_output(&mut bytes);
/// assert_eq!(bytes, b"$2\r\n42\r\n");
/// # Ok::<(), nuncio_link::resp::RespClientFault>(())
/// ```
pub struct RespServerLink {
    config: RespServerConfig,
    decoder: Decoder,
    output: Buffer,
    fault: Option<RespClientFault>,
    /// The version of the protocol in which replies are written.
    version: u8,
}

/// A command of a client. Every command gets one [reply](RespServerLink::reply), in their order.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RespCommand {
    /// `HELLO`: use this version of the protocol, 2 or 3, or tell the present one. It is answered with
    /// [`greet`](RespServerLink::greet).
    Hello(Option<u8>),
    /// `PING`, with the text that is to be repeated.
    Ping(Option<Bytes>),
    /// `SELECT`: use the database with this number.
    Select(u32),
    /// `CLIENT`: the client says something about itself.
    Client,
    /// `GET`: the value of a key.
    Get(String),
    /// `GETRANGE`: a part of the value of a key, from byte to byte. Negative numbers count from its end.
    Range {
        /// The key.
        key: String,
        /// The first byte.
        from: i64,
        /// The last byte.
        to: i64,
    },
    /// `STRLEN`: the size of the value of a key.
    Length(String),
    /// `EXISTS`: how many of these keys there are.
    Exists(Vec<String>),
    /// `SET`: store a value, for some time or for ever.
    Set {
        /// The key.
        key: String,
        /// The value.
        value: Bytes,
        /// How long the value is kept.
        ttl: Option<Duration>,
    },
    /// `DEL`: remove values.
    Delete(Vec<String>),
    /// `QUIT`: close the connection.
    Quit,
    /// A command that is not one of these, or not in this form. The text says so in the words of the protocol.
    Unknown(String),
}

impl fmt::Debug for RespCommand {
    /// Shows no values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RespCommand::Hello(version) => write!(f, "Hello({version:?})"),
            RespCommand::Ping(_) => f.write_str("Ping"),
            RespCommand::Select(number) => write!(f, "Select({number})"),
            RespCommand::Client => f.write_str("Client"),
            RespCommand::Get(key) => write!(f, "Get({key:?})"),
            RespCommand::Range { key, from, to } => write!(f, "Range({key:?}, {from}, {to})"),
            RespCommand::Length(key) => write!(f, "Length({key:?})"),
            RespCommand::Exists(keys) => write!(f, "Exists({keys:?})"),
            RespCommand::Set { key, value, ttl } => write!(f, "Set({key:?}, {} bytes, {ttl:?})", value.len()),
            RespCommand::Delete(keys) => write!(f, "Delete({keys:?})"),
            RespCommand::Quit => f.write_str("Quit"),
            RespCommand::Unknown(text) => write!(f, "Unknown({text:?})"),
        }
    }
}

/// How a client broke the protocol, or a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RespClientFault {
    /// The bytes are no command.
    #[error("the client sent something that is no command of RESP2")]
    NoCommand,
    /// A line, or the number of words, is beyond its limit.
    #[error("the client sent a command with a line that is too long, or with too many words")]
    Limit,
    /// The words of a command are too long.
    #[error("the client sent a command of more than {max} bytes")]
    TooLarge {
        /// The limit.
        max: usize,
    },
}

impl RespServerLink {
    /// Returns a link for a connection that was just accepted.
    pub fn new(config: RespServerConfig) -> RespServerLink {
        RespServerLink { config, decoder: Decoder::new(), output: Buffer::default(), fault: None, version: 2 }
    }

    /// Takes bytes that the client has sent.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.fault.is_none() {
            self.decoder.push(bytes);
        }
    }

    /// Returns the next command, or `None` if it is not complete yet. Of a fault the client is told; it is returned again by
    /// every later call.
    pub fn poll_command(&mut self) -> Result<Option<RespCommand>, RespClientFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let RespServerConfig { max_line, max_words, max_command } = self.config;
        let config = RespConfig { max_line, max_elements: max_words, max_depth: 1, max_requests: 0 };
        let read = match self.decoder.next(&config, max_command) {
            Ok(None) => return Ok(None),
            Ok(Some(RespReply::Array(words))) => words_of(words).ok_or(RespClientFault::TooLarge { max: max_command }),
            Err(RespFault::LineTooLong { .. } | RespFault::Array) => Err(RespClientFault::Limit),
            Err(RespFault::ValueTooLong { .. }) => Err(RespClientFault::TooLarge { max: max_command }),
            Ok(Some(_)) | Err(_) => Err(RespClientFault::NoCommand),
        };
        let command = read.and_then(|words| command(words).ok_or(RespClientFault::NoCommand));
        command.map(Some).inspect_err(|fault| {
            self.fault = Some(*fault);
            self.reply(&RespReply::Error(format!("ERR Protocol error: {fault}")));
        })
    }

    /// Queues the reply to the oldest command that has none. A [`TooLarge`](RespReply::TooLarge) is an error.
    pub fn reply(&mut self, reply: &RespReply) {
        encode(reply, self.version, self.output.tail());
    }

    /// Queues the reply to [`RespCommand::Hello`]: the version, which this and all later replies have, and these properties of
    /// the server.
    pub fn greet(&mut self, version: Option<u8>, properties: &[(&str, RespReply)]) {
        self.version = version.unwrap_or(self.version);
        let pairs = properties.len() + 1;
        // A map is a type of its own in RESP3, and an array of keys and values in RESP2.
        let head = if self.version == 3 { format!("%{pairs}\r\n") } else { format!("*{}\r\n", 2 * pairs) };
        self.output.tail().extend_from_slice(head.as_bytes());
        let version = ("proto", RespReply::Integer(self.version.into()));
        for (name, value) in std::iter::once(&version).chain(properties) {
            self.reply(&RespReply::Bulk(Bytes::copy_from_slice(name.as_bytes())));
            self.reply(value);
        }
    }

    /// Moves the bytes that wait to be written to the end of `into`.
    pub fn take_output(&mut self, into: &mut Vec<u8>) {
        self.output.take(into);
    }

    /// Returns how many bytes wait to be written.
    pub fn output_len(&self) -> usize {
        self.output.len()
    }

    /// Returns the memory that the link holds, in bytes, without that of its constant size.
    pub fn bytes_held(&self) -> usize {
        self.decoder.bytes_held() + self.output.capacity()
    }
}

impl fmt::Debug for RespServerLink {
    /// Shows no keys and no values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RespServerLink").field("output", &self.output_len()).finish_non_exhaustive()
    }
}

/// Returns the words of a command, or `None` if one was too large to be kept. An element that is no text is a word that no
/// command has.
fn words_of(elements: Vec<RespReply>) -> Option<VecDeque<Bytes>> {
    let word = |element| match element {
        RespReply::Bulk(word) => Some(word),
        RespReply::TooLarge { .. } => None,
        _ => Some(Bytes::new()),
    };
    elements.into_iter().map(word).collect()
}

/// Reads a command. Returns `None` if it has no word.
fn command(mut words: VecDeque<Bytes>) -> Option<RespCommand> {
    let verb = words.pop_front()?.to_ascii_uppercase();
    let verb = String::from_utf8_lossy(&verb).into_owned();
    let wrong = || RespCommand::Unknown(format!("ERR {verb:?} is not supported, or not with these arguments"));
    let words: Vec<Bytes> = words.into();
    Some(match (verb.as_str(), &words[..]) {
        ("HELLO", []) => RespCommand::Hello(None),
        ("HELLO", [version]) => match &version[..] {
            b"2" => RespCommand::Hello(Some(2)),
            b"3" => RespCommand::Hello(Some(3)),
            _ => RespCommand::Unknown("NOPROTO only the versions 2 and 3 of the protocol are spoken".to_owned()),
        },
        ("PING", []) => RespCommand::Ping(None),
        ("PING", [text]) => RespCommand::Ping(Some(text.clone())),
        ("QUIT", []) => RespCommand::Quit,
        ("CLIENT", [_, ..]) => RespCommand::Client,
        ("SELECT", [number]) => text(number).and_then(|text| text.parse().ok()).map_or_else(wrong, RespCommand::Select),
        ("GET", [key]) => text(key).map_or_else(wrong, RespCommand::Get),
        ("GETRANGE", [key, from, to]) => match (text(key), number(from), number(to)) {
            (Some(key), Some(from), Some(to)) => RespCommand::Range { key, from, to },
            _ => wrong(),
        },
        ("STRLEN", [key]) => text(key).map_or_else(wrong, RespCommand::Length),
        ("EXISTS", [_, ..]) => texts(&words).map_or_else(wrong, RespCommand::Exists),
        ("DEL", [_, ..]) => texts(&words).map_or_else(wrong, RespCommand::Delete),
        ("SET", [key, value, options @ ..]) => match (text(key), time(options)) {
            (Some(key), Ok(ttl)) => RespCommand::Set { key, value: value.clone(), ttl },
            _ => wrong(),
        },
        _ => wrong(),
    })
}

/// The options of a command are not understood.
struct Wrong;

/// Reads `EX seconds`, `PX milliseconds`, or nothing.
fn time(options: &[Bytes]) -> Result<Option<Duration>, Wrong> {
    let [unit, amount] = options else { return if options.is_empty() { Ok(None) } else { Err(Wrong) } };
    let amount = text(amount).and_then(|text| text.parse().ok()).filter(|amount| *amount > 0).ok_or(Wrong)?;
    match &*unit.to_ascii_uppercase() {
        b"EX" => Ok(Some(Duration::from_secs(amount))),
        b"PX" => Ok(Some(Duration::from_millis(amount))),
        _ => Err(Wrong),
    }
}

fn text(word: &Bytes) -> Option<String> {
    String::from_utf8(word.to_vec()).ok()
}

fn texts(words: &[Bytes]) -> Option<Vec<String>> {
    words.iter().map(text).collect()
}

fn encode(reply: &RespReply, version: u8, into: &mut Vec<u8>) {
    let mut line = |kind: u8, text: &str| {
        into.push(kind);
        into.extend(text.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
        into.extend_from_slice(b"\r\n");
    };
    match reply {
        RespReply::Simple(text) => line(b'+', text),
        RespReply::Error(text) => line(b'-', text),
        RespReply::Integer(number) => line(b':', &number.to_string()),
        RespReply::Null if version == 3 => line(b'_', ""),
        RespReply::Null => line(b'$', "-1"),
        RespReply::TooLarge { bytes } => line(b'-', &format!("ERR the value has {bytes} bytes, which is too much")),
        RespReply::Bulk(value) => {
            line(b'$', &value.len().to_string());
            into.extend_from_slice(value);
            into.extend_from_slice(b"\r\n");
        }
        RespReply::Array(elements) => {
            line(b'*', &elements.len().to_string());
            for element in elements {
                encode(element, version, into);
            }
        }
    }
}
