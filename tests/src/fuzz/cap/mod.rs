//! Packets of CAP, and the machines that take them in.

mod client;
mod draw;
mod packet;
mod router;
mod trusted;
mod verify;
mod worker;

use arbitrary::Unstructured;

pub use client::cap_client;
pub use packet::cap_packet;
pub use router::cap_router;
pub use verify::cap_verify;
pub use worker::cap_worker;

use crate::cap_sim;

/// Runs the [simulator](cap_sim) once.
pub fn cap_simulation(data: &[u8]) {
    cap_sim::run(&mut Unstructured::new(data));
}
