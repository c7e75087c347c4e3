//! The tests of Caracal's drivers, against a scripted HTTP server, and in `served` against the coordinator of the
//! workspace. `super::caracal` and its neighbours are the driver under test.

use super::{arcp, bridge, cap, caracal};

mod bearer;
mod calls;
mod contexts;
mod fixtures;
mod inbound;
mod issuer;
mod jobs;
mod leases;
mod outbound;
mod scopes;
mod served;
pub(crate) mod support;
mod tokens;
