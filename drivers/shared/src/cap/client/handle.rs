//! A job that was submitted.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use nuncio_core::cap::{ClientJob, ClientRefused, JobResult, Pointer};
use serde::de::DeserializeOwned;

use super::error::{JobError, NoResult, ResultError};
use super::progress::ProgressEvent;
use super::slot::Slot;
use super::state::ClientRole;
use crate::cap::blob::BlobError;
use crate::cap::node::owner::Owner;
use crate::io::clock::timeout;

/// A job that was submitted. It outlives lost connections. Dropping it releases it: the job goes on.
///
/// ```
/// # use nuncio_smol::cap::{Client, JobContext, Bus as _, MemoryBus, MemoryStore, Message, Submit, Worker};
/// # use futures_lite::StreamExt as _;
/// # smol::block_on(async {
/// # let (bus, store) = (MemoryBus::new(), MemoryStore::new());
/// # let worker = Worker::builder().job("job.count", |ctx: JobContext, words: Vec<String>| async move {
/// #     ctx.progress(50).await?;
/// #     Ok(words.len())
/// # }).start(bus.another(), store.clone())?;
/// # worker.ready().await?;
/// # // What a router does, as far as this example needs one.
/// # let (router, mut submitted) = (bus.another(), bus.subscribe("sys.job.submit", None).await?);
/// # smol::spawn(async move {
/// #     while let Some(received) = submitted.next().await {
/// #         let message = Message { subject: "job.count".into(), ..received.message };
/// #         router.publish(message).await.expect("the bus is there");
/// #     }
/// # }).detach();
/// # let client = Client::builder().connect(bus, store)?;
/// let mut job = client.submit(Submit::new("job.count").input(&["to", "be"])).await?;
/// while let Some(progress) = job.progress().next().await {
///     println!("{} %", progress.percent);
/// }
/// assert_eq!(job.result::<usize>().await?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct JobHandle {
    pub(super) owner: Arc<Owner<ClientRole>>,
    pub(super) slot: Arc<Slot>,
    pub(super) key: ClientJob,
    pub(super) job_id: String,
}

impl JobHandle {
    /// Returns the id of the job.
    pub fn job_id(&self) -> &str {
        &self.job_id
    }

    /// Returns a stream of the progress of the job, which ends with the job. Of progress that is not read, the last 64
    /// reports are kept.
    pub fn progress(&mut self) -> ProgressEvents<'_> {
        ProgressEvents { slot: &self.slot }
    }

    /// Waits for the result, whatever it is. It can be called again.
    pub async fn outcome(&mut self) -> Result<JobResult, NoResult> {
        std::future::poll_fn(|cx| self.slot.poll_end(cx)).await
    }

    /// Waits for the result, and reads the output as JSON. A job that did not succeed is an error.
    pub async fn result<T: DeserializeOwned>(&mut self) -> Result<T, ResultError> {
        let output = self.raw_result().await?;
        serde_json::from_slice(&output).map_err(ResultError::Decode)
    }

    /// Waits for the result, and returns the bytes of the output. A job that did not succeed is an error.
    pub async fn raw_result(&mut self) -> Result<Bytes, ResultError> {
        let result = self.outcome().await?;
        if let Some(error) = JobError::of(&result) {
            return Err(error.into());
        }
        let pointer = result.result_ptr;
        let parsed = match Pointer::parse(&pointer) {
            Ok(parsed) => parsed,
            Err(error) => return Err(ResultError::Pointer { pointer, error }),
        };
        let hub = &self.owner.hub;
        if parsed.scheme != hub.role.store.scheme() {
            return Err(ResultError::OtherStore(pointer));
        }
        let (limit, max) = (hub.role.io_timeout, hub.role.max_output);
        let late = || BlobError::Unreachable(format!("it did not answer within {limit:?}"));
        let read = timeout(&*hub.io, limit, hub.role.store.get(&parsed.key, max)).await.ok_or_else(late)??;
        read.ok_or(ResultError::Missing(pointer))
    }

    /// Asks for the job to be stopped. Its result is still awaited, and may be another one than `CANCELLED`.
    ///
    /// Errors: [`ClientRefused::Stale`] if the job has ended or was cancelled before.
    pub fn cancel(&self, reason: &str) -> Result<(), ClientRefused> {
        self.owner.hub.run(|state, now| state.machine.cancel(now, self.key, reason))
    }

    /// Returns whether anything was heard of the job: progress, or a sign that a worker has it.
    pub(crate) fn is_heard(&self) -> bool {
        self.owner.hub.look(|state| state.machine.is_heard(self.key))
    }

    /// Returns whether the result is there, or is no longer awaited.
    pub fn has_ended(&self) -> bool {
        self.slot.has_ended()
    }
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.owner.hub.run(|state, now| state.forget(now, self.key));
        }
    }
}

impl fmt::Debug for JobHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").field("job_id", &self.job_id).finish_non_exhaustive()
    }
}

/// The progress of a job; from [`JobHandle::progress`].
#[derive(Debug)]
pub struct ProgressEvents<'a> {
    slot: &'a Slot,
}

impl Stream for ProgressEvents<'_> {
    type Item = ProgressEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ProgressEvent>> {
        self.slot.poll_progress(cx)
    }
}
