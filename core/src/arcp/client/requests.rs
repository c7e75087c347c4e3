//! The requests of a client: queued, sent, and answered.
//!
//! ```text
//!   add --> waiting --enqueue, complete--> queued --next--> sent --answered_by, remove--> gone
//!                                            ^               |
//!                                            +----requeue----+   the transport was lost
//! ```

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::event::Failed;
use super::jobs::JobKey;
use super::types::{HandleId, RequestId};
use crate::arcp::wire::feature::Features;
use crate::arcp::wire::ids::EnvelopeId;
use crate::arcp::wire::status::READ_STATUS;
use crate::time::Time;
use crate::trace::TraceId;

/// The number of envelope ids that are remembered of one request. Most requests get a new one whenever they are sent again,
/// and the runtime may still answer an old one.
const MAX_ENVELOPES: usize = 4;

/// The number of envelope ids that are remembered of requests that are gone.
const MAX_GONE: usize = 256;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Submit(HandleId),
    Subscribe(HandleId),
    Cancel(HandleId),
    List,
    /// An answer to a question of a job.
    Answer,
    /// A list of open questions.
    Questions,
    /// A list of sessions.
    Sessions,
    /// The state of the runtime.
    Status,
    /// A list of the live jobs, to find jobs that the runtime is silent about.
    Survey,
    /// A subscribe to a job that the runtime is silent about.
    Inquire(JobKey),
    /// Nothing answers an unsubscribe, so it is gone once it was sent.
    Unsubscribe,
}

impl Ask {
    /// Returns the message type.
    pub(super) fn message_type(self) -> &'static str {
        match self {
            Ask::Submit(_) => "job.submit",
            Ask::Subscribe(_) | Ask::Inquire(_) => "job.subscribe",
            Ask::Cancel(_) => "job.cancel",
            Ask::List | Ask::Survey => "session.list_jobs",
            Ask::Answer => "x-vendor.nuncio.answer",
            Ask::Questions => "x-vendor.nuncio.list_questions",
            Ask::Sessions => "x-vendor.nuncio.list_sessions",
            Ask::Status => READ_STATUS,
            Ask::Unsubscribe => "job.unsubscribe",
        }
    }

    /// Returns how a failure of the request `id` names it. The failure of a request that the application has not
    /// made, and that of an unsubscribe, is not reported.
    pub(super) fn failed(self, id: RequestId) -> Option<Failed> {
        match self {
            Ask::Submit(handle) => Some(Failed::Submit(handle)),
            Ask::Subscribe(handle) => Some(Failed::Subscribe(handle)),
            Ask::Cancel(handle) => Some(Failed::Cancel(id, handle)),
            Ask::List => Some(Failed::List(id)),
            Ask::Answer => Some(Failed::Answer(id)),
            Ask::Questions => Some(Failed::Questions(id)),
            Ask::Sessions => Some(Failed::Sessions(id)),
            Ask::Status => Some(Failed::Status(id)),
            Ask::Survey | Ask::Inquire(_) | Ask::Unsubscribe => None,
        }
    }
}

/// A request, which becomes a frame each time it is sent.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) ask: Ask,
    pub(super) payload: String,
    pub(super) extensions: Option<Box<str>>,
    pub(super) job: Option<Arc<str>>,
    pub(super) trace: Option<TraceId>,
    /// The features that the session needs for it.
    pub(super) needs: Features,
}

impl Request {
    /// Creates a request that needs no feature.
    pub(super) fn new(ask: Ask, payload: String) -> Request {
        Request { ask, payload, extensions: None, job: None, trace: None, needs: Features::NONE }
    }

    /// Returns the number of bytes that the request adds to a frame beside the ids of the envelope.
    pub(super) fn text_bytes(&self) -> usize {
        self.payload.len().saturating_add(self.extensions.as_ref().map_or(0, |text| text.len()))
    }

    fn bytes(&self) -> usize {
        size_of::<Entry>().saturating_add(self.text_bytes())
    }
}

#[derive(Clone, Debug)]
struct Entry {
    request: Request,
    /// The envelope ids under which it was sent, oldest first.
    envelopes: Vec<EnvelopeId>,
    /// When the answer is overdue, if the request was sent on the present transport; on the reading clock.
    deadline: Option<Time>,
}

/// All requests of a client, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    open: BTreeMap<RequestId, Entry>,
    queue: VecDeque<RequestId>,
    by_envelope: BTreeMap<EnvelopeId, RequestId>,
    deadlines: BTreeSet<(Time, RequestId)>,
    /// The envelope ids of the last requests that are gone, oldest first.
    gone: VecDeque<EnvelopeId>,
    bytes: usize,
    count: u64,
}

impl Requests {
    /// Returns the number of requests.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Returns the number of bytes held.
    pub(super) fn bytes_held(&self) -> usize {
        self.bytes.saturating_add(self.gone.len().saturating_mul(size_of::<EnvelopeId>()))
    }

    /// Adds a request. It is not sent until [`Requests::enqueue`].
    pub(super) fn add(&mut self, request: Request) -> RequestId {
        self.count = self.count.saturating_add(1);
        let id = RequestId(self.count);
        self.bytes = self.bytes.saturating_add(request.bytes());
        self.open.insert(id, Entry { request, envelopes: Vec::new(), deadline: None });
        id
    }

    /// Queues a request to be sent.
    pub(super) fn enqueue(&mut self, id: RequestId) {
        self.queue.push_back(id);
    }

    /// Adds the job and the payload to a request that waited for them, and queues it.
    pub(super) fn complete(&mut self, id: RequestId, job: Arc<str>, payload: String) {
        if let Some(entry) = self.open.get_mut(&id) {
            self.bytes = self.bytes.saturating_sub(entry.request.bytes());
            entry.request.job = Some(job);
            entry.request.payload = payload;
            self.bytes = self.bytes.saturating_add(entry.request.bytes());
            self.queue.push_back(id);
        }
    }

    /// Returns whether a request is queued.
    pub(super) fn is_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Sends the next queued request: returns what `write` makes of it and of its envelope id. It is sent under the id
    /// `fresh`, unless it is a subscribe that is sent again and `repeats` says that the runtime knows it by its id. Its answer
    /// is overdue at `deadline`.
    pub(super) fn next<T>(
        &mut self,
        fresh: EnvelopeId,
        deadline: Time,
        repeats: bool,
        write: impl FnOnce(&Request, EnvelopeId) -> T,
    ) -> Option<T> {
        while let Some(id) = self.queue.pop_front() {
            let Some(entry) = self.open.get_mut(&id) else { continue };
            let repeats = repeats && matches!(entry.request.ask, Ask::Subscribe(_));
            let last = entry.envelopes.pop_if(|_| repeats);
            let envelope = last.unwrap_or(fresh);
            let written = write(&entry.request, envelope);
            if entry.request.ask == Ask::Unsubscribe {
                self.remove(id);
                return Some(written);
            }
            if entry.envelopes.len() == MAX_ENVELOPES {
                self.by_envelope.remove(&entry.envelopes.remove(0));
            }
            entry.envelopes.push(envelope);
            entry.deadline = Some(deadline);
            self.by_envelope.insert(envelope, id);
            self.deadlines.insert((deadline, id));
            return Some(written);
        }
        None
    }

    /// Queues the unanswered requests again after the transport was lost, in the order in which they were added.
    pub(super) fn requeue(&mut self) {
        self.deadlines.clear();
        let mut again: Vec<RequestId> = self.queue.drain(..).collect();
        for (id, entry) in &mut self.open {
            if entry.deadline.take().is_some() {
                again.push(*id);
            }
        }
        again.sort_unstable();
        self.queue.extend(again);
    }

    /// Returns the request that was sent under the envelope id `quoted`.
    pub(super) fn sent_as(&self, quoted: &str) -> Option<RequestId> {
        self.by_envelope.get(&EnvelopeId::parse(quoted)?).copied()
    }

    /// Returns whether a request was sent under this envelope id, gone or not.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.sent_as(id).is_some() || self.is_gone(id)
    }

    /// Returns whether a request that is gone was sent under the envelope id `quoted`.
    pub(super) fn is_gone(&self, quoted: &str) -> bool {
        EnvelopeId::parse(quoted).is_some_and(|id| self.gone.contains(&id))
    }

    /// Returns the oldest request that was sent and is one of the `wanted`.
    pub(super) fn oldest(&self, mut wanted: impl FnMut(&Request) -> bool) -> Option<RequestId> {
        let mut sent = self.open.iter().filter(|(_, entry)| !entry.envelopes.is_empty());
        sent.find(|(_, entry)| wanted(&entry.request)).map(|(id, _)| *id)
    }

    /// Returns the subscriptions that were not answered.
    pub(super) fn subscriptions(&self) -> impl Iterator<Item = HandleId> {
        self.open.values().filter_map(|entry| {
            let Ask::Subscribe(handle) = entry.request.ask else { return None };
            Some(handle)
        })
    }

    /// Returns a request.
    pub(super) fn get(&self, id: RequestId) -> Option<&Request> {
        self.open.get(&id).map(|entry| &entry.request)
    }

    /// Returns whether a request was ever sent.
    pub(super) fn was_sent(&self, id: RequestId) -> bool {
        self.open.get(&id).is_some_and(|entry| !entry.envelopes.is_empty())
    }

    /// Returns the largest request that was sent on the present transport, and its bytes.
    pub(super) fn largest_sent(&self) -> Option<(RequestId, usize)> {
        let sent = self.open.iter().filter(|(_, entry)| entry.deadline.is_some());
        sent.map(|(id, entry)| (*id, entry.request.bytes())).max_by_key(|(_, bytes)| *bytes)
    }

    /// Returns the request whose answer is overdue first, and when.
    pub(super) fn first_deadline(&self) -> Option<(Time, RequestId)> {
        self.deadlines.first().copied()
    }

    /// Returns all requests in the order in which they were added.
    pub(super) fn ids(&self) -> Vec<RequestId> {
        self.open.keys().copied().collect()
    }

    /// Removes a request that was answered or is given up.
    pub(super) fn remove(&mut self, id: RequestId) -> Option<Request> {
        let entry = self.open.remove(&id)?;
        self.bytes = self.bytes.saturating_sub(entry.request.bytes());
        for envelope in entry.envelopes {
            self.by_envelope.remove(&envelope);
            if self.gone.len() == MAX_GONE {
                self.gone.pop_front();
            }
            self.gone.push_back(envelope);
        }
        if let Some(deadline) = entry.deadline {
            self.deadlines.remove(&(deadline, id));
        }
        // The queue may still hold its id, which is skipped later.
        if self.queue.len() > self.open.len().saturating_mul(2) {
            self.queue.retain(|id| self.open.contains_key(id));
        }
        Some(entry.request)
    }
}
