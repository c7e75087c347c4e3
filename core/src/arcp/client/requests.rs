//! Requests: waiting for credit, sent and unanswered, and which one an answer belongs to (core/docs/arcp.md,
//! "The client").

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use super::event::Failed;
use super::types::{HandleId, RequestId};
use crate::arcp::wire::feature::Features;
use crate::arcp::wire::ids::EnvelopeId;
use crate::time::Time;
use crate::trace::TraceId;

/// Envelope ids remembered of one request: it gets a new one at every resume, and an old one may be answered yet.
const IDS: usize = 4;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Submit(HandleId),
    Subscribe(HandleId),
    Cancel(HandleId),
    List,
    /// Silent: nothing answers it.
    Unsubscribe,
}

/// A request as it is written when its turn comes.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) what: What,
    pub(super) kind: &'static str,
    pub(super) payload: String,
    pub(super) extensions: Option<Box<str>>,
    pub(super) job: Option<Arc<str>>,
    pub(super) trace: Option<TraceId>,
    /// The features without which it may not be sent.
    pub(super) needs: Features,
}

#[derive(Clone, Debug)]
struct Entry {
    request: Request,
    ids: Vec<EnvelopeId>,
    /// On the reading clock; set once it was sent on the present transport.
    deadline: Option<Time>,
}

/// All requests of a client, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    open: BTreeMap<RequestId, Entry>,
    queue: VecDeque<RequestId>,
    by_envelope: BTreeMap<EnvelopeId, RequestId>,
    deadlines: BTreeSet<(Time, RequestId)>,
    bytes: usize,
    count: u64,
}

impl Request {
    fn bytes(&self) -> usize {
        let extensions = self.extensions.as_ref().map_or(0, |text| text.len());
        size_of::<Entry>().saturating_add(self.payload.len()).saturating_add(extensions)
    }

    /// What a failure of it is about; a silent one does not fail.
    pub(super) fn failed(&self, id: RequestId) -> Option<Failed> {
        match self.what {
            What::Submit(handle) => Some(Failed::Submit(handle)),
            What::Subscribe(handle) => Some(Failed::Subscribe(handle)),
            What::Cancel(handle) => Some(Failed::Cancel(id, handle)),
            What::List => Some(Failed::List(id)),
            What::Unsubscribe => None,
        }
    }
}

impl Requests {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a request; it waits outside the queue until [`Requests::enqueue`].
    pub(super) fn add(&mut self, request: Request) -> RequestId {
        self.count = self.count.saturating_add(1);
        let id = RequestId(self.count);
        self.bytes = self.bytes.saturating_add(request.bytes());
        self.open.insert(id, Entry { request, ids: Vec::new(), deadline: None });
        id
    }

    pub(super) fn enqueue(&mut self, id: RequestId) {
        self.queue.push_back(id);
    }

    /// Completes a request that waited for something, and puts it into the queue.
    pub(super) fn complete(&mut self, id: RequestId, job: Arc<str>, payload: String) {
        if let Some(entry) = self.open.get_mut(&id) {
            self.bytes = self.bytes.saturating_sub(entry.request.bytes());
            entry.request.job = Some(job);
            entry.request.payload = payload;
            self.bytes = self.bytes.saturating_add(entry.request.bytes());
            self.queue.push_back(id);
        }
    }

    /// Writes the next request under a new envelope id. A silent one is done with.
    pub(super) fn send(
        &mut self,
        envelope: EnvelopeId,
        deadline: Time,
        write: impl FnOnce(&Request) -> Bytes,
    ) -> Option<Bytes> {
        while let Some(id) = self.queue.pop_front() {
            let Some(entry) = self.open.get_mut(&id) else { continue };
            let frame = write(&entry.request);
            if entry.request.what == What::Unsubscribe {
                self.remove(id);
                return Some(frame);
            }
            if entry.ids.len() == IDS {
                self.by_envelope.remove(&entry.ids.remove(0));
            }
            entry.ids.push(envelope);
            entry.deadline = Some(deadline);
            self.by_envelope.insert(envelope, id);
            self.deadlines.insert((deadline, id));
            return Some(frame);
        }
        None
    }

    pub(super) fn waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The transport is lost: whatever is unanswered is to be sent again, in the order it was asked.
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

    pub(super) fn by_envelope(&self, id: &str) -> Option<RequestId> {
        self.by_envelope.get(&EnvelopeId::parse(id)?).copied()
    }

    /// The oldest sent request that `wanted` accepts.
    pub(super) fn oldest(&self, mut wanted: impl FnMut(&Request) -> bool) -> Option<RequestId> {
        let sent = |entry: &Entry| !entry.ids.is_empty();
        self.open.iter().find(|(_, entry)| sent(entry) && wanted(&entry.request)).map(|(id, _)| *id)
    }

    pub(super) fn get(&self, id: RequestId) -> Option<&Request> {
        self.open.get(&id).map(|entry| &entry.request)
    }

    /// The largest request that was sent on the present transport, and its bytes.
    pub(super) fn largest_sent(&self) -> Option<(RequestId, usize)> {
        let sent = self.open.iter().filter(|(_, entry)| entry.deadline.is_some());
        sent.map(|(id, entry)| (*id, entry.request.bytes())).max_by_key(|(_, bytes)| *bytes)
    }

    /// Whether it was ever given to a transport.
    pub(super) fn was_sent(&self, id: RequestId) -> bool {
        self.open.get(&id).is_some_and(|entry| !entry.ids.is_empty())
    }

    /// It was answered, or is given up. Its place in the queue is skipped later.
    pub(super) fn remove(&mut self, id: RequestId) -> Option<Request> {
        let entry = self.open.remove(&id)?;
        self.bytes = self.bytes.saturating_sub(entry.request.bytes());
        for envelope in entry.ids {
            self.by_envelope.remove(&envelope);
        }
        if let Some(deadline) = entry.deadline {
            self.deadlines.remove(&(deadline, id));
        }
        if self.queue.len() > self.open.len().saturating_mul(2) {
            self.queue.retain(|id| self.open.contains_key(id));
        }
        Some(entry.request)
    }

    /// All of them, in order.
    pub(super) fn ids(&self) -> Vec<RequestId> {
        self.open.keys().copied().collect()
    }

    pub(super) fn deadline(&self) -> Option<(Time, RequestId)> {
        self.deadlines.first().copied()
    }
}
