//! The wire of Caracal: headers that carry a context, requests to a coordinator and a token service, and their answers.
//!
//! ```text
//! envelope                    Authorization, traceparent, baggage/ of a request of anyone      token, traceparent, hop
//! call                        a call to the coordinator: request/ --> coordinator --> answer/    ids, key
//! header, percent             what may be sent, and how it is escaped
//! ```
//!
//! Nuncio sends the form of the Python SDK 0.1.1, or that of 1.0.0 if the coordinator needs it. It reads the forms of
//! both generations.

pub(crate) mod answer;
pub(crate) mod baggage;
pub(crate) mod call;
pub(crate) mod envelope;
pub(crate) mod header;
pub(crate) mod hop;
pub(crate) mod ids;
pub(crate) mod key;
pub(crate) mod limits;
pub(crate) mod percent;
pub(crate) mod request;
pub(crate) mod token;
pub(crate) mod traceparent;
