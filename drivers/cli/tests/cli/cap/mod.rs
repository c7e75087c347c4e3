//! `nuncio cap`, on servers of the test's own.
//!
//! - [`jobs`]: jobs on a NATS and a Redis server, keys, and what is said when something is missing.
//! - [`trust`]: trust sessions and the production profile. [`site`]: servers, keys and components.

mod jobs;
pub(crate) mod site;
mod trust;
