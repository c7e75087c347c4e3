//! What every Nuncio driver does in the same way, whichever async runtime it is on: the machines behind their locks, agents
//! and what they are given, clients that come back, handles, hooks.
//!
//! Applications use `nuncio-tokio` or `nuncio-smol`, which show all of this under their own names. A driver for another
//! runtime brings an [`Io`](io::Io) (tasks and timers), streams, and a [`Driver`](driver::Driver) of its own types.
#![forbid(unsafe_code)]

pub mod arcp;
pub mod auth;
pub mod driver;
pub mod io;
