//! A coordinator to run: sessions and edges of applications, and the token service by which they are known.
//!
//! ```text
//! builder.rs   the zones, the applications, and where records are kept
//! hub.rs       the lock around the machine; its outputs; answers that wait for their records
//! timer.rs     the task that tells the machine the time
//! service.rs   which request is for which part
//! key.rs       the key that signs tokens
//! records/     where records are kept
//! ```

mod builder;
mod hub;
mod key;
mod records;
mod service;
mod timer;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use nuncio_core::caracal::Reply;

pub use builder::{CoordinatorBuildError, CoordinatorBuilder};
#[cfg(feature = "sqlite")]
pub use records::SqliteRecords;
pub use records::{MemoryRecords, Records, RecordsError};
pub use service::HttpRequest;

use self::hub::Hub;
use crate::io::sync::CancellationToken;

/// A coordinator with its token service: it opens sessions and creates edges for the applications that it knows by their
/// secrets. Clones are the same coordinator, and dropping the last one ends it at once, like a crash.
///
/// With [`records`](CoordinatorBuilder::records) a request is answered once its change is durable, and a coordinator that
/// is started on the same records goes on with all sessions and edges.
///
/// It answers requests that an HTTP server has read. `nuncio_tokio` has a server, `caracal::CoordinatorServer`.
///
/// ```
/// # use nuncio_smol::Smol;
/// use nuncio_shared::caracal::{Coordinator, HttpRequest, Secret};
///
/// # smol::block_on(async {
/// let coordinator = Coordinator::<Smol>::builder().application("app-a", Secret::new("s3cret")).start()?;
/// let request = HttpRequest {
///     method: "POST",
///     target: "/oauth/2/token",
///     headers: &[],
///     body: b"grant_type=urn:ietf:params:oauth:grant-type:token-exchange&zone_id=default&application_id=app-a\
///             &client_secret=s3cret",
/// };
/// let answer = coordinator.answer(&request).await;
/// assert_eq!(answer.status(), 200);
/// coordinator.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Coordinator<D> {
    owner: Arc<Owner>,
    driver: PhantomData<fn(D)>,
}

/// Ends the tasks when the last clone is gone.
struct Owner {
    hub: Arc<Hub>,
    /// Cancelled when the records are no longer used.
    records: Option<CancellationToken>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.hub.stop();
    }
}

impl<D> Coordinator<D> {
    fn new(hub: Arc<Hub>, records: Option<CancellationToken>) -> Coordinator<D> {
        Coordinator { owner: Arc::new(Owner { hub, records }), driver: PhantomData }
    }

    /// Answers a request, once everything that the answer says is durable.
    ///
    /// If the future is dropped, the request may have been carried out.
    pub async fn answer(&self, request: &HttpRequest<'_>) -> Reply {
        service::answer(&self.owner.hub, request).await
    }

    /// Returns the number of sessions that have not ended, over all zones.
    pub fn live_sessions(&self) -> usize {
        self.owner.hub.look(nuncio_core::caracal::Coordinator::live_sessions)
    }

    /// Returns the number of edges that are active, over all zones.
    pub fn active_edges(&self) -> usize {
        self.owner.hub.look(nuncio_core::caracal::Coordinator::active_edges)
    }

    /// Ends the coordinator, and waits until its records are written and no longer used. Requests of other clones that wait
    /// for an answer get a 503.
    pub async fn close(self) {
        let ended = self.owner.records.clone();
        self.owner.hub.stop();
        drop(self);
        if let Some(ended) = ended {
            ended.cancelled().await;
        }
    }
}

impl<D> Clone for Coordinator<D> {
    fn clone(&self) -> Coordinator<D> {
        Coordinator { owner: Arc::clone(&self.owner), driver: PhantomData }
    }
}

impl<D> fmt::Debug for Coordinator<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator").field("live_sessions", &self.live_sessions()).finish_non_exhaustive()
    }
}
