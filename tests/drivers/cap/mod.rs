//! The tests of CAP's drivers, on the bus within one process. `super::cap` is the driver under test.

use super::cap;

mod bus;
mod client;
mod handlers;
mod jobs;
mod middleware;
mod router;
mod support;
mod trust;
