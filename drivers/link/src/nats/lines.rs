//! The input of either side: lines, and blocks of bytes whose length a line has said.

use crate::buffer::Buffer;

/// Bytes that have come and are not processed yet.
pub(super) struct Lines {
    buffer: Buffer,
    /// How many bytes at the start are known to hold no end of a line.
    scanned: usize,
    max_line: usize,
}

/// A line is longer than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// A block does not end where its length says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unterminated;

const CRLF: usize = 2;

impl Lines {
    pub(super) fn new(max_line: usize) -> Lines {
        Lines { buffer: Buffer::default(), scanned: 0, max_line }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.tail().extend_from_slice(bytes);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        self.scanned = 0;
    }

    pub(super) fn bytes_held(&self) -> usize {
        self.buffer.capacity()
    }

    /// Returns the length of the line at the start, without its end, or `None` if it is not complete.
    pub(super) fn line_length(&mut self) -> Result<Option<usize>, TooLong> {
        let bytes = self.buffer.as_slice();
        let within = &bytes[..bytes.len().min(self.max_line.saturating_add(CRLF))];
        // The last byte that was scanned may be the first of a line's end.
        let from = self.scanned.saturating_sub(1);
        if let Some(at) = within[from..].windows(CRLF).position(|end| end == b"\r\n") {
            return Ok(Some(from + at));
        }
        self.scanned = within.len();
        if bytes.len() >= self.max_line.saturating_add(CRLF) { Err(TooLong) } else { Ok(None) }
    }

    /// Returns the first bytes, of which there have to be as many.
    pub(super) fn first(&self, length: usize) -> &[u8] {
        &self.buffer.as_slice()[..length]
    }

    /// Returns the block of this length at the start, without the end of the line behind it, or `None` if it is not
    /// complete.
    pub(super) fn block(&self, length: usize) -> Result<Option<&[u8]>, Unterminated> {
        let bytes = self.buffer.as_slice();
        if bytes.len() < length.saturating_add(CRLF) {
            return Ok(None);
        }
        if &bytes[length..length + CRLF] == b"\r\n" { Ok(Some(&bytes[..length])) } else { Err(Unterminated) }
    }

    /// Drops the line or block of this length at the start, with its end.
    pub(super) fn consume(&mut self, length: usize) {
        self.buffer.consume(length + CRLF);
        self.scanned = 0;
    }
}

/// Splits at the first spaces or tabs.
pub(super) fn split_word(line: &[u8]) -> (&[u8], &[u8]) {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let end = line.iter().position(is_space).unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    let next = rest.iter().position(|byte| !is_space(byte)).unwrap_or(rest.len());
    (word, &rest[next..])
}

/// Splits a line into its words; of more than `max` words, the last one that is returned is followed by others.
pub(super) fn words(line: &[u8], max: usize) -> Vec<&[u8]> {
    let (mut words, mut rest) = (Vec::with_capacity(max), line);
    while !rest.is_empty() && words.len() < max {
        let (word, after) = split_word(rest);
        words.push(word);
        rest = after;
    }
    words
}

/// Reads a number of nothing but digits.
pub(super) fn number(word: &[u8]) -> Option<u64> {
    let digits = !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(word).ok().filter(|_| digits)?.parse().ok()
}
