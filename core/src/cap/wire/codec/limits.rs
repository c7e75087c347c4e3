//! The limits of a decoder.

/// The limits of decoding one message. They bound the memory that a message takes by a small multiple of its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecodeLimits {
    /// Bytes of the encoded message. Default: 1 MiB, which is what a NATS server accepts by default.
    pub bytes: usize,
    /// How deep messages may be nested; a packet alone has depth 1. Default: 32.
    pub depth: usize,
    /// Elements of all lists and entries of all maps of the message together. Default: 16 384.
    pub elements: usize,
    /// Whether a field that is unknown is an error, at any depth. Otherwise it is kept and written again. Default: false.
    pub refuse_unknown: bool,
}

impl DecodeLimits {
    /// Returns these limits with some of them changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut DecodeLimits)) -> DecodeLimits {
        change(&mut self);
        self
    }
}

impl Default for DecodeLimits {
    fn default() -> DecodeLimits {
        DecodeLimits { bytes: 1 << 20, depth: 32, elements: 16_384, refuse_unknown: false }
    }
}
