//! The simulator, with the input as its choices.

use arbitrary::Unstructured;

use crate::sim;

/// Runs the [simulator](crate::sim) once.
pub fn simulation(data: &[u8]) {
    sim::run(&mut Unstructured::new(data));
}
