//! A running job, as the driver's side of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use nuncio_core::arcp::{Fault, FinalStatus, JobId, JobUlid, JobView, Json, SessionId};
use nuncio_core::lease::Lease;
use nuncio_core::time::Time;
use nuncio_core::trace::TraceId;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

/// What a hub and an agent's contexts share of a running job.
pub(crate) struct Job {
    pub(crate) key: JobId,
    pub(crate) id: JobUlid,
    pub(crate) session: Option<SessionId>,
    pub(crate) agent: String,
    pub(crate) version: Option<String>,
    pub(crate) input: Option<Box<Json>>,
    pub(crate) trace_id: TraceId,
    pub(crate) unblocked: Notify,
    pub(crate) principal: Arc<str>,
    pub(crate) lease: Lease,
    pub(crate) expires_at: Option<Time>,
    pub(crate) deadline: Option<Time>,
    pub(crate) extensions: Option<Box<Json>>,
    pub(crate) delegate_id: Option<String>,
    pub(crate) cancelled: CancellationToken,
    pub(crate) reason: OnceLock<String>,
    task: OnceLock<AbortHandle>,
    ended: AtomicBool,
}

impl Job {
    pub(crate) fn of(key: JobId, view: &JobView<'_>) -> Job {
        Job {
            key,
            id: view.id,
            session: view.session,
            agent: view.agent.to_owned(),
            version: view.version.map(str::to_owned),
            input: view.input.map(Json::to_owned),
            trace_id: view.trace_id,
            unblocked: Notify::new(),
            principal: Arc::clone(view.principal),
            lease: view.lease.clone(),
            expires_at: view.expires_at,
            deadline: view.deadline,
            extensions: view.extensions.map(Json::to_owned),
            delegate_id: view.delegate_id.map(str::to_owned),
            cancelled: CancellationToken::new(),
            reason: OnceLock::new(),
            task: OnceLock::new(),
            ended: AtomicBool::new(false),
        }
    }

    pub(crate) fn cancel(&self, reason: Option<String>) {
        if let Some(reason) = reason {
            // The first reason stays.
            drop(self.reason.set(reason));
        }
        self.cancelled.cancel();
    }

    /// The agent's task is there. The job may have ended before.
    pub(crate) fn started(&self, task: AbortHandle) {
        let task = self.task.get_or_init(|| task);
        if self.has_ended() {
            task.abort();
        }
    }

    /// Stops whatever still runs for the job.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.cancelled.cancel();
        self.unblocked.notify_waiters();
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }
}

/// How a job ended, as the machine says it.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: FinalStatus,
    pub(crate) fault: Option<Fault>,
    pub(crate) result: Option<Bytes>,
}
