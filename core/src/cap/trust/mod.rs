//! The worker trust session (2.17, spec/14): a worker proves that it has its key, and gets a token for a time.
//!
//! ```text
//! settings.rs   who a worker is and whom it believes
//! clock.rs      how far clocks may differ
//! session/      the side of the worker:     challenge request ---> challenge ---> authenticate ---> result with a token
//! authority/    the side of the scheduler:  enrolled workers, challenges that are open, sessions
//! ```
//!
//! Both sides are components: they take a time and packets and give packets. A [`Worker`](crate::cap::Worker) has a session
//! of its own if its settings say so.

pub(crate) mod authority;
mod clock;
pub(crate) mod session;
pub(crate) mod settings;
