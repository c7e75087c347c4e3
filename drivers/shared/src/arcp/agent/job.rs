//! A running job, as the driver's side of it.

use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use event_listener::Event;
use nuncio_core::arcp::{Fault, FinalStatus, JobId, JobUlid, JobView, Json, SessionId};
use nuncio_core::budget::Budget;
use nuncio_core::lease::Lease;
use nuncio_core::time::Time;
use nuncio_core::trace::TraceId;
use tracing::Span;

use crate::arcp::agent::span;
use crate::io::sync::CancellationToken;
use crate::io::sync::lock;

/// What a hub and an agent's contexts share of a running job.
pub(crate) struct Job {
    pub(crate) key: JobId,
    pub(crate) id: JobUlid,
    pub(crate) session: Option<SessionId>,
    pub(crate) agent: String,
    pub(crate) version: Option<String>,
    pub(crate) input: Option<Box<Json>>,
    pub(crate) trace_id: TraceId,
    pub(crate) unblocked: Event,
    pub(crate) principal: Arc<str>,
    pub(crate) lease: Lease,
    pub(crate) expires_at: Option<Time>,
    pub(crate) deadline: Option<Time>,
    pub(crate) extensions: Option<Box<Json>>,
    pub(crate) delegate_id: Option<String>,
    /// What was left of the budget at the start, as JSON.
    pub(crate) budget: Option<String>,
    /// The span of its agent, until the job's end.
    span: Mutex<Span>,
    pub(crate) cancelled: CancellationToken,
    pub(crate) reason: OnceLock<String>,
    /// Counts what was emitted.
    pub(crate) emitted: AtomicU32,
    /// Its agent is to be dropped.
    ended: CancellationToken,
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
            unblocked: Event::new(),
            principal: Arc::clone(view.principal),
            lease: view.lease.clone(),
            expires_at: view.expires_at,
            deadline: view.deadline,
            extensions: view.extensions.map(Json::to_owned),
            delegate_id: view.delegate_id.map(str::to_owned),
            budget: view.budget.map(Budget::to_json_numbers),
            span: Mutex::new(Span::none()),
            cancelled: CancellationToken::new(),
            reason: OnceLock::new(),
            emitted: AtomicU32::new(0),
            ended: CancellationToken::new(),
        }
    }

    pub(crate) fn cancel(&self, reason: Option<String>) {
        if let Some(reason) = reason {
            // The first reason stays.
            drop(self.reason.set(reason));
        }
        self.cancelled.cancel();
    }

    /// Keeps the span of the agent, for its children and its end. It must not outlive the agent by a context that does.
    pub(crate) fn show(&self, span: &Span) {
        let mut kept = lock(&self.span);
        if !self.has_ended() {
            *kept = span.clone();
        }
    }

    /// The span of the agent; none before it starts and after the job's end.
    pub(crate) fn span(&self) -> Span {
        lock(&self.span).clone()
    }

    /// Stops whatever still runs for the job.
    pub(crate) fn end(&self, ended: &Ended) {
        self.ended.cancel();
        span::end(&std::mem::replace(&mut *lock(&self.span), Span::none()), ended);
        self.cancelled.cancel();
        self.unblocked.notify(usize::MAX);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Waits for the end of the job.
    pub(crate) async fn over(&self) {
        self.ended.cancelled().await;
    }
}

/// How a job ended, as the machine says it.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: FinalStatus,
    pub(crate) fault: Option<Fault>,
    pub(crate) result: Option<Bytes>,
    /// What is left of the budget, as JSON.
    pub(crate) budget: Option<String>,
}
