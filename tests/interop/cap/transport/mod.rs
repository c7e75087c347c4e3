//! The buses and blob stores of the drivers on real servers, written once for both.

use super::on;

mod login;
mod nats;
mod redis;
mod tls;
