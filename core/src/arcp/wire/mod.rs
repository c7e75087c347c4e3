//! The frames of ARCP v1.1 as types, with their reading and writing (§5–§9).
//!
//! ```text
//!              written by the          read by the
//! request/     client,  write.rs  -->  runtime, read.rs     hello, submit, cancel, list, subscribe, …
//! reply/       runtime, write.rs  -->  client,  read/       welcome, accepted, event, result, error, …
//!
//! envelope, ids, error, feature, lines                      the parts that every frame has
//! salvage                                                   what can be read of a faulty frame
//! close                                                     the close codes that are ours
//! agent, credential, job, question/, status/, body/         the things that frames describe
//! dialect/                                                  where an SDK's frames differ from the specification
//! ```
//!
//! No module here has a state, and none knows the runtime or the client. Frames are written in one strict form. The
//! runtime reads strictly and refuses malformed requests. The client reads leniently, because it has to work with every
//! deployed runtime.

pub(crate) mod agent;
pub(crate) mod body;
pub mod close;
pub(crate) mod credential;
pub(crate) mod dialect;
pub(crate) mod envelope;
pub(crate) mod error;
pub(crate) mod feature;
pub(crate) mod ids;
pub(crate) mod job;
pub mod lines;
pub(crate) mod question;
pub(crate) mod relayed;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod salvage;
pub(crate) mod status;

pub use self::envelope::{Envelope, Int, MAX_INTEGER};
pub use crate::json::{MAX_DEPTH, Text};
