//! A running job, as the server's tasks and its agent share it.

use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use event_listener::{Event, EventListener};
use futures_channel::oneshot;
use nuncio_core::arcp::{Answer, Fault, FinalStatus, JobId, JobKey, JobView, Json, QuestionId, SessionId};
use nuncio_core::budget::Budget;
use nuncio_core::lease::Lease;
use nuncio_core::time::Time;
use nuncio_core::trace::TraceId;
use tracing::Span;

use crate::io::Io;
use crate::io::lane::Lane;
use crate::io::sync::{CancellationToken, lock};

/// Small events of the agents of one principal after which others have their turn.
pub(crate) const EVENTS_AT_ONCE: u64 = 128;

/// A running job: what it is, and the signals that stop its agent or let it go on.
pub(crate) struct Job {
    pub(crate) key: JobKey,
    pub(crate) info: JobInfo,
    /// What the job that delegated this one has attached for its agent.
    #[cfg_attr(not(feature = "caracal"), expect(dead_code, reason = "only the bridge of Caracal attaches values"))]
    pub(crate) attachment: Option<Attachment>,
    /// The agent's span, from its start to the job's end.
    span: Mutex<Span>,
    /// Cancelled when the agent is to stop.
    cancelled: CancellationToken,
    cancel_reason: OnceLock<String>,
    /// Cancelled when the job has ended or was left; the agent is dropped then.
    ended: CancellationToken,
    /// Whether the job was left to the next start of the server.
    left: AtomicBool,
    /// Notified when the owner's event log has room again.
    room: Event,
    /// The lane of its principal's agents.
    lane: Arc<Lane>,
    /// The number of the last note that is durable, and the signal of the next.
    noted: AtomicU64,
    durable: Event,
    /// The tasks of the agent that wait for answers, by question.
    asking: Mutex<HashMap<QuestionId, Vec<oneshot::Sender<Answer>>>>,
}

/// What was known of a job when its agent started.
pub(crate) struct JobInfo {
    pub(crate) id: JobId,
    pub(crate) session: Option<SessionId>,
    pub(crate) principal: Arc<str>,
    pub(crate) agent: String,
    pub(crate) version: Option<String>,
    pub(crate) input: Option<Arc<Json>>,
    pub(crate) lease: Lease,
    pub(crate) expires_at: Option<Time>,
    pub(crate) deadline: Option<Time>,
    /// The remaining budget, as JSON.
    pub(crate) budget: Option<String>,
    pub(crate) trace_id: TraceId,
    pub(crate) extensions: Option<Box<Json>>,
    pub(crate) delegate_id: Option<String>,
    pub(crate) restarts: u32,
}

/// A value that a job attaches to one that it delegates, for its agent. It stays within the process, and no peer can set it.
pub(crate) type Attachment = Arc<dyn Any + Send + Sync>;

/// How a job ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: FinalStatus,
    pub(crate) fault: Option<Fault>,
    pub(crate) result: Option<Bytes>,
    /// The remaining budget, as JSON.
    pub(crate) budget: Option<String>,
}

impl Job {
    pub(crate) fn new(key: JobKey, view: &JobView<'_>, lane: Arc<Lane>, attachment: Option<Attachment>) -> Job {
        let info = JobInfo {
            id: view.id.into(),
            session: view.session.map(SessionId::from),
            principal: Arc::clone(view.principal),
            agent: view.agent.to_owned(),
            version: view.version.map(str::to_owned),
            input: view.input.cloned(),
            lease: view.lease.clone(),
            expires_at: view.expires_at,
            deadline: view.deadline,
            budget: view.budget.map(Budget::to_json_numbers),
            trace_id: view.trace_id,
            extensions: view.extensions.map(Json::to_owned),
            delegate_id: view.delegate_id.map(str::to_owned),
            restarts: view.restarts,
        };
        Job {
            key,
            info,
            attachment,
            span: Mutex::new(Span::none()),
            cancelled: CancellationToken::new(),
            cancel_reason: OnceLock::new(),
            ended: CancellationToken::new(),
            left: AtomicBool::new(false),
            room: Event::new(),
            lane,
            noted: AtomicU64::new(0),
            durable: Event::new(),
            asking: Mutex::default(),
        }
    }

    /// Asks the agent to stop. The first reason counts.
    pub(crate) fn cancel(&self, reason: Option<String>) {
        if let Some(reason) = reason {
            drop(self.cancel_reason.set(reason));
        }
        self.cancelled.cancel();
    }

    pub(crate) fn cancellation(&self) -> &CancellationToken {
        &self.cancelled
    }

    pub(crate) fn cancel_reason(&self) -> Option<&str> {
        self.cancel_reason.get().map(String::as_str)
    }

    /// Wakes every task that waits for room in the owner's event log.
    pub(crate) fn unblock(&self) {
        self.room.notify(usize::MAX);
    }

    /// Returns a future of the next time the log has room, or the job has ended.
    pub(crate) fn room(&self) -> EventListener {
        self.room.listen()
    }

    /// Notes that a note is durable.
    pub(crate) fn noted(&self, number: u64) {
        self.noted.fetch_max(number, Ordering::SeqCst);
        self.durable.notify(usize::MAX);
    }

    /// Waits until a note is durable. Returns whether it is; it is not if the job has ended first.
    pub(crate) async fn until_noted(&self, number: u64) -> bool {
        loop {
            let listener = self.durable.listen();
            if self.noted.load(Ordering::SeqCst) >= number {
                return true;
            }
            if self.has_ended() {
                return false;
            }
            listener.await;
        }
    }

    /// Returns a receiver of the answer to a question; it is dropped when the job ends.
    pub(crate) fn await_answer(&self, question: QuestionId) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        let mut asking = lock(&self.asking);
        let waiting = asking.entry(question).or_default();
        waiting.retain(|sender| !sender.is_canceled());
        if !self.has_ended() {
            waiting.push(sender);
        }
        receiver
    }

    /// Hands on the answer to a question.
    pub(crate) fn answered(&self, question: QuestionId, answer: &Answer) {
        for waiting in lock(&self.asking).remove(&question).into_iter().flatten() {
            // The receiver is gone if the task no longer waits.
            drop(waiting.send(answer.clone()));
        }
    }

    /// Counts an event of the agent. Now and then the agents of its principal wait here for those of others, so that an
    /// agent that does nothing but emit can be dropped.
    pub(crate) async fn breathe(&self, io: &dyn Io) {
        self.lane.enter().await;
        self.lane.spend(1, io);
    }

    /// Counts the bytes of a large event that was emitted, so that agents that emit many leave the processors to others.
    pub(crate) fn emitted(&self, bytes: usize, io: &dyn Io) {
        self.lane.spend_large_event(bytes, io);
    }

    /// Keeps the agent's span for the spans of its children and for the job's end. It is given up at the end, since a
    /// context may outlive the agent.
    pub(crate) fn enter(&self, span: &Span) {
        let mut kept = lock(&self.span);
        if !self.has_ended() {
            *kept = span.clone();
        }
    }

    /// Returns the agent's span; an empty one before its start and after the job's end.
    pub(crate) fn span(&self) -> Span {
        lock(&self.span).clone()
    }

    /// Stops everything that still runs for the job, and returns the agent's span.
    pub(crate) fn end(&self) -> Span {
        self.ended.cancel();
        let span = std::mem::replace(&mut *lock(&self.span), Span::none());
        self.cancelled.cancel();
        self.room.notify(usize::MAX);
        self.durable.notify(usize::MAX);
        lock(&self.asking).clear();
        span
    }

    /// Stops everything that still runs for the job here, because the next start of the server goes on with it.
    pub(crate) fn leave(&self) {
        // First, so that whatever is stopped by the end knows why.
        self.left.store(true, Ordering::SeqCst);
        drop(self.end());
    }

    /// Returns whether the job was left to the next start of the server.
    pub(crate) fn is_left(&self) -> bool {
        self.left.load(Ordering::SeqCst)
    }

    /// Returns whether the job has ended or was left.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Waits until the job has ended or was left.
    pub(crate) async fn over(&self) {
        self.ended.cancelled().await;
    }
}
