//! Clients: they submit jobs and await their results.

mod builder;
mod error;
mod handle;
mod progress;
mod slot;
mod state;
mod submit;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nuncio_core::cap::Pointer;

pub use builder::ClientBuilder;
pub use error::{JobError, NoResult, ResultError, SubmitError};
pub use handle::{JobHandle, ProgressEvents};
pub use progress::ProgressEvent;
pub use submit::Submit;

use self::state::ClientRole;
use super::blob::BlobError;
use super::bus::BusError;
use super::node::hub::Connection;
use super::node::owner::Owner;
use crate::io::clock::{monotonic, timeout};
use crate::io::{BoxFuture, random};

/// A client: it submits jobs to the bus, and awaits their results.
///
/// A job is published on `sys.job.submit`, from where a router sends it to a worker. Its input goes to the blob store before.
/// A request of which nothing is heard for a while is sent again with the same job id, and so are all requests after the bus
/// was away. Clones share the client.
///
/// ```
/// # use nuncio_smol::cap::{Client, JobContext, Bus as _, MemoryBus, MemoryStore, Message, Submit, Worker};
/// # use futures_lite::StreamExt as _;
/// # smol::block_on(async {
/// # let (bus, store) = (MemoryBus::new(), MemoryStore::new());
/// # let worker = Worker::builder()
/// #     .job("job.count", |_: JobContext, words: Vec<String>| async move { Ok(words.len()) })
/// #     .start(bus.another(), store.clone())?;
/// # worker.ready().await?;
/// # // What a router does, as far as this example needs one.
/// # let (router, mut submitted) = (bus.another(), bus.subscribe("sys.job.submit", None).await?);
/// # smol::spawn(async move {
/// #     while let Some(received) = submitted.next().await {
/// #         let message = Message { subject: "job.count".into(), ..received.message };
/// #         router.publish(message).await.expect("the bus is there");
/// #     }
/// # }).detach();
/// let client = Client::builder().id("client-1").connect(bus, store)?;
/// let mut job = client.submit(Submit::new("job.count").input(&["to", "be"])).await?;
/// assert_eq!(job.result::<usize>().await?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Client<D> {
    owner: Arc<Owner<ClientRole>>,
    driver: PhantomData<fn(D)>,
}

impl<D> Client<D> {
    fn new(owner: Arc<Owner<ClientRole>>) -> Client<D> {
        Client { owner, driver: PhantomData }
    }

    /// Returns the client's id.
    pub fn id(&self) -> &str {
        &self.owner.hub.role.id
    }

    /// Returns the principal that all requests of the client name, if it speaks the production profile.
    pub(crate) fn sealed_principal(&self) -> Option<&str> {
        self.owner.hub.role.sealed_principal.as_deref()
    }

    /// Stores the input of a job, and submits the job. While the bus is away, the request waits.
    ///
    /// If the future is dropped, the job is not submitted.
    pub async fn submit(&self, submit: Submit) -> Result<JobHandle, SubmitError> {
        let submit::Parts { mut request, trace_id, input, wait } = submit.parts()?;
        if request.job_id.is_empty() {
            request.job_id = random::name()?;
        }
        let hub = &self.owner.hub;
        let pointer = self.store(format!("ctx:{}", request.job_id), input, hub.role.input_ttl).await?;
        request.context_ptr = pointer.to_string();
        let job_id = request.job_id.clone();
        let (key, slot) = hub.run(|state, now| {
            if state.is_closed {
                return Err(SubmitError::Closed);
            }
            let key = state.machine.submit(now, request, &trace_id, wait)?;
            Ok((key, state.add(key)))
        })?;
        Ok(JobHandle { owner: Arc::clone(&self.owner), slot, key, job_id })
    }

    /// Stores a blob within the limit for an operation of the store.
    pub(crate) async fn store(&self, key: String, blob: Bytes, ttl: Option<Duration>) -> Result<Pointer, BlobError> {
        let hub = &self.owner.hub;
        let (store, limit) = (&hub.role.store, hub.role.io_timeout);
        let stored = timeout(&*hub.io, limit, store.set(&key, blob, ttl)).await;
        stored.ok_or_else(|| BlobError::Unreachable(format!("it did not answer within {limit:?}")))??;
        Ok(Pointer { scheme: store.scheme(), key })
    }

    /// Waits for some time, on the client's thread.
    pub(crate) fn pause(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.owner.hub.io.sleep_until(monotonic() + time)
    }

    /// Returns the number of jobs whose result is awaited.
    pub fn awaited(&self) -> usize {
        self.owner.hub.look(|state| state.machine.awaited())
    }

    /// Returns whether the client is connected to its bus, and since when that is so.
    pub fn connection(&self) -> Connection {
        self.owner.hub.connection()
    }

    /// Waits until the client is connected, and the server has everything that was submitted so far.
    ///
    /// Errors: [`BusError::Closed`] if the bus was closed.
    pub async fn ready(&self) -> Result<(), BusError> {
        self.owner.hub.settled().await
    }
}

impl<D> Clone for Client<D> {
    fn clone(&self) -> Client<D> {
        Client::new(Arc::clone(&self.owner))
    }
}

impl<D> std::fmt::Debug for Client<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("id", &self.id()).finish_non_exhaustive()
    }
}
