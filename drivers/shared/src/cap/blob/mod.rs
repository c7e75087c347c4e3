//! The blob store: where the inputs and outputs of jobs are kept.

pub(crate) mod memory;
mod options;

pub use options::{RedisOptions, RedisTls};

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nuncio_core::cap::Scheme;

use crate::io::BoxFuture;

/// Why an operation on a blob store has failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// The store is not reached, or did not answer in time.
    #[error("the blob store cannot be reached: {0}")]
    Unreachable(String),
    /// The store refused the operation.
    #[error("the blob store refused this: {0}")]
    Refused(String),
    /// The blob is larger than the caller accepts.
    #[error("the blob has {bytes} bytes, and at most {max} are accepted")]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
        /// The limit of the caller.
        max: usize,
    },
}

/// A store of blobs by key.
pub trait BlobStore: Send + Sync + 'static {
    /// Returns the scheme of the pointers to this store.
    fn scheme(&self) -> Scheme;

    /// Reads a blob of at most `max` bytes. Returns `None` if there is none.
    fn get(&self, key: &str, max: usize) -> BoxFuture<'_, Result<Option<Bytes>, BlobError>>;

    /// Stores a blob, for some time or for ever. It replaces an earlier one.
    fn set(&self, key: &str, blob: Bytes, ttl: Option<Duration>) -> BoxFuture<'_, Result<(), BlobError>>;

    /// Removes a blob, if it is there.
    fn delete(&self, key: &str) -> BoxFuture<'_, Result<(), BlobError>>;

    /// Checks that the store answers.
    fn ping(&self) -> BoxFuture<'_, Result<(), BlobError>>;
}

/// A store that is shared.
impl<S: BlobStore + ?Sized> BlobStore for Arc<S> {
    fn scheme(&self) -> Scheme {
        (**self).scheme()
    }

    fn get(&self, key: &str, max: usize) -> BoxFuture<'_, Result<Option<Bytes>, BlobError>> {
        (**self).get(key, max)
    }

    fn set(&self, key: &str, blob: Bytes, ttl: Option<Duration>) -> BoxFuture<'_, Result<(), BlobError>> {
        (**self).set(key, blob, ttl)
    }

    fn delete(&self, key: &str) -> BoxFuture<'_, Result<(), BlobError>> {
        (**self).delete(key)
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), BlobError>> {
        (**self).ping()
    }
}
