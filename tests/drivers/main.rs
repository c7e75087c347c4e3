//! The drivers' tests, written once in `suite/` and run for every pair of server and client driver.
//!
//! A test awaits on its own thread, in reach of a tokio runtime, for a tokio server wants one for its agents; nothing in it
//! depends on either runtime otherwise.
#![allow(clippy::unwrap_used, reason = "what a test cannot do without fails it")]
#![allow(clippy::duplicate_mod, reason = "the same tests are made of every pair")]

mod on;
mod own_loop;
mod smol_smol;
mod smol_tokio;
mod tokio_smol;
mod tokio_tokio;
