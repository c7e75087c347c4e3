//! Middleware of `tower` for HTTP clients and servers of any kind.

pub(crate) mod client;
pub(crate) mod server;
