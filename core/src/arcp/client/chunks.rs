//! Streamed results: chunks in order, decoded, within the limits (§8.4, §14).

use alloc::string::{String, ToString};

use bytes::Bytes;

use super::config::ClientLimits;
use super::types::Product;
use crate::arcp::wire::ids::MAX_ID_BYTES;
use crate::arcp::wire::reply::read::ResultChunk;
use crate::surrogates::Joiner;

/// The streamed result of one handle, as far as it was received.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    id: String,
    /// The number of the next chunk.
    next: u64,
    /// Decoded bytes.
    bytes: u64,
    /// Whether chunk 0 was received.
    whole: bool,
    /// A half of a character at the end of the last chunk.
    joiner: Joiner,
    finished: bool,
    broken: bool,
}

/// What a chunk is to its stream.
#[derive(Clone, Debug)]
pub(super) enum Taken {
    /// The next chunk.
    Chunk { chunk_seq: u64, data: Bytes, text: bool, more: bool },
    /// A chunk that was received before, or belongs to a broken stream.
    Skip,
    /// A malformed chunk, which is delivered as an ordinary event.
    Malformed,
    /// A chunk that breaks the stream. The sentence says why.
    Broken(&'static str),
}

impl Stream {
    /// Takes a chunk. The first one can be from the middle of a result, because a subscription, or a submit that
    /// repeats the idempotency key of an earlier one (§7.2), may begin there.
    pub(super) fn take(&mut self, limits: &ClientLimits, frame: &Bytes, body: &str) -> Taken {
        if self.broken {
            return Taken::Skip;
        }
        let Ok(chunk) = serde_json::from_str::<ResultChunk<'_>>(body) else {
            self.broken = true;
            return Taken::Malformed;
        };
        match self.accept(limits, frame, &chunk) {
            Ok(taken) => taken,
            Err(reason) => {
                self.broken = true;
                Taken::Broken(reason)
            }
        }
    }

    fn accept(&mut self, limits: &ClientLimits, frame: &Bytes, chunk: &ResultChunk<'_>) -> Result<Taken, &'static str> {
        let (id, chunk_seq) = (chunk.result_id(), chunk.seq());
        let is_first = self.next == 0 && !self.finished;
        if is_first {
            if id.len() > MAX_ID_BYTES {
                return Err("the result_id of a chunk is too long");
            }
            self.id = id.to_string();
            self.whole = chunk_seq == 0;
            self.next = chunk_seq;
        } else if self.id != id {
            return Err("a chunk belongs to another result");
        }
        if chunk_seq < self.next {
            return Ok(Taken::Skip);
        }
        if self.finished {
            return Err("a chunk follows the last one");
        }
        if chunk_seq > self.next {
            return Err("a chunk is missing");
        }
        let data = chunk.data(frame, &mut self.joiner)?;
        if data.len() > limits.chunk_bytes {
            return Err("a chunk is larger than the limit");
        }
        self.bytes = self.bytes.saturating_add(data.len() as u64);
        if self.bytes > limits.result_bytes {
            return Err("the result is larger than the limit");
        }
        self.next = chunk_seq.saturating_add(1);
        self.finished = !chunk.more();
        Ok(Taken::Chunk { chunk_seq, data, text: chunk.is_text(), more: chunk.more() })
    }

    /// Returns the result once the job has ended. `result_id` and `size` are those of the terminal message.
    pub(super) fn product(self, result_id: Option<String>, size: Option<u64>) -> Product {
        let has_size = size.is_none_or(|size| size == self.bytes);
        let started = (!self.id.is_empty()).then_some(self.id);
        Product::Streamed {
            complete: self.whole && self.finished && !self.broken && has_size,
            bytes: self.bytes,
            result_id: result_id.or(started),
        }
    }

    /// Returns the result of a job whose terminal message names a streamed result, but which sent no chunks.
    pub(super) fn empty(result_id: Option<String>, size: Option<u64>) -> Product {
        Product::Streamed { result_id, bytes: 0, complete: size.is_none_or(|size| size == 0) }
    }
}
