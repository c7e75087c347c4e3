//! The tokens that an application calls with.
//!
//! ```text
//! source.rs     where a token comes from: a fixed one, a function, an exchange of the client secret
//! cache.rs      the present token; it is fetched once for all who wait, and ahead of its expiry
//! ```

mod cache;
mod source;

pub(crate) use self::cache::Tokens;
pub use self::source::{TokenFault, TokenSource};
