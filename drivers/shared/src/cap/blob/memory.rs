//! A blob store in memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use nuncio_core::cap::Scheme;
use nuncio_core::time::Time;

use super::{BlobError, BlobStore};
use crate::io::BoxFuture;
use crate::io::clock::Clock;
use crate::io::sync::lock;

/// A blob store in memory: for tests, for examples, and for programs whose workers are in the same process. Its pointers
/// begin with `mem://`. Clones share their blobs.
///
/// It holds a number of bytes, keys included. When these are used up, a further blob is refused; blobs whose time is over
/// are removed before.
///
/// ```
/// use nuncio_shared::cap::{BlobStore as _, MemoryStore};
///
/// # futures_lite::future::block_on(async {
/// let store = MemoryStore::new();
/// store.set("ctx:job-1", "{}".into(), None).await?;
/// assert_eq!(store.get("ctx:job-1", 1_024).await?.as_deref(), Some(&b"{}"[..]));
/// # Ok::<(), nuncio_shared::cap::BlobError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Mutex<Blobs>>,
    max_bytes: usize,
    clock: Clock,
}

#[derive(Default)]
struct Blobs {
    blobs: HashMap<String, Blob>,
    bytes: usize,
}

struct Blob {
    content: Bytes,
    until: Option<Time>,
}

impl MemoryStore {
    /// Makes a store of 256 MiB.
    pub fn new() -> MemoryStore {
        MemoryStore::with_capacity(256 << 20)
    }

    /// Makes a store of this many bytes.
    pub fn with_capacity(bytes: usize) -> MemoryStore {
        MemoryStore { shared: Arc::default(), max_bytes: bytes, clock: Clock::start() }
    }

    /// Returns the bytes of all keys and blobs that are held.
    pub fn bytes_held(&self) -> usize {
        lock(&self.shared).bytes
    }

    fn read(&self, key: &str, max: usize) -> Result<Option<Bytes>, BlobError> {
        let mut blobs = lock(&self.shared);
        let is_over = blobs.blobs.get(key).is_some_and(|blob| blob.is_over(self.clock.now()));
        if is_over {
            blobs.remove(key);
        }
        let content = blobs.blobs.get(key).map(|blob| blob.content.clone());
        drop(blobs);
        match content {
            Some(content) if content.len() > max => Err(BlobError::TooLarge { bytes: content.len(), max }),
            content => Ok(content),
        }
    }

    fn write(&self, key: &str, content: Bytes, ttl: Option<Duration>) -> Result<(), BlobError> {
        let now = self.clock.now();
        let until = ttl.map(|ttl| now.plus(ttl));
        let bytes = key.len() + content.len();
        let mut blobs = lock(&self.shared);
        let former = blobs.blobs.get(key).map_or(0, |blob| key.len() + blob.content.len());
        if blobs.bytes - former + bytes > self.max_bytes {
            blobs.sweep(now);
        }
        let former = blobs.blobs.get(key).map_or(0, |blob| key.len() + blob.content.len());
        if blobs.bytes - former + bytes > self.max_bytes {
            let max = self.max_bytes;
            return Err(BlobError::Refused(format!("the store holds {max} bytes, which would be exceeded")));
        }
        blobs.bytes = blobs.bytes - former + bytes;
        blobs.blobs.insert(key.to_owned(), Blob { content, until });
        Ok(())
    }
}

impl Blob {
    fn is_over(&self, now: Time) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl Blobs {
    fn remove(&mut self, key: &str) {
        if let Some(blob) = self.blobs.remove(key) {
            self.bytes -= key.len() + blob.content.len();
        }
    }

    /// Removes the blobs whose time is over.
    fn sweep(&mut self, now: Time) {
        let over: Vec<String> =
            self.blobs.iter().filter(|(_, blob)| blob.is_over(now)).map(|(key, _)| key.clone()).collect();
        for key in over {
            self.remove(&key);
        }
    }
}

impl Default for MemoryStore {
    fn default() -> MemoryStore {
        MemoryStore::new()
    }
}

impl fmt::Debug for MemoryStore {
    /// Does not show the blobs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("bytes", &self.bytes_held()).finish_non_exhaustive()
    }
}

impl BlobStore for MemoryStore {
    fn scheme(&self) -> Scheme {
        Scheme::Memory
    }

    fn get(&self, key: &str, max: usize) -> BoxFuture<'_, Result<Option<Bytes>, BlobError>> {
        let read = self.read(key, max);
        Box::pin(std::future::ready(read))
    }

    fn set(&self, key: &str, blob: Bytes, ttl: Option<Duration>) -> BoxFuture<'_, Result<(), BlobError>> {
        let written = self.write(key, blob, ttl);
        Box::pin(std::future::ready(written))
    }

    fn delete(&self, key: &str) -> BoxFuture<'_, Result<(), BlobError>> {
        lock(&self.shared).remove(key);
        Box::pin(std::future::ready(Ok(())))
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), BlobError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use futures_lite::future::block_on;

    use super::*;

    #[test]
    fn a_blob_is_there_until_its_time_is_over() {
        block_on(async {
            let store = MemoryStore::new();
            store.set("gone", "x".into(), Some(Duration::ZERO)).await.unwrap();
            store.set("here", "x".into(), Some(Duration::MAX)).await.unwrap();
            assert_eq!(store.get("gone", 1).await, Ok(None));
            assert_eq!(store.get("here", 1).await, Ok(Some("x".into())));
            assert_eq!(store.get("here", 0).await, Err(BlobError::TooLarge { bytes: 1, max: 0 }));
            store.delete("here").await.unwrap();
            assert_eq!((store.get("here", 1).await, store.bytes_held()), (Ok(None), 0));
        });
    }

    #[test]
    fn blobs_whose_time_is_over_are_removed_once_their_room_is_needed() {
        block_on(async {
            let store = MemoryStore::with_capacity(10);
            store.set("a", "1234".into(), Some(Duration::ZERO)).await.unwrap();
            store.set("b", "1234".into(), None).await.unwrap();
            assert_eq!(store.bytes_held(), 10, "there is room for both");
            store.set("b", "4321".into(), None).await.unwrap();
            assert_eq!(store.bytes_held(), 10, "it takes the room of what it replaces");
            store.set("c", "".into(), None).await.unwrap();
            assert_eq!(store.bytes_held(), 6);
        });
    }

    #[test]
    fn a_full_store_refuses_a_blob_unless_others_are_over() {
        block_on(async {
            let store = MemoryStore::with_capacity(10);
            store.set("a", "1234".into(), Some(Duration::ZERO)).await.unwrap();
            store.set("b", "1234".into(), None).await.unwrap();
            store.set("c", "1234".into(), None).await.unwrap();
            assert!(matches!(store.set("d", "1".into(), None).await, Err(BlobError::Refused(_))));
            store.set("c", "4321".into(), None).await.unwrap();
            assert_eq!((store.get("c", 9).await, store.bytes_held()), (Ok(Some("4321".into())), 10));
        });
    }
}
