//! The open calls of a client, with the state of their attempts.

mod state;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::event::{CallId, ClientTimer, RequestId};
use super::timers::{Deadline, Timers};
use crate::caracal::wire::call::Call;
use crate::caracal::wire::ids::SessionId;
use crate::caracal::wire::key::IdempotencyKey;
use crate::caracal::wire::request::delegate::Delegate;
use crate::time::Time;
use state::Phase;

/// The rough size of a call beyond its lists and metadata.
const CALL_BYTES: usize = 1_024;

/// What a call is for.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// The application has asked for it.
    Asked,
    /// It opens a session into which an edge is to be created. The target of the edge is not known yet.
    SpawningForEdge(Box<Delegate>),
    /// It creates the edge into the session that was opened for it.
    Edge(SessionId),
    /// It ends a session whose edge could not be created.
    Cleanup,
    /// It renews a lease.
    Heartbeat,
}

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    call: Call,
    purpose: Purpose,
    key: IdempotencyKey,
    phase: Phase,
    attempt: u32,
    retries: u32,
    /// Whether it was repeated because of a refused token.
    refreshed: bool,
    /// Whether an attempt may have been carried out without an answer.
    uncertain: bool,
    /// The number of the token of the last attempt.
    token: u64,
    /// When the first attempt was sent.
    first_sent: Option<Time>,
    answer: Deadline,
    retry: Deadline,
}

impl Entry {
    fn new(id: CallId, call: Call, purpose: Purpose, key: IdempotencyKey) -> Entry {
        Entry {
            call,
            purpose,
            key,
            phase: Phase::Ready,
            attempt: 0,
            retries: 0,
            refreshed: false,
            uncertain: false,
            token: 0,
            first_sent: None,
            answer: Deadline::new(ClientTimer::Request, id.0),
            retry: Deadline::new(ClientTimer::Retry, id.0),
        }
    }

    fn bytes(&self) -> usize {
        let edge = match &self.purpose {
            Purpose::SpawningForEdge(edge) => edge.bytes_held(),
            Purpose::Asked | Purpose::Edge(_) | Purpose::Cleanup | Purpose::Heartbeat => 0,
        };
        CALL_BYTES.saturating_add(self.call.bytes_held()).saturating_add(edge)
    }

    pub(super) const fn call(&self) -> &Call {
        &self.call
    }

    pub(super) const fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    pub(super) const fn key(&self) -> IdempotencyKey {
        self.key
    }

    pub(super) const fn token(&self) -> u64 {
        self.token
    }

    /// Returns how often it was repeated after a failure.
    pub(super) const fn retries(&self) -> u32 {
        self.retries
    }

    /// Returns whether it was repeated because of a refused token.
    pub(super) const fn is_refreshed(&self) -> bool {
        self.refreshed
    }

    /// Returns whether an attempt may have been carried out without an answer.
    pub(super) const fn is_uncertain(&self) -> bool {
        self.uncertain
    }

    /// Returns whether an attempt is under way.
    pub(super) fn is_sent(&self) -> bool {
        self.phase == Phase::Sent
    }

    /// Returns whether the call is to be repeated, and it is too late for the coordinator to recognise the repetition.
    pub(super) fn is_stale(&self, now: Time, limit: Duration) -> bool {
        let is_keyed = matches!(self.call, Call::Spawn(_) | Call::Delegate(_));
        let is_late = self.first_sent.is_some_and(|sent| now > sent.plus(limit));
        is_keyed && self.uncertain && self.phase == Phase::Ready && is_late
    }

    /// Returns when the first attempt was sent.
    pub(super) const fn first_sent(&self) -> Option<Time> {
        self.first_sent
    }

    /// Returns the session that the call acts for.
    pub(super) fn session(&self) -> Option<&SessionId> {
        match &self.call {
            Call::Spawn(spawn) => spawn.parent.as_ref(),
            Call::Delegate(delegate) => Some(&delegate.source),
            Call::Terminate { session, .. }
            | Call::Heartbeat { session, .. }
            | Call::AcquireLease { session }
            | Call::Inbound { session } => Some(session),
            Call::Revoke { .. } => None,
        }
    }
}

/// All open calls, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    open: BTreeMap<CallId, Entry>,
    bytes: usize,
    count: u64,
}

impl Calls {
    /// Returns the number of open calls.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Returns the number of sessions that are being opened or attached to.
    pub(super) fn new_sessions(&self) -> usize {
        self.open.values().filter(|entry| matches!(entry.call, Call::Spawn(_) | Call::AcquireLease { .. })).count()
    }

    /// Returns the number of bytes held.
    pub(super) const fn bytes_held(&self) -> usize {
        self.bytes
    }

    /// Adds a call, which is sent as soon as there is a token.
    pub(super) fn add(&mut self, call: Call, purpose: Purpose, key: IdempotencyKey) -> CallId {
        self.count = self.count.saturating_add(1);
        let id = CallId(self.count);
        self.insert(id, Entry::new(id, call, purpose, key));
        id
    }

    /// Returns the calls that are to be sent, oldest first.
    pub(super) fn ready(&self) -> Vec<CallId> {
        self.matching(|entry| entry.phase == Phase::Ready)
    }

    /// Returns the calls with a property, oldest first.
    pub(super) fn matching(&self, mut has: impl FnMut(&Entry) -> bool) -> Vec<CallId> {
        self.open.iter().filter(|(_, entry)| has(entry)).map(|(id, _)| *id).collect()
    }

    /// Returns a call.
    pub(super) fn get(&self, id: CallId) -> Option<&Entry> {
        self.open.get(&id)
    }

    /// Returns the attempt of a call that is under way.
    pub(super) fn under_way(&self, id: CallId) -> Option<RequestId> {
        let entry = self.open.get(&id).filter(|entry| entry.is_sent())?;
        Some(RequestId { call: id, attempt: entry.attempt })
    }

    /// Begins an attempt with the token of this number, which is to be answered until `deadline`.
    pub(super) fn send(
        &mut self,
        id: CallId,
        token: u64,
        now: Time,
        deadline: Time,
        timers: &mut Timers,
    ) -> Option<(RequestId, &Entry)> {
        let entry = self.open.get_mut(&id)?;
        if !entry.phase.send() {
            return None;
        }
        entry.attempt = entry.attempt.saturating_add(1);
        entry.token = token;
        entry.first_sent = entry.first_sent.or(Some(now));
        entry.answer.set(deadline, timers);
        Some((RequestId { call: id, attempt: entry.attempt }, entry))
    }

    /// Repeats the call at `at`, because the coordinator has refused its token.
    pub(super) fn refresh(&mut self, id: CallId, at: Time, timers: &mut Timers) {
        if let Some(entry) = self.open.get_mut(&id).filter(|entry| !entry.refreshed) {
            entry.refreshed = true;
            entry.delay(at, timers);
        }
    }

    /// Repeats the call at `at`, because its last attempt has failed. `uncertain`: the attempt may have been carried
    /// out.
    pub(super) fn repeat(&mut self, id: CallId, at: Time, uncertain: bool, timers: &mut Timers) {
        if let Some(entry) = self.open.get_mut(&id) {
            entry.retries = entry.retries.saturating_add(1);
            entry.uncertain |= uncertain;
            entry.delay(at, timers);
        }
    }

    /// Makes a call ready whose next attempt is due.
    pub(super) fn due(&mut self, id: CallId, timers: &mut Timers) {
        if let Some(entry) = self.open.get_mut(&id)
            && entry.phase.due()
        {
            entry.retry.clear(timers);
        }
    }

    /// Ends a call and returns it.
    pub(super) fn finish(&mut self, id: CallId, timers: &mut Timers) -> Option<Entry> {
        let mut entry = self.open.remove(&id)?;
        self.bytes = self.bytes.saturating_sub(entry.bytes());
        entry.answer.clear(timers);
        entry.retry.clear(timers);
        entry.phase.finish().then_some(entry)
    }

    /// Goes on with another call under the number of one that has finished.
    pub(super) fn go_on(&mut self, id: CallId, finished: &Entry, call: Call, purpose: Purpose, key: IdempotencyKey) {
        // Attempts are counted on, so that a late answer to the first call is not taken for one to the second.
        let entry = Entry { attempt: finished.attempt, ..Entry::new(id, call, purpose, key) };
        self.insert(id, entry);
    }

    fn insert(&mut self, id: CallId, entry: Entry) {
        self.bytes = self.bytes.saturating_add(entry.bytes());
        self.open.insert(id, entry);
    }
}

impl Entry {
    fn delay(&mut self, at: Time, timers: &mut Timers) {
        if self.phase.delay() {
            self.answer.clear(timers);
            self.retry.set(at, timers);
        }
    }
}
