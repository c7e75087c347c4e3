//! Tests of CAP through its public interface, over packets that the Python SDKs 2.10.0 and 2.17.0 have sent.
#![cfg(feature = "cap")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod client;
mod codec;
#[cfg(feature = "p256")]
mod gaps;
#[cfg(feature = "p256")]
mod production;
mod properties;
mod router;
#[cfg(feature = "p256")]
mod signatures;
mod subjects;
mod support;
#[cfg(feature = "p256")]
mod together;
#[cfg(feature = "p256")]
mod trust;
mod unsigned;
mod validation;
mod worker;
