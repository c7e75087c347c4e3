//! What a worker does with the actions of its machine.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nuncio_core::cap::{Attempt, Fetched, Load, Pointer, Progress, Subject, TrustRequest, WorkerRefused};
use nuncio_core::time::Time;
use tracing::debug;

use super::job::Reports;
use super::metrics::Metrics;
use super::middleware::Middleware;
use super::registry::Registry;
use super::report;
use super::state::{Action, WorkerState};
use crate::cap::blob::{BlobError, BlobStore};
use crate::cap::node::hub::{Hub, Role, State as _};
use crate::io::clock::timeout;
use crate::io::sync::Watch;
use crate::io::{BoxFuture, Sanitized, Spawn};

/// The parts of a worker beside its machine.
pub(crate) struct WorkerRole {
    pub(super) id: String,
    pub(super) registry: Registry,
    pub(super) middleware: Arc<[Arc<dyn Middleware>]>,
    pub(super) store: Arc<dyn BlobStore>,
    pub(super) spawn: Spawn,
    pub(super) metrics: Arc<dyn Metrics>,
    pub(super) load: Option<Box<dyn Fn() -> Load + Send + Sync>>,
    /// How long a handler that has to stop may go on.
    pub(super) grace: Duration,
    /// The limit for an operation of the store.
    pub(super) io_timeout: Duration,
    /// The limit for a reply of the scheduler.
    pub(super) trust_timeout: Duration,
    pub(super) max_input: usize,
    pub(super) max_output: usize,
    /// Runs the handler of a job. It is a function so that this file does not depend on that one.
    pub(super) start: fn(&Arc<Hub<WorkerRole>>, Start),
    pub(super) has_drained: Watch<bool>,
}

/// A handler to be called.
pub(crate) struct Start {
    pub(super) attempt: Attempt,
    pub(super) call: u32,
    pub(super) job: Arc<super::job::Job>,
    pub(super) input: Option<Bytes>,
}

impl Role for WorkerRole {
    type State = WorkerState;

    fn perform(hub: &Arc<Hub<WorkerRole>>, action: Action) {
        match action {
            Action::Look { attempt, pointer } => look(hub, attempt, pointer),
            Action::Fetch { attempt, pointer } => fetch(hub, attempt, pointer),
            Action::Run { attempt, call, job, input } => {
                (hub.role.start)(hub, Start { attempt, call, job, input });
            }
            Action::Stop(job) => job.cancelled.cancel(),
            Action::Store { attempt, pointer, output, ttl } => store(hub, attempt, pointer, output, ttl),
            Action::Request { id, subject, bytes } => request(hub, id, subject, bytes),
            Action::Report(report) => report::report(&*hub.role.metrics, &hub.role.id, report),
            Action::Drained => hub.role.has_drained.set(true),
        }
    }

    fn expire(hub: &Arc<Hub<WorkerRole>>) {
        // The application's function is called while the lock is free.
        let load = hub.role.load.as_ref().filter(|_| hub.look(WorkerState::awaits_heartbeat)).and_then(|load| {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(load))
                .inspect_err(|_| tracing::error!("the function that reports the load has panicked"))
                .ok()
        });
        hub.run(|state, now| {
            if let Some(load) = load {
                state.machine.set_load(load);
            }
            state.expire(now);
        });
    }
}

/// Reads a blob within the limits of the worker.
async fn read(hub: &Arc<Hub<WorkerRole>>, pointer: &Pointer, max: usize) -> Result<Option<Bytes>, BlobError> {
    let store = &hub.role.store;
    if pointer.scheme != store.scheme() {
        let (own, other) = (store.scheme().prefix(), pointer.scheme.prefix());
        return Err(BlobError::Refused(format!("the pointer begins with {other}, and this worker reads {own} only")));
    }
    let limit = hub.role.io_timeout;
    let late = || BlobError::Unreachable(format!("it did not answer within {limit:?}"));
    timeout(&*hub.io, limit, store.get(&pointer.key, max)).await.ok_or_else(late)?
}

fn fetch(hub: &Arc<Hub<WorkerRole>>, attempt: Attempt, pointer: Pointer) {
    let task = Arc::clone(hub);
    hub.io.spawn(Box::pin(async move {
        let fetched = match read(&task, &pointer, task.role.max_input).await {
            Ok(Some(input)) => Fetched::Found(input),
            Ok(None) => Fetched::Missing,
            Err(error) => Fetched::Failed(error.to_string()),
        };
        if let Err(refused) = task.run(|state, now| state.machine.fetched(now, attempt, fetched)) {
            debug!(refused = %Sanitized(&refused), "an input came too late");
        }
    }));
}

fn look(hub: &Arc<Hub<WorkerRole>>, attempt: Attempt, pointer: Pointer) {
    let task = Arc::clone(hub);
    hub.io.spawn(Box::pin(async move {
        let found = match read(&task, &pointer, task.role.max_output).await {
            Ok(Some(output)) => Fetched::Found(output),
            Ok(None) => Fetched::Missing,
            Err(error) => Fetched::Failed(error.to_string()),
        };
        if let Err(refused) = task.run(|state, now| state.machine.looked(now, attempt, found)) {
            debug!(refused = %Sanitized(&refused), "a stored output came too late");
        }
    }));
}

fn store(hub: &Arc<Hub<WorkerRole>>, attempt: Attempt, pointer: Pointer, output: Bytes, ttl: Duration) {
    let task = Arc::clone(hub);
    hub.io.spawn(Box::pin(async move {
        let limit = task.role.io_timeout;
        let stored = timeout(&*task.io, limit, task.role.store.set(&pointer.key, output, Some(ttl))).await;
        let stored = match stored {
            Some(stored) => stored.map_err(|error| error.to_string()),
            None => Err(format!("the blob store did not answer within {limit:?}")),
        };
        if let Err(refused) = task.run(|state, now| state.machine.stored(now, attempt, stored)) {
            debug!(refused = %Sanitized(&refused), "an output was stored too late");
        }
    }));
}

fn request(hub: &Arc<Hub<WorkerRole>>, id: TrustRequest, subject: Subject, bytes: Bytes) {
    let task = Arc::clone(hub);
    hub.io.spawn(Box::pin(async move {
        let limit = task.role.trust_timeout;
        let reply = task.bus.request(&subject.to_string(), bytes, limit).await;
        let reply = reply.map(|message| message.payload).map_err(|error| error.to_string());
        if let Err(refused) = task.run(|state, now| state.machine.replied(now, id, reply)) {
            debug!(refused = %Sanitized(&refused), "a reply of the scheduler came too late");
        }
    }));
}

impl Reports for Hub<WorkerRole> {
    fn progress(
        self: Arc<Self>,
        attempt: Attempt,
        progress: Progress,
    ) -> BoxFuture<'static, Result<(), WorkerRefused>> {
        Box::pin(async move {
            self.wire.room().await;
            self.run(|state, now| state.machine.progress(now, attempt, &progress))
        })
    }

    fn now(&self) -> Time {
        self.clock.now()
    }
}
