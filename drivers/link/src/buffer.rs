/// Bytes waiting to be read or written, in order.
#[derive(Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

/// What an emptied buffer keeps allocated, so that one large frame does not cost a connection its size for ever. A frame
/// with a chunk of 64 KiB still finds its space.
const KEPT_CAPACITY: usize = 128 * 1024;

impl Buffer {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The vector to append to.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        // Moves no byte more often than once per byte consumed.
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        &mut self.bytes
    }

    /// Drops the first `count` bytes, or all if there are fewer.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count.min(self.len());
        if self.is_empty() {
            self.clear();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
        if self.bytes.capacity() > KEPT_CAPACITY {
            self.bytes = Vec::new();
        }
    }

    /// Moves everything to the end of `into`; by exchanging the vectors where that is the same.
    pub(crate) fn take(&mut self, into: &mut Vec<u8>) {
        if into.is_empty() && self.start == 0 {
            std::mem::swap(&mut self.bytes, into);
        } else {
            into.extend_from_slice(self.as_slice());
        }
        self.clear();
    }
}

/// What waits to be written, and how much of it nobody asked for but the peer.
#[derive(Default)]
pub(crate) struct Output {
    pub(crate) buffer: Buffer,
    /// Bytes of unasked answers (pongs) among the waiting ones.
    own: usize,
    /// How many bytes are in front of the end of the last of them.
    own_until: usize,
}

impl Output {
    pub(crate) fn own(&self) -> usize {
        self.own
    }

    /// Counts what was appended since the buffer held `before` bytes as unasked.
    pub(crate) fn count_own(&mut self, before: usize) {
        self.own += self.buffer.len() - before;
        self.own_until = self.buffer.len();
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.own_until -= count.min(self.own_until);
        if self.own_until == 0 {
            self.own = 0;
        }
        self.buffer.consume(count);
    }

    pub(crate) fn take(&mut self, into: &mut Vec<u8>) {
        self.own = 0;
        self.own_until = 0;
        self.buffer.take(into);
    }
}
