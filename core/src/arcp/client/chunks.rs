//! Streamed results: chunks in order, within the caps, decoded (§8.4, §14).

use alloc::string::{String, ToString};

use bytes::Bytes;

use super::config::ClientConfig;
use super::types::Product;
use crate::arcp::wire::reply::read::ResultChunk;

/// The longest `result_id`: it is kept for every handle that is streamed to.
const MAX_RESULT_ID: usize = 256;

/// The streamed result of one handle, as far as it has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    id: String,
    next: u64,
    bytes: u64,
    /// Whether chunk 0 was seen.
    whole: bool,
    finished: bool,
    broken: bool,
}

/// What a chunk is to its stream.
#[derive(Clone, Debug)]
pub(super) enum Taken {
    /// The next one.
    Chunk { chunk_seq: u64, data: Bytes, text: bool, more: bool },
    /// Seen before, or of no use any more.
    Skip,
    /// Not a chunk that can be read: handed on raw.
    Unreadable,
    /// It breaks the stream: why.
    Broken(&'static str),
}

impl Stream {
    /// Takes a chunk. The first may be of the middle: a subscription, and a submit that was answered by a job of before
    /// (§7.2), see the rest of a stream.
    pub(super) fn take(&mut self, config: &ClientConfig, frame: &Bytes, body: &str) -> Taken {
        if self.broken {
            return Taken::Skip;
        }
        let Ok(chunk) = serde_json::from_str::<ResultChunk<'_>>(body) else {
            self.broken = true;
            return Taken::Unreadable;
        };
        match self.accept(config, frame, &chunk) {
            Ok(taken) => taken,
            Err(reason) => {
                self.broken = true;
                Taken::Broken(reason)
            }
        }
    }

    fn accept(&mut self, config: &ClientConfig, frame: &Bytes, chunk: &ResultChunk<'_>) -> Result<Taken, &'static str> {
        let (id, chunk_seq) = (chunk.result_id(), chunk.seq());
        let first = self.next == 0 && !self.finished;
        if first {
            if id.len() > MAX_RESULT_ID {
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
        let data = chunk.data(frame)?;
        if data.len() > config.chunk_bytes {
            return Err("a chunk is larger than the limit");
        }
        self.bytes = self.bytes.saturating_add(data.len() as u64);
        if self.bytes > config.result_bytes {
            return Err("the result is larger than the limit");
        }
        self.next = chunk_seq.saturating_add(1);
        self.finished = !chunk.more();
        Ok(Taken::Chunk { chunk_seq, data, text: chunk.is_text(), more: chunk.more() })
    }

    /// What the terminal of the job makes of it.
    pub(super) fn product(self, result_id: Option<String>, size: Option<u64>) -> Product {
        let counted = size.is_none_or(|size| size == self.bytes);
        let started = (!self.id.is_empty()).then_some(self.id);
        Product::Streamed {
            complete: self.whole && self.finished && !self.broken && counted,
            bytes: self.bytes,
            result_id: result_id.or(started),
        }
    }

    /// A result that is said to be streamed, and has no chunks at all.
    pub(super) fn empty(result_id: Option<String>, size: Option<u64>) -> Product {
        Product::Streamed { result_id, bytes: 0, complete: size.is_none_or(|size| size == 0) }
    }
}
