//! The client: calls, retries, tokens, leases, lost answers, and its limits.

mod calls;
mod leases;
mod support;
mod tokens;
mod wall;
mod world;
