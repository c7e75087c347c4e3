//! The tests of CAP's drivers, on the bus within one process. `super::{arcp, bridge, cap}` is the driver under test.

use super::{arcp, bridge, cap};

mod bus;
mod client;
mod connecting;
mod handlers;
mod jobs;
mod memory_server;
mod memory_server_limits;
mod middleware;
mod order;
mod pool;
mod router;
mod sessions;
mod shown;
mod support;
mod trust;
mod waiting;
