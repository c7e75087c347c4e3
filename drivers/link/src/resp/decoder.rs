//! Reads replies, byte by byte if need be.

use bytes::Bytes;

use super::config::RespConfig;
use super::reply::{RespFault, RespReply};
use crate::buffer::Buffer;
use crate::tls::is_alert;

/// The input of a link.
pub(super) struct Decoder {
    buffer: Buffer,
    /// How many bytes at the start are known to hold no end of a line.
    scanned: usize,
    /// The value whose length was read and whose bytes have not come yet.
    value: Option<Value>,
    /// The arrays around the next element, from the outermost.
    arrays: Vec<Array>,
    /// How many elements all arrays of the reply have.
    elements: usize,
    /// How many bytes the values of the reply have that were kept.
    kept: usize,
}

enum Value {
    Kept(usize),
    Skipped { left: usize, bytes: usize },
}

struct Array {
    left: usize,
    elements: Vec<RespReply>,
}

/// The longest value that Redis stores, in bytes.
const MAX_VALUE: usize = 512 << 20;
const CRLF: usize = 2;

impl Decoder {
    pub(super) fn new() -> Decoder {
        Decoder { buffer: Buffer::default(), scanned: 0, value: None, arrays: Vec::new(), elements: 0, kept: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.tail().extend_from_slice(bytes);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    pub(super) fn bytes_held(&self) -> usize {
        let elements: usize = self.arrays.iter().map(|array| array.elements.capacity()).sum();
        self.buffer.capacity() + self.kept + elements * size_of::<RespReply>()
    }

    /// Returns the next reply, of which values of `max` bytes in all are kept, or `None` if it is not complete yet.
    pub(super) fn next(&mut self, config: &RespConfig, max: usize) -> Result<Option<RespReply>, RespFault> {
        loop {
            let element = match self.value.take() {
                Some(value) => match self.value(value)? {
                    None => return Ok(None),
                    element => element,
                },
                None => match self.line(config.max_line)? {
                    None => return Ok(None),
                    Some((kind, line)) => self.start(config, max, kind, &line)?,
                },
            };
            if let Some(reply) = element.and_then(|element| self.complete(element)) {
                (self.elements, self.kept) = (0, 0);
                return Ok(Some(reply));
            }
        }
    }

    /// Takes the line at the start: its type, and the rest of it.
    fn line(&mut self, max: usize) -> Result<Option<(u8, Vec<u8>)>, RespFault> {
        let bytes = self.buffer.as_slice();
        if is_alert(bytes) == Some(true) {
            return Err(RespFault::Tls);
        }
        let within = &bytes[..bytes.len().min(max.saturating_add(CRLF))];
        // The last byte that was scanned may be the first of a line's end.
        let from = self.scanned.saturating_sub(1);
        let Some(at) = within[from..].windows(CRLF).position(|end| end == b"\r\n") else {
            self.scanned = within.len();
            return if bytes.len() >= max.saturating_add(CRLF) {
                Err(RespFault::LineTooLong { max })
            } else {
                Ok(None)
            };
        };
        let (kind, line) = match within[..from + at].split_first() {
            Some((kind, line)) => (*kind, line.to_vec()),
            None => return Err(RespFault::Type(b'\r')),
        };
        self.buffer.consume(from + at + CRLF);
        self.scanned = 0;
        Ok(Some((kind, line)))
    }

    /// Begins an element with its line. Returns it if it ends there.
    fn start(
        &mut self,
        config: &RespConfig,
        max: usize,
        kind: u8,
        line: &[u8],
    ) -> Result<Option<RespReply>, RespFault> {
        let text = || String::from_utf8_lossy(line).into_owned();
        if !self.arrays.is_empty() && matches!(kind, b'+' | b'-') {
            self.kept += line.len();
            if self.kept > max.saturating_add(config.max_line) {
                return Err(RespFault::Array);
            }
        }
        match kind {
            b'+' => Ok(Some(RespReply::Simple(text()))),
            b'-' => Ok(Some(RespReply::Error(text()))),
            b':' => Ok(Some(RespReply::Integer(number(line).ok_or(RespFault::Number("number"))?))),
            b'$' => {
                let Some(length) = length(line)? else { return Ok(Some(RespReply::Null)) };
                if length > MAX_VALUE {
                    return Err(RespFault::ValueTooLong { bytes: length, max: MAX_VALUE });
                }
                self.value = Some(if length <= max.saturating_sub(self.kept) {
                    self.kept += length;
                    Value::Kept(length)
                } else {
                    Value::Skipped { left: length, bytes: length }
                });
                Ok(None)
            }
            b'*' => {
                let Some(length) = length(line)? else { return Ok(Some(RespReply::Null)) };
                self.elements = self.elements.saturating_add(length);
                if self.elements > config.max_elements || self.arrays.len() >= config.max_depth {
                    return Err(RespFault::Array);
                }
                if length == 0 {
                    return Ok(Some(RespReply::Array(Vec::new())));
                }
                self.arrays.push(Array { left: length, elements: Vec::new() });
                Ok(None)
            }
            other => Err(RespFault::Type(other)),
        }
    }

    /// Continues a value. Returns it if it is complete.
    fn value(&mut self, value: Value) -> Result<Option<RespReply>, RespFault> {
        match value {
            Value::Kept(length) => {
                if self.buffer.len() < length + CRLF {
                    self.value = Some(value);
                    return Ok(None);
                }
                let kept = Bytes::copy_from_slice(&self.buffer.as_slice()[..length]);
                self.buffer.consume(length);
                self.end_of_value()?;
                Ok(Some(RespReply::Bulk(kept)))
            }
            Value::Skipped { left, bytes } => {
                let skipped = left.min(self.buffer.len());
                self.buffer.consume(skipped);
                if left > skipped || self.buffer.len() < CRLF {
                    self.value = Some(Value::Skipped { left: left - skipped, bytes });
                    return Ok(None);
                }
                self.end_of_value()?;
                Ok(Some(RespReply::TooLarge { bytes }))
            }
        }
    }

    fn end_of_value(&mut self) -> Result<(), RespFault> {
        if !self.buffer.as_slice().starts_with(b"\r\n") {
            return Err(RespFault::Value);
        }
        self.buffer.consume(CRLF);
        Ok(())
    }

    /// Adds an element to the array around it. Returns the outermost one once it is complete.
    fn complete(&mut self, mut element: RespReply) -> Option<RespReply> {
        while let Some(array) = self.arrays.last_mut() {
            array.elements.push(element);
            array.left -= 1;
            if array.left > 0 {
                return None;
            }
            element = RespReply::Array(std::mem::take(&mut array.elements));
            self.arrays.pop();
        }
        Some(element)
    }
}

/// Reads a number.
pub(super) fn number(line: &[u8]) -> Option<i64> {
    let digits = line.strip_prefix(b"-").or(line.strip_prefix(b"+")).unwrap_or(line);
    let are_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(line).ok().filter(|_| are_digits)?.parse().ok()
}

/// Reads a length; -1 stands for nothing.
fn length(line: &[u8]) -> Result<Option<usize>, RespFault> {
    match number(line) {
        Some(-1) => Ok(None),
        number => number.and_then(|number| usize::try_from(number).ok()).map(Some).ok_or(RespFault::Number("length")),
    }
}
