//! The rule that a packet breaks.

/// Why a packet is not valid: the first rule that it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct InvalidPacket {
    /// The field, by its name in the protocol.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It is empty or missing.
    #[error("is empty or missing")]
    Missing,
    /// It must be absent in this packet.
    #[error("must be absent in this packet")]
    Unexpected,
    /// It is less than 0.
    #[error("is negative")]
    Negative,
    /// It is too large, or has too many elements.
    #[error("is more than {max}")]
    TooLarge {
        /// The limit.
        max: i64,
    },
    /// It is a number without a meaning, or one that is not allowed here.
    #[error("has a value that is not allowed")]
    NotAllowed,
    /// It differs from the sender of the packet.
    #[error("differs from the sender_id of the packet")]
    NotSender,
    /// It differs from the value that it has to repeat.
    #[error("differs from the value that it repeats")]
    Mismatch,
    /// It is not a valid time, or not in the right order with another one.
    #[error("is not a valid time, or not in the right order")]
    Time,
    /// It has the wrong length.
    #[error("must have {0} bytes")]
    Length(usize),
}

/// Returns an error unless a rule holds.
pub(super) fn require(holds: bool, field: &'static str, problem: Problem) -> Result<(), InvalidPacket> {
    if holds { Ok(()) } else { Err(InvalidPacket { field, problem }) }
}

/// Requires a text that is not empty.
pub(super) fn filled(text: &str, field: &'static str) -> Result<(), InvalidPacket> {
    require(!text.is_empty(), field, Problem::Missing)
}
