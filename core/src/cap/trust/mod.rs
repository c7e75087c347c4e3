//! The worker trust session (2.17, spec/14): a worker proves that it has its key, and gets a token for a limited time.
//!
//! ```text
//! settings.rs   who a worker is and whom it believes
//! clock.rs      how far clocks may differ
//! session/      the side of the worker:     challenge request ---> challenge ---> authenticate ---> result with a token
//! authority/    the side of the scheduler:  enrolled workers, challenges that are open, sessions
//! ```
//!
//! Both sides are components: they are given the time and packets, and return packets. A [`Worker`](crate::cap::Worker)
//! has a session of its own if its settings enable it.

pub(crate) mod authority;
mod clock;
pub(crate) mod session;
pub(crate) mod settings;
