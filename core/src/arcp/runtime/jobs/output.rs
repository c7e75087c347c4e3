//! The output of a job: a streamed result, a gathered one, or the rest of a large inline one (§8.4).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine as _;
use bytes::Bytes;

use crate::arcp::wire::body::{Chunk, ChunkMeta};
use crate::arcp::wire::ids::ResultId;
use crate::json::push_json_str;

/// A streamed result.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    result_id: Box<str>,
    /// The number of the next chunk.
    next: u64,
    bytes: u64,
    /// Whether its last chunk was text. A stream changes from text to base64 once at most: some clients refuse a result of
    /// two encodings.
    text: bool,
    open: bool,
}

impl Stream {
    pub(crate) fn result_id(&self) -> &str {
        &self.result_id
    }

    /// The number of the next chunk.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next
    }

    /// Decoded bytes of its chunks.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn is_text(&self) -> bool {
        self.text
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Returns what is wrong with a raw chunk as the next one of this stream.
    fn rejects(&self, chunk: &ChunkMeta) -> Option<&'static str> {
        if !self.open {
            Some("a chunk follows the last one of its result")
        } else if *self.result_id != *chunk.result_id {
            Some("a job streams one result_id only")
        } else if self.next != chunk.seq {
            Some("the chunks of a result must be emitted in order")
        } else {
            None
        }
    }
}

/// The bytes that were written for a session without `result_chunk`. They are delivered as an inline result.
#[derive(Clone, Debug, Default)]
struct Gathered {
    data: Vec<u8>,
    binary: bool,
}

/// The rest of an inline result that is too large for a frame. It is sent as chunks while the log has space.
#[derive(Clone, Debug)]
struct Rest {
    result: Bytes,
    sent: usize,
    result_id: ResultId,
    /// Whether it goes on in a later turn.
    left: bool,
}

/// The output that a job's agent has written so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct JobOutput {
    stream: Option<Stream>,
    /// Whether the writer has said that it will write bytes.
    binary: bool,
    gathered: Option<Gathered>,
    rest: Option<Rest>,
}

impl JobOutput {
    pub(crate) fn stream(&self) -> Option<&Stream> {
        self.stream.as_ref()
    }

    /// Whether anything was written.
    pub(crate) fn is_streamed(&self) -> bool {
        self.stream.is_some() || self.gathered.is_some()
    }

    /// Returns what is wrong with a raw chunk.
    pub(crate) fn rejects(&self, chunk: &ChunkMeta) -> Option<&'static str> {
        match &self.stream {
            Some(stream) => stream.rejects(chunk),
            None if chunk.seq != 0 => Some("the first chunk_seq of a result must be 0"),
            None => None,
        }
    }

    /// Decoded bytes of the chunks so far.
    pub(crate) fn streamed_bytes(&self) -> u64 {
        self.stream.as_ref().map_or(0, |stream| stream.bytes)
    }

    /// Notes that the writer will write bytes.
    pub(crate) fn declare_binary(&mut self) {
        self.binary = true;
    }

    /// Returns a piece of the writer in the encoding of its stream. Bytes that are not UTF-8 change a stream of text to
    /// base64.
    pub(crate) fn encode<'a>(&self, chunk: Chunk<'a>) -> Chunk<'a> {
        let text = self.stream.as_ref().map(|stream| stream.text);
        match (chunk, text) {
            (Chunk::Text(text), Some(false)) => Chunk::Bytes(text.as_bytes()),
            (Chunk::Text(text), None) if self.binary => Chunk::Bytes(text.as_bytes()),
            (Chunk::Bytes(bytes), Some(true)) => core::str::from_utf8(bytes).map_or(chunk, Chunk::Text),
            (chunk, _) => chunk,
        }
    }

    /// Notes that a chunk was emitted, its length in decoded bytes, and whether it was text.
    pub(crate) fn push(&mut self, result_id: impl Into<Box<str>>, decoded: usize, text: bool, more: bool) {
        let stream = self.stream.get_or_insert_with(|| Stream {
            result_id: result_id.into(),
            next: 0,
            bytes: 0,
            text,
            open: true,
        });
        stream.text = text;
        stream.next += 1;
        stream.bytes += decoded as u64;
        stream.open = more;
    }

    /// Gathers a piece for an inline result; returns the bytes gathered so far.
    pub(crate) fn gather(&mut self, chunk: Chunk<'_>) -> usize {
        let gathered = self.gathered.get_or_insert_default();
        let bytes = match chunk {
            Chunk::Text(text) => text.as_bytes(),
            Chunk::Bytes(bytes) => {
                gathered.binary = true;
                bytes
            }
        };
        gathered.data.extend_from_slice(bytes);
        gathered.data.len()
    }

    /// Removes and returns the gathered bytes as a JSON string: as it is if all of it was text, otherwise in base64.
    /// Returns whether it is in base64, too.
    pub(crate) fn take_gathered(&mut self) -> Option<(String, bool)> {
        let gathered = self.gathered.take()?;
        let mut json = String::new();
        let text = core::str::from_utf8(&gathered.data).ok().filter(|_| !gathered.binary);
        match text {
            Some(text) => push_json_str(&mut json, text),
            None => push_json_str(&mut json, &base64::engine::general_purpose::STANDARD.encode(&gathered.data)),
        }
        Some((json, text.is_none()))
    }

    /// Keeps an inline result that is to be sent in chunks.
    pub(crate) fn send_in_chunks(&mut self, result: Bytes, result_id: ResultId) {
        self.rest = Some(Rest { result, sent: 0, result_id, left: false });
    }

    /// Whether the agent has returned and a part of its result is still to be sent.
    pub(crate) fn has_rest(&self) -> bool {
        self.rest.is_some()
    }

    /// The id of a result that is sent in chunks, the next `most` bytes of it, and whether they are the last ones. Characters
    /// are whole, so there may be up to three bytes less.
    pub(crate) fn rest(&self, most: usize) -> Option<(ResultId, Bytes, bool)> {
        let rest = self.rest.as_ref()?;
        let begin = rest.sent.min(rest.result.len());
        let mut end = rest.result.len().min(begin.saturating_add(most.max(4)));
        // A byte that continues a character begins with the bits 10.
        while end > begin && rest.result.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
            end -= 1;
        }
        Some((rest.result_id, rest.result.slice(begin..end), end == rest.result.len()))
    }

    /// Leaves the rest of a result to a later turn. Returns whether there is one, and it was not left to one before.
    pub(crate) fn leave_rest(&mut self) -> bool {
        self.rest.as_mut().is_some_and(|rest| !core::mem::replace(&mut rest.left, true))
    }

    /// Whether the rest of a result goes on in a later turn.
    pub(crate) fn is_rest_left(&self) -> bool {
        self.rest.as_ref().is_some_and(|rest| rest.left)
    }

    /// Goes on with the rest of a result. Returns whether there is one.
    pub(crate) fn go_on_with_rest(&mut self) -> bool {
        self.rest.as_mut().is_some_and(|rest| core::mem::take(&mut rest.left))
    }

    /// Notes that this number of bytes of the rest was sent.
    pub(crate) fn sent(&mut self, bytes: usize) {
        if let Some(rest) = self.rest.as_mut() {
            rest.sent += bytes;
            if rest.sent >= rest.result.len() {
                self.rest = None;
            }
        }
    }

    /// Drops everything but the summary of the stream, because the job has ended.
    pub(super) fn end(&mut self) {
        self.gathered = None;
        self.rest = None;
    }

    pub(super) fn held(&self) -> usize {
        self.gathered.as_ref().map_or(0, |gathered| gathered.data.len())
            + self.rest.as_ref().map_or(0, |rest| rest.result.len())
    }
}
