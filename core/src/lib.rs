//! Agent control protocol machines: bytes in, events out.
//!
//! Nothing here does IO, reads a clock or makes randomness of its own; a host brings all three.
//!
//! # The contract of a machine
//!
//! A machine has four classes of methods, always with the same verbs.
//!
//! * **The wire**, `handle_*`: total functions of what the transport did. A peer's fault becomes outputs — an error frame, a
//!   close — and never a panic or an `Err`.
//! * **The host**: commands and answers. A caller's own fault is an `Err(Refused)` that changed nothing.
//! * **Out**: `poll_output`, one ordered stream of owned values. Several inputs may be handed in before it is drained.
//! * **Time**: `poll_timeout` names the next deadline and its reason; `handle_timeout` early or for nothing is harmless.
//!
//! Every method takes the present [`Time`](time::Time), which never steps back; the same seed and the same inputs give
//! byte-identical outputs. Whatever needs IO or policy is asked with an event and answered with a command, and the
//! question has a deadline. Every limit is in the machine's configuration, and memory is bounded by their sum.
#![no_std]
#![warn(clippy::wildcard_enum_match_arm)]

extern crate alloc;

pub mod arcp;
pub mod budget;
mod digest;
mod json;
pub mod lease;
mod random;
mod secret;
pub mod time;
pub mod trace;

/// The example of the README is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
