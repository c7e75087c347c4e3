//! The tests of Caracal's drivers, against a scripted HTTP server, and in `served` against the coordinator of the
//! workspace. `super::caracal` is the driver under test.

use super::caracal;

mod calls;
mod contexts;
mod fixtures;
mod inbound;
mod leases;
mod outbound;
mod scopes;
mod served;
pub(crate) mod support;
mod tokens;
