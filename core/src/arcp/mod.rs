//! Placeholder.
pub mod lines;
