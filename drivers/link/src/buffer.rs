/// Bytes waiting to be read or written, in order.
#[derive(Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

/// The largest capacity that an emptied buffer keeps, in bytes. A larger allocation is freed, so that one large frame
/// does not occupy memory for the rest of the connection. The capacity suffices for a frame with a chunk of 64 KiB.
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

    /// Returns the vector to append to.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        // Moves the remaining bytes to the front only if more were consumed than remain, so that a byte is moved at
        // most once per consumed byte.
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

    /// Frees the allocation if it is much larger than what is held.
    pub(crate) fn release(&mut self) {
        if self.len() <= self.bytes.capacity() / 4 {
            self.bytes = self.as_slice().to_vec();
            self.start = 0;
        }
    }

    /// Moves everything to the end of `into`. If `into` is empty, the vectors are swapped and nothing is copied.
    pub(crate) fn take(&mut self, into: &mut Vec<u8>) {
        if into.is_empty() && self.start == 0 {
            std::mem::swap(&mut self.bytes, into);
        } else {
            into.extend_from_slice(self.as_slice());
        }
        self.clear();
    }
}

/// Bytes to be written, with a count of those that are pongs. The peer alone decides how many pongs there are, so the
/// link has to bound them.
#[derive(Default)]
pub(crate) struct Output {
    pub(crate) buffer: Buffer,
    /// Bytes of pongs that were queued; reset when the last of them is written.
    own: usize,
    /// Bytes to be written until the last pong is written.
    own_until: usize,
}

impl Output {
    pub(crate) fn own(&self) -> usize {
        self.own
    }

    /// Counts the bytes that were appended since the buffer held `before` bytes as pongs.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emptied_buffer_keeps_its_allocation_up_to_a_limit() {
        for (held, kept) in [(1, true), (KEPT_CAPACITY, true), (KEPT_CAPACITY + 1, false)] {
            let mut buffer = Buffer { bytes: Vec::with_capacity(held), start: 0 };
            let capacity = buffer.capacity();
            buffer.tail().push(7);
            buffer.consume(1);
            assert_eq!(buffer.capacity(), if kept { capacity } else { 0 }, "{held} bytes");
        }
    }
}
