//! The server's side of `wire.md`, rule by rule, over `Runtime` alone.
//!
//! A test is named by the section its rule comes from, and asserts the rule as `wire.md` and the specification have it.
//! Virtual time, no IO; what holds for every frame is checked by the world itself (`nuncio_tests::world`).

