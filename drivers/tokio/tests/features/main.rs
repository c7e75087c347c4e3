//! What only this driver has, or has as a feature: servers mounted on others' HTTP servers, OpenTelemetry, TLS.
//!
//! - [`console`]: the live page. [`hosts`]: hyper, axum and streams. [`opentelemetry`]: traces. [`tls`]: certificates of both sides.
//! - [`support`], [`certificates`]: servers, clients and certificates for the tests.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed unwrap fails the test")]

mod certificates;
mod console;
mod hosts;
mod opentelemetry;
mod support;
mod tls;
