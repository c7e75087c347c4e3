//! Protocol Buffers, as far as CAP uses them, with exact control over the bytes that are written.
//!
//! ```text
//! message.rs   what a message is, and the macro that declares one
//! field.rs     the types of fields      map.rs   maps      open_enum.rs   enums
//! read.rs      records, and the limits that decoding keeps
//! write.rs     records in the order of their numbers, and the two orders of map entries
//! ```
//!
//! CAP signs the bytes of a packet, so all encoders must write a message in the same way: fields in the order of their
//! numbers, defaults left out, map entries always with key and value, unknown fields after the known ones. Deployed
//! encoders agree on everything except the order of map entries ([`MapOrder`]).

pub(crate) mod error;
pub(crate) mod field;
pub(crate) mod limits;
pub(crate) mod map;
pub(crate) mod message;
pub(crate) mod open_enum;
pub(crate) mod read;
pub(crate) mod unknown;
pub(crate) mod write;
