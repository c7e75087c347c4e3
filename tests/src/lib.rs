//! What the test targets of this package share.
//!
//! - [`peers`]: foreign programs from the package registries, installed at first use, and processes that end with the test.
//! - [`raw`]: a WebSocket conversation in plain JSON frames, for what no client would send.

pub mod peers;
pub mod raw;
