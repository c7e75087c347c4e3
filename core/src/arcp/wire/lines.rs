//! Newline framing: one JSON object a line, the form ARCP has on stdio (core/docs/arcp.md §4).
//!
//! [`Lines`] splits the bytes that were read into lines, and [`append_line`] writes a frame as a line.
//!
//! ```
//! use nuncio_core::arcp::wire::lines::{Lines, append_line};
//!
//! let mut wire = Vec::new();
//! append_line(b"{\n  \"type\": \"session.ping\"\n}", &mut wire);
//!
//! let mut lines = Lines::new(1 << 20);
//! for byte in wire {
//!     lines.push(&[byte]);
//! }
//! assert_eq!(lines.next_line(), Some(Ok(&b"{   \"type\": \"session.ping\" }"[..])));
//! assert_eq!(lines.next_line(), None);
//! ```

use alloc::vec::Vec;
use core::ops::Range;

/// Splits a stream of bytes, read in pieces of any size, into lines.
///
/// A line ends with `\n` or `\r\n`. Empty lines are skipped, and after [`Lines::finish`] the rest of the stream is a
/// line. The bytes of a line are returned as they were read, without a check that they are UTF-8.
///
/// A line above the limit is reported once and ends the stream: later input is dropped, because there is no telling
/// where the next frame begins (ours).
///
/// A caller that takes all lines after each [`push`](Lines::push) leaves at most the limit, one `\r` and the last piece
/// in the buffer ([`Lines::buffered`]).
#[derive(Clone)]
pub struct Lines {
    max_line: usize,
    buffer: Vec<u8>,
    /// The start of the first line that was not returned yet.
    start: usize,
    /// The end of the bytes that are known to contain no newline.
    scanned: usize,
    input: Input,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Input {
    Going,
    Finished,
    Overrun,
}

/// A line has more bytes than the limit that was given to [`Lines::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line is longer than {max_line} bytes")]
pub struct LineTooLong {
    /// The limit in bytes, not counting the end of the line.
    pub max_line: usize,
}

impl Lines {
    /// Creates a splitter for lines of at most `max_line` bytes, not counting their end.
    pub const fn new(max_line: usize) -> Self {
        Self { max_line, buffer: Vec::new(), start: 0, scanned: 0, input: Input::Going }
    }

    /// Changes the limit of the lines that were not returned yet.
    pub fn set_max_line(&mut self, max_line: usize) {
        self.max_line = max_line;
    }

    /// Takes the bytes that were read next. They are dropped after [`finish`](Lines::finish), and after a line that was
    /// too long.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.input == Input::Going {
            self.compact();
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Reports the end of the stream: the bytes that are left are its last line.
    pub fn finish(&mut self) {
        if self.input == Input::Going {
            self.input = Input::Finished;
        }
    }

    /// Returns the next line without its end, or `None` until more bytes are pushed.
    ///
    /// # Errors
    ///
    /// [`LineTooLong`], once; after it the result is always `None`.
    pub fn next_line(&mut self) -> Option<Result<&[u8], LineTooLong>> {
        match self.next_span()? {
            Ok(span) => self.buffer.get(span).map(Ok),
            Err(error) => Some(Err(error)),
        }
    }

    /// Returns the number of bytes that are not part of a returned line.
    pub fn buffered(&self) -> usize {
        self.buffer.len().saturating_sub(self.start)
    }

    fn next_span(&mut self) -> Option<Result<Range<usize>, LineTooLong>> {
        loop {
            let start = self.start;
            let newline = find_newline(self.buffer.get(self.scanned..)?);
            let (end, next) = if let Some(at) = newline {
                let end = self.scanned.saturating_add(at);
                (end, end.saturating_add(1))
            } else {
                self.scanned = self.buffer.len();
                let rest = self.buffer.get(start..)?;
                // A final `\r` may turn out to belong to the end of the line.
                let line_end = usize::from(rest.ends_with(b"\r"));
                if rest.len() > self.max_line.saturating_add(line_end) {
                    return Some(Err(self.overrun()));
                }
                if rest.is_empty() || self.input != Input::Finished {
                    return None;
                }
                (self.scanned, self.scanned)
            };
            let line = self.buffer.get(start..end)?;
            let length = line.strip_suffix(b"\r").unwrap_or(line).len();
            if length > self.max_line {
                return Some(Err(self.overrun()));
            }
            self.start = next;
            self.scanned = next;
            if length > 0 {
                return Some(Ok(start..start.saturating_add(length)));
            }
        }
    }

    fn overrun(&mut self) -> LineTooLong {
        self.input = Input::Overrun;
        self.buffer = Vec::new();
        self.start = 0;
        self.scanned = 0;
        LineTooLong { max_line: self.max_line }
    }

    /// Frees the space of the lines that were returned. At most one byte is moved for each byte that was returned.
    fn compact(&mut self) {
        const KEPT_CAPACITY: usize = 64 * 1024;

        let length = self.buffer.len();
        if self.start >= length {
            self.buffer.clear();
            self.buffer.shrink_to(KEPT_CAPACITY);
        } else if self.start > length / 2 {
            self.buffer.drain(..self.start);
        } else {
            return;
        }
        self.scanned = self.scanned.saturating_sub(self.start);
        self.start = 0;
    }
}

/// Appends `frame` and a newline to `out`.
///
/// Raw CR and LF bytes inside the frame are written as spaces. In JSON they can only be white space between tokens, and
/// the line breaks of a pretty-printed payload would break the framing. U+0085, U+2028 and U+2029, which can only be in
/// strings, are escaped: some readers of lines, Node's among them, take them for the end of a line (ours).
pub fn append_line(frame: &[u8], out: &mut Vec<u8>) {
    out.reserve(frame.len().saturating_add(1));
    let mut rest = frame;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r' | 0xC2 | 0xE2)) {
        let (plain, found) = rest.split_at(at);
        out.extend_from_slice(plain);
        let (written, read): (&[u8], usize) = match found {
            [b'\n' | b'\r', ..] => (b" ", 1),
            [0xC2, 0x85, ..] => (b"\\u0085", 2),
            [0xE2, 0x80, 0xA8, ..] => (b"\\u2028", 3),
            [0xE2, 0x80, 0xA9, ..] => (b"\\u2029", 3),
            _ => (found.get(..1).unwrap_or_default(), 1),
        };
        out.extend_from_slice(written);
        rest = found.get(read..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out.push(b'\n');
}

fn find_newline(bytes: &[u8]) -> Option<usize> {
    // `contains` searches a word at a time, `position` a byte at a time.
    const BLOCK: usize = 64;
    let without = bytes.chunks_exact(BLOCK).take_while(|block| !block.contains(&b'\n')).count().saturating_mul(BLOCK);
    let at = bytes.get(without..)?.iter().position(|&byte| byte == b'\n')?;
    Some(without.saturating_add(at))
}
