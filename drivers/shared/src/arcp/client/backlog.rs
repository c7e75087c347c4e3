//! What has come of a streamed result and was not given to the application.

use bytes::Bytes;
use nuncio_core::arcp::client::ChunkEvent;

use super::slot::Item;

/// The chunks of one handle that [`Events`](super::Events) and [`outcome`](super::Follow::outcome) have passed over,
/// joined, for those who ask for the result afterwards.
#[derive(Default)]
pub(super) struct Backlog {
    data: Vec<u8>,
    /// The last of the joined chunks, without its data.
    last: Option<ChunkEvent>,
    /// Why the stream ends early.
    fault: Option<&'static str>,
    /// The limit that a result was larger than: its chunks are dropped from then on.
    exceeded: Option<usize>,
}

impl Backlog {
    /// Joins a chunk to those that wait. All of them are dropped if they would be more than `limit` bytes together.
    pub(super) fn push(&mut self, chunk: &ChunkEvent, limit: usize) {
        if self.exceeded.is_some() {
            return;
        }
        if chunk.data.len() > limit.saturating_sub(self.data.len()) {
            *self = Backlog { exceeded: Some(limit), ..Backlog::default() };
            return;
        }
        self.data.extend_from_slice(&chunk.data);
        let text = chunk.text && self.last.as_ref().is_none_or(|last| last.text);
        self.last = Some(ChunkEvent { data: Bytes::new(), text, ..*chunk });
    }

    /// Notes that no more chunks follow.
    pub(super) fn break_off(&mut self, reason: &'static str) {
        self.fault = Some(reason);
    }

    /// Takes what waits: the chunks, as one, and then the fault.
    pub(super) fn pop(&mut self) -> Option<Item> {
        match self.last.take() {
            Some(last) => Some(Item::Chunk(ChunkEvent { data: std::mem::take(&mut self.data).into(), ..last })),
            None => self.fault.take().map(Item::ChunkFault),
        }
    }

    /// Takes the bytes of the chunks.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.last = None;
        std::mem::take(&mut self.data)
    }

    pub(super) fn len(&self) -> usize {
        self.data.len()
    }

    pub(super) fn fault(&self) -> Option<&'static str> {
        self.fault
    }

    pub(super) fn exceeded(&self) -> Option<usize> {
        self.exceeded
    }
}

#[cfg(test)]
mod tests {
    use nuncio_core::arcp::client::HandleId;

    use super::*;

    fn chunk(chunk_seq: u64, data: &'static [u8], text: bool) -> ChunkEvent {
        let data = Bytes::from_static(data);
        ChunkEvent { handle: HandleId::default(), seq: chunk_seq + 7, chunk_seq, data, text, more: true }
    }

    #[test]
    fn chunks_wait_as_one_before_the_fault() {
        let mut backlog = Backlog::default();
        backlog.push(&chunk(0, b"ab", true), 4);
        backlog.push(&chunk(1, b"cd", false), 4);
        backlog.break_off("a chunk is missing");
        let Some(Item::Chunk(joined)) = backlog.pop() else { panic!("no chunk waits") };
        assert_eq!((joined.chunk_seq, joined.seq, &joined.data[..], joined.text), (1, 8, &b"abcd"[..], false));
        assert!(matches!(backlog.pop(), Some(Item::ChunkFault("a chunk is missing"))));
        assert!(backlog.pop().is_none());
    }

    #[test]
    fn beyond_the_limit_nothing_is_held() {
        let mut backlog = Backlog::default();
        backlog.push(&chunk(0, b"ab", true), 3);
        backlog.push(&chunk(1, b"cd", true), 3);
        backlog.push(&chunk(2, b"e", true), 3);
        assert_eq!((backlog.len(), backlog.exceeded()), (0, Some(3)));
        assert!(backlog.pop().is_none());
    }
}
