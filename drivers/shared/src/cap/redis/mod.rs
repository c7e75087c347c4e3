//! A blob store on Redis, on any async runtime: RESP2 over the codec of `nuncio-link`.
//!
//! ```text
//!  RedisStore --requests--> Hub <--bytes--> Runner <--> socket
//!      ^                     |                |
//!      +----- replies -------+                +--> Connector: TCP, TLS, AUTH, SELECT
//! ```

mod connect;
mod hub;
mod run;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nuncio_core::cap::Scheme;
use nuncio_link::resp::{RespReply, RespRequest};

use self::connect::Connector;
use self::hub::Hub;
use self::run::Runner;
use super::blob::{BlobError, BlobStore, RedisOptions};
use crate::io::clock::timeout;
use crate::io::{BoxFuture, Driver, Io as _};

/// A blob store on a Redis server. Clones are the same connection; it is closed when the last one is dropped.
///
/// It has one connection, on which requests do not wait for each other, and makes another one when it is lost. While the
/// server is not reached, operations fail with [`BlobError::Unreachable`] and the reason, which is logged too. An operation
/// that was on its way when the connection was lost fails with it as well; each of them can be repeated safely.
///
/// ```no_run
/// use nuncio_smol::Smol;
/// use nuncio_shared::cap::{BlobStore as _, RedisOptions, RedisStore};
///
/// # futures_lite::future::block_on(async {
/// let store = RedisStore::<Smol>::new(RedisOptions::from_env()?)?;
/// store.set("res:1", "42".into(), None).await?;
/// assert_eq!(store.get("res:1", 1024).await?, Some("42".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct RedisStore<D: Driver> {
    owner: Arc<Owner<D>>,
}

/// Closes the connection with the last clone.
struct Owner<D: Driver> {
    hub: Arc<Hub>,
    thread: Arc<D::Thread>,
    limit: Duration,
}

impl<D: Driver> RedisStore<D> {
    /// Starts to connect, on a thread of its own. [`ping`](BlobStore::ping) tells whether the server is reached.
    pub fn new(options: RedisOptions) -> io::Result<RedisStore<D>> {
        Ok(RedisStore::new_on(D::thread("nuncio-redis")?, options))
    }

    /// Starts to connect, on a thread that several buses and stores may share.
    pub fn new_on(thread: Arc<D::Thread>, options: RedisOptions) -> RedisStore<D> {
        let hub = Arc::new(Hub::new());
        let limit = options.timeout;
        let connector = Connector::new(options);
        let runner = Runner::<D> { hub: Arc::clone(&hub), thread: Arc::clone(&thread), connector };
        thread.spawn(Box::pin(runner.run()));
        RedisStore { owner: Arc::new(Owner { hub, thread, limit }) }
    }

    /// Makes a request, of whose reply values of up to `max` bytes are kept.
    async fn request(&self, request: RespRequest<'_>, max: usize) -> Result<RespReply, BlobError> {
        let Owner { hub, thread, limit } = &*self.owner;
        match timeout(&**thread, *limit, hub.request(&request, max)).await {
            Some(Ok(RespReply::Error(error))) => Err(BlobError::Refused(error)),
            Some(result) => result,
            None => {
                let reason = format!("the server did not answer within {limit:?}");
                // What follows on the connection would wait as long.
                hub.give_up(&reason);
                Err(BlobError::Unreachable(reason))
            }
        }
    }
}

impl<D: Driver> BlobStore for RedisStore<D> {
    fn scheme(&self) -> Scheme {
        Scheme::Redis
    }

    fn get(&self, key: &str, max: usize) -> BoxFuture<'_, Result<Option<Bytes>, BlobError>> {
        let key = key.to_owned();
        Box::pin(async move {
            match self.request(RespRequest::Get(&key), max).await? {
                RespReply::Bulk(blob) => Ok(Some(blob)),
                RespReply::Null => Ok(None),
                RespReply::TooLarge { bytes } => Err(BlobError::TooLarge { bytes, max }),
                _ => Err(unexpected()),
            }
        })
    }

    fn set(&self, key: &str, blob: Bytes, ttl: Option<Duration>) -> BoxFuture<'_, Result<(), BlobError>> {
        let key = key.to_owned();
        Box::pin(async move {
            match self.request(RespRequest::Set { key: &key, value: &blob, ttl }, 0).await? {
                RespReply::Simple(_) => Ok(()),
                _ => Err(unexpected()),
            }
        })
    }

    fn delete(&self, key: &str) -> BoxFuture<'_, Result<(), BlobError>> {
        let key = key.to_owned();
        Box::pin(async move {
            match self.request(RespRequest::Delete(&key), 0).await? {
                RespReply::Integer(_) => Ok(()),
                _ => Err(unexpected()),
            }
        })
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), BlobError>> {
        Box::pin(async move {
            match self.request(RespRequest::Ping, 0).await? {
                RespReply::Simple(_) => Ok(()),
                _ => Err(unexpected()),
            }
        })
    }
}

fn unexpected() -> BlobError {
    BlobError::Refused("the server sent a reply of another kind".to_owned())
}

impl<D: Driver> Drop for Owner<D> {
    fn drop(&mut self) {
        self.hub.close();
    }
}

impl<D: Driver> Clone for RedisStore<D> {
    fn clone(&self) -> RedisStore<D> {
        RedisStore { owner: Arc::clone(&self.owner) }
    }
}

impl<D: Driver> fmt::Debug for RedisStore<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").finish_non_exhaustive()
    }
}
