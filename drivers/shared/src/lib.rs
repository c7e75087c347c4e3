//! What every Nuncio driver does in the same way, whichever async runtime it is on: the machines behind their locks, agents
//! and what they are given, clients that come back, handles, hooks.
//!
//! Applications use `nuncio-tokio` or `nuncio-smol`, which show all of this under their own names. A driver for another
//! runtime is one implementation of [`Driver`](io::Driver).
#![forbid(unsafe_code)]

pub mod arcp;
pub mod auth;
pub mod io;
