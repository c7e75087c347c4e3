//! The reasons why bytes are not a message.

/// Why bytes could not be decoded. A decoder stops at the first fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end within a record.
    #[error("the message ends within a record")]
    Truncated,
    /// A varint has more than 64 bits.
    #[error("a varint has more than 64 bits")]
    Varint,
    /// A record has the field number 0, or one of more than 29 bits.
    #[error("a record has a field number outside 1 to 536870911")]
    FieldNumber,
    /// A record has a wire type that does not exist, or the end of a group has no beginning.
    #[error("a record has the invalid wire type {0}")]
    WireType(u8),
    /// A string is not UTF-8.
    #[error("the string {field} is not UTF-8")]
    Utf8 {
        /// The name of the field.
        field: &'static str,
    },
    /// The message is larger than [`DecodeLimits::bytes`](super::limits::DecodeLimits::bytes).
    #[error("the message has {bytes} bytes, and at most {max} are allowed")]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Messages are nested deeper than [`DecodeLimits::depth`](super::limits::DecodeLimits::depth).
    #[error("messages are nested more than {max} deep")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// There are more elements than [`DecodeLimits::elements`](super::limits::DecodeLimits::elements).
    #[error("lists and maps have more than {max} elements in all")]
    TooManyElements {
        /// The limit.
        max: usize,
    },
    /// A field is unknown, and the decoder was asked to refuse those.
    #[error("the field {0} is unknown, and unknown fields are not allowed here")]
    UnknownField(u32),
}
