//! What servers and clients do alike on every async runtime: machines behind locks, agents, reconnecting clients, the
//! journal, authentication and TLS.
//!
//! Applications use `nuncio-tokio` or `nuncio-smol`, which re-export all of this. A driver for another runtime is one
//! implementation of [`Driver`](io::Driver).
#![forbid(unsafe_code)]

pub mod arcp;
pub mod auth;
#[cfg(any(feature = "cap", feature = "caracal"))]
pub mod bridge;
#[cfg(feature = "cap")]
pub mod cap;
#[cfg(feature = "caracal")]
pub mod caracal;
#[cfg(feature = "console")]
pub mod console;
pub mod io;
