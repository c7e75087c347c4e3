//! Writes records.

use alloc::vec::Vec;
use core::cmp::Ordering;

/// The order in which the entries of a map are written. It matters because the bytes are signed.
///
/// The orders differ only for two keys of which one is the beginning of the other, such as `job.echo` and
/// `job.echo.fail`. No order suits all verifiers that encode a packet again before they check it: Go and most others
/// expect [`MapOrder::Lexicographic`], Python's protobuf library expects [`MapOrder::Upb`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MapOrder {
    /// By the bytes of the keys, the shorter key first, as the specification says.
    #[default]
    Lexicographic,
    /// By the bytes of the keys, but the longer key first, as upb does: the protobuf library of Python, PHP and Ruby.
    Upb,
}

impl MapOrder {
    /// Compares two keys.
    pub(crate) fn compare(self, a: &str, b: &str) -> Ordering {
        match self {
            MapOrder::Lexicographic => a.cmp(b),
            MapOrder::Upb => {
                let shared = a.len().min(b.len());
                let (a_shared, b_shared) = (a.as_bytes().get(..shared), b.as_bytes().get(..shared));
                a_shared.cmp(&b_shared).then_with(|| b.len().cmp(&a.len()))
            }
        }
    }
}

/// A message that is being written.
#[derive(Debug)]
pub(crate) struct Writer {
    out: Vec<u8>,
    order: MapOrder,
    /// Whether a map had a key that another key of it begins with.
    has_prefix_pair: bool,
}

impl Writer {
    pub(crate) fn new(order: MapOrder) -> Writer {
        Writer { out: Vec::new(), order, has_prefix_pair: false }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }

    pub(crate) fn order(&self) -> MapOrder {
        self.order
    }

    pub(crate) fn has_prefix_pair(&self) -> bool {
        self.has_prefix_pair
    }

    /// Notes the keys of a map, in lexicographic order.
    pub(crate) fn note_keys<'a>(&mut self, mut keys: impl Iterator<Item = &'a str>) {
        // A key that others begin with is followed by one of them.
        let mut last = keys.next();
        for key in keys {
            self.has_prefix_pair |= last.is_some_and(|last| key.starts_with(last));
            last = Some(key);
        }
    }

    /// Appends records that are encoded already.
    pub(crate) fn raw(&mut self, records: &[u8]) {
        self.out.extend_from_slice(records);
    }

    pub(crate) fn varint(&mut self, number: u32, value: u64) {
        self.tag(number, 0);
        self.bare_varint(value);
    }

    pub(crate) fn fixed64(&mut self, number: u32, value: [u8; 8]) {
        self.tag(number, 1);
        self.out.extend_from_slice(&value);
    }

    pub(crate) fn fixed32(&mut self, number: u32, value: [u8; 4]) {
        self.tag(number, 5);
        self.out.extend_from_slice(&value);
    }

    pub(crate) fn bytes(&mut self, number: u32, value: &[u8]) {
        self.tag(number, 2);
        self.bare_varint(value.len() as u64);
        self.out.extend_from_slice(value);
    }

    /// Writes a record whose value is what a function writes.
    pub(crate) fn nested(&mut self, number: u32, write: impl FnOnce(&mut Writer)) {
        self.tag(number, 2);
        let start = self.out.len();
        write(self);
        let (length, used) = encode_varint((self.out.len() - start) as u64);
        self.out.splice(start..start, length.into_iter().take(used));
    }

    /// Writes a varint without a tag, as an element of a packed list.
    pub(crate) fn bare_varint(&mut self, value: u64) {
        let (bytes, used) = encode_varint(value);
        self.out.extend(bytes.into_iter().take(used));
    }

    fn tag(&mut self, number: u32, wire_type: u8) {
        self.bare_varint((u64::from(number) << 3) | u64::from(wire_type));
    }
}

/// Returns the bytes of a varint, and how many of them are used.
fn encode_varint(mut value: u64) -> ([u8; 10], usize) {
    let mut bytes = [0; 10];
    let mut used = 0;
    for slot in &mut bytes {
        used += 1;
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            *slot = low;
            break;
        }
        *slot = low | 0x80;
    }
    (bytes, used)
}
