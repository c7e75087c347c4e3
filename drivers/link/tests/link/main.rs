//! The link by its public interface: what goes in, what comes out.

mod bounds;
mod close;
mod frames;
mod lines;
mod pair;
mod refusals;
mod split;
mod support;
mod upgrade;
