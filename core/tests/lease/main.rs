//! Leases (§9): their grammar, the canonical form of resources, and what they cover.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod canonical;
mod grammar;
mod inclusion;
mod support;
