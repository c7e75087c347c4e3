//! Support for the tests over the public API.

pub mod world;
