//! The coordinator, the clients and the services of Caracal with real peers: the unmodified Python SDKs 0.1.1, with the
//! programs of its guide, and 1.0.0.
//!
//! The coordinator runs within the test, which looks at what has changed in it; the programs are in `py/`. They name the
//! hosts of the guide, which `py/redirect` leads to the servers of the test.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod guide;
mod head;
mod services;
mod site;
