//! Live conversations with the Python SDKs over a real nats-server and redis-server, written once for both drivers.

use super::on;

mod faults;
mod guide;
mod our_client;
mod our_worker;
mod own_bus;
mod pool;
mod python;
mod router;
mod scheduler;
mod support;
mod tls;
mod trust;
