//! Faults of deployed runtimes that Nuncio does not have: one conversation each, in handwritten frames
//! (core/docs/arcp.md, "Faults of other implementations").

mod bad_input;
mod hostile;
mod jobs;
mod leases;
mod restart;
mod sessions;

use super::serve;
