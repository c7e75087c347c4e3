//! The simulator, with the bytes as its choices.

use arbitrary::Unstructured;

use crate::sim;

/// One run of the [simulator](crate::sim).
pub fn simulation(data: &[u8]) {
    sim::run(&mut Unstructured::new(data));
}
