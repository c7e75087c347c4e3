//! Placeholder.
#![no_std]
#![warn(clippy::wildcard_enum_match_arm)]
extern crate alloc;
pub mod arcp;
pub mod budget;
pub mod lease;
pub mod time;
pub mod trace;
