//! What the deployed runtimes get wrong (wire.md §9), and Nuncio does not: one conversation each, in plain frames.

mod bad_input;
mod hostile;
mod jobs;
mod leases;
mod restart;
mod sessions;

use super::serve;
