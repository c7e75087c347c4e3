//! The async runtime: traits for what it provides, and what is built on these traits alone.

use std::pin::Pin;

use futures_lite::{AsyncRead, AsyncWrite};

mod address;
#[cfg(feature = "cap")]
pub(crate) mod alarm;
#[cfg(test)]
pub(crate) mod by_hand;
pub(crate) mod clock;
mod complaints;
pub(crate) mod conn;
pub(crate) mod descriptors;
mod dial;
mod driver;
#[cfg(feature = "sqlite")]
pub(crate) mod file_lock;
pub(crate) mod lane;
mod listener;
#[cfg(all(test, any(feature = "cap", feature = "caracal")))]
pub(crate) mod logged;
pub(crate) mod memory;
#[cfg(test)]
pub(crate) mod narrow;
mod outlet;
pub(crate) mod pipe;
mod places;
pub(crate) mod port;
mod process;
mod race;
pub(crate) mod random;
#[cfg(all(feature = "sqlite", any(feature = "cap", feature = "caracal")))]
pub(crate) mod sqlite;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite_log;
pub(crate) mod sync;
mod text;
#[cfg(any(feature = "cap", feature = "caracal"))]
pub(crate) mod timer;
#[cfg(any(feature = "cap", feature = "caracal"))]
pub(crate) mod writer;

pub use address::{Address, reachable};
pub use clock::monotonic;
pub use complaints::Complaints;
pub use descriptors::{for_small_port, raise_descriptor_limit};
pub use dial::connect;
pub use driver::{Accept, Child, Driver, Io, Process, Spawn};
pub use listener::widen_backlog;
pub use places::{Place, Places};
pub use sync::{CancellationToken, Signal};
pub use text::{Sanitized, is_active, sanitize};

/// A boxed future. Traits with async methods return it so that they can be used as trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A byte stream that is read and written.
pub trait Duplex: AsyncRead + AsyncWrite + Send {}

impl<S: AsyncRead + AsyncWrite + Send> Duplex for S {}

/// A byte stream of any type, with the traits of `futures_io`. A driver crate's `stream` makes one from a stream of its
/// runtime.
pub type Stream = Pin<Box<dyn Duplex>>;
