//! Headers, answers and a coordinator of Caracal, and the simulator.

mod answers;
mod coordinator;
mod headers;

use arbitrary::Unstructured;

pub use answers::caracal_answers;
pub use coordinator::caracal_coordinator;
pub use headers::{caracal_baggage, caracal_headers};

use crate::caracal_sim;

/// Runs the [simulator](caracal_sim) once.
pub fn caracal_simulation(data: &[u8]) {
    caracal_sim::run(&mut Unstructured::new(data));
}
