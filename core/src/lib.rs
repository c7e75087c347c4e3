//! State machines for agent control protocols. Frames go in; frames and events come out.
//!
//! The machines do no IO, read no clock and have no randomness of their own. A driver provides all three; the crates
//! `nuncio-tokio` and `nuncio-smol` are such drivers, and an event loop of your own can be another.
//!
//! ```text
//! arcp/                                        ARCP: Runtime serves jobs, Client submits them
//! cap/                                         CAP, with the feature `cap`: Client, Router and Worker
//! caracal/                                     Caracal, with the feature `caracal`: identity in HTTP headers
//! lease/ budget/                               authority that only narrows
//! time clock trace secret  digest random json  values that every protocol may use
//! surrogates                                   text that was cut within a character
//! histogram                                    durations for the metrics of a host
//! ```
//!
//! A module uses only the modules of its own line and of the lines below it.
//!
//! # The contract of a machine
//!
//! A machine has four classes of methods, which always use the same verbs:
//!
//! * **The wire**, `handle_*`: the transport reports what it did. These functions are total: a fault of the peer becomes
//!   outputs (an error frame, a close), never a panic or an `Err`.
//! * **The host**, commands and answers: a fault of the caller is an `Err` that changed nothing.
//! * **Outputs**, `poll_output`: one ordered stream of owned values. Several inputs may be handed in before it is drained.
//! * **Time**, `poll_timeout` and `handle_timeout`: the next deadline with its reason, and the report that it has passed. A
//!   report that comes early or without a reason is harmless.
//!
//! Every input carries the present [`Time`](time::Time), which never steps back. `handle_wall` says what the wall clock
//! shows when that is set: timestamps and expiry follow it, intervals do not. The same seed and the same inputs produce
//! byte-identical outputs. Whatever needs IO or a decision of the host is asked with an event, answered with a
//! command, and has a deadline. Every limit is part of the machine's configuration, and its memory is bounded by their
//! sum.
#![no_std]
#![warn(clippy::wildcard_enum_match_arm)]

extern crate alloc;

pub mod arcp;
pub mod budget;
#[cfg(feature = "cap")]
pub mod cap;
#[cfg(feature = "caracal")]
pub mod caracal;
mod clock;
mod digest;
pub mod histogram;
mod json;
pub mod lease;
mod random;
mod secret;
mod state;
pub mod surrogates;
pub mod time;
pub mod trace;

/// The example in the README is compiled and run as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
