//! The drivers' tests, written once in `suite/` and run for every pair of a server driver and a client driver.
//!
//! Each test awaits on its own thread and within a tokio runtime, which a tokio server needs for its agents. Otherwise
//! no test depends on either runtime.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![allow(clippy::duplicate_mod, reason = "every pair compiles the same tests")]

mod cap_smol;
mod cap_tokio;
mod caracal_smol;
mod caracal_tokio;
mod on;
mod own_loop;
mod smol_smol;
mod smol_tokio;
mod tokio_smol;
mod tokio_tokio;
