//! A coordinator of Caracal on HTTP (feature `caracal`): its token service, what is durable, its limits, and the
//! transitions of the deployed coordinator of 0.1 over a connection.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod http;
mod limits;
mod restart;
mod site;
mod tokens;
mod transcript;
