//! The subcommands, each with its options.

pub(crate) mod agents;
pub(crate) mod answer;
pub(crate) mod cancel;
pub(crate) mod cap;
pub(crate) mod caracal;
pub(crate) mod completions;
pub(crate) mod conformance;
pub(crate) mod context;
pub(crate) mod demo;
pub(crate) mod describe;
mod find;
mod interrupt;
pub(crate) mod jobs;
pub(crate) mod journal;
mod listing;
pub(crate) mod man;
pub(crate) mod questions;
pub(crate) mod replay;
mod screen;
pub(crate) mod serve;
pub(crate) mod sessions;
pub(crate) mod status;
pub(crate) mod submit;
pub(crate) mod tail;
pub(crate) mod top;
pub(crate) mod wait;
