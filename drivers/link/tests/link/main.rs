//! Tests of the link through its public interface.

mod bounds;
mod close;
mod frames;
mod lines;
mod pair;
mod refusals;
mod split;
mod support;
mod upgrade;
