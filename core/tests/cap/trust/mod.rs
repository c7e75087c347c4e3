//! Tests of trust sessions (spec/14): a worker's side and a scheduler's side that talk to each other.

mod authority;
mod production;
mod rejections;
mod session;
pub(crate) mod support;
mod wall;
mod worker;
