//! What is said: the types of ARCP v1.1, and their reading and writing (§5–§9).
//!
//! Nothing here has a state. The runtime and the client are built on it.

pub(crate) mod agent;
pub(crate) mod body;
pub(crate) mod credential;
pub(crate) mod envelope;
pub(crate) mod error;
pub(crate) mod feature;
pub(crate) mod ids;
pub(crate) mod job;
pub mod lines;
pub(crate) mod reply;
pub(crate) mod request;

pub use self::envelope::{Envelope, Int, MAX_INTEGER};
pub use crate::json::{MAX_DEPTH, Text};
