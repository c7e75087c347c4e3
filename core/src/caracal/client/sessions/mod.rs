//! The sessions of a client: their lifetimes, and the leases of services.

mod state;

use alloc::collections::BTreeMap;
use core::time::Duration;

use super::config::ClientConfig;
use super::event::{ClientTimer, EndReason};
use super::timers::{Deadline, Timers};
use crate::caracal::wire::answer::session::{Lease, SessionStatus};
use crate::caracal::wire::ids::SessionId;
use crate::caracal::wire::request::session::LeaseGeneration;
use crate::clock::Clock;
use crate::random::Random;
use crate::time::Time;
use state::Phase;

/// A lease is renewed after a third of the time that remains, at least a second and at most five minutes.
const SHORTEST_BEAT: Duration = Duration::from_secs(1);
const LONGEST_BEAT: Duration = Duration::from_mins(5);
/// The rough size of a session.
const SESSION_BYTES: usize = 512;

#[derive(Clone, Debug)]
struct Session {
    id: SessionId,
    phase: Phase,
    lease: Option<LeaseGeneration>,
    beat: Deadline,
    end: Deadline,
}

/// What a heartbeat has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    Suspended,
    Resumed,
    /// Another holder has the lease.
    Fenced,
}

/// All sessions, by number and by id.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    open: BTreeMap<u64, Session>,
    numbers: BTreeMap<SessionId, u64>,
    count: u64,
}

impl Sessions {
    /// Returns the number of sessions.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Returns the number of bytes held.
    pub(super) fn bytes_held(&self) -> usize {
        self.open.len().saturating_mul(SESSION_BYTES)
    }

    /// Adds a session that ends at `end`, if its lifetime is known. A session that is known already keeps its lifetime.
    pub(super) fn open(&mut self, id: &SessionId, end: Option<Time>, timers: &mut Timers) {
        if self.numbers.contains_key(id) {
            return;
        }
        self.count = self.count.saturating_add(1);
        let number = self.count;
        let mut session = Session {
            id: id.clone(),
            phase: Phase::Live,
            lease: None,
            beat: Deadline::new(ClientTimer::Heartbeat, number),
            end: Deadline::new(ClientTimer::Session, number),
        };
        if let Some(end) = end {
            session.end.set(end, timers);
        }
        self.open.insert(number, session);
        self.numbers.insert(id.clone(), number);
    }

    /// Takes the lease of a session over, or renews it. An older generation than the present one is ignored.
    pub(super) fn lease(
        &mut self,
        id: &SessionId,
        lease: Lease,
        config: &ClientConfig,
        clock: &Clock,
        random: &mut Random,
        timers: &mut Timers,
    ) {
        let Some(session) = self.get_mut(id) else { return };
        if session.lease.is_some_and(|held| held > lease.generation) || session.phase == Phase::Ending {
            return;
        }
        session.lease = Some(lease.generation);
        let now = clock.now();
        // The coordinator says it by its clock.
        let end = lease.deadline.map_or_else(|| now.plus(config.lease), |at| now.plus_micros(at.since(clock.wall())));
        session.end.set(end, timers);
        session.beat.set(next_beat(now, end, random), timers);
    }

    /// Takes the answer to a heartbeat that was sent for the lease of the generation `sent`.
    pub(super) fn renewed(
        &mut self,
        id: &SessionId,
        sent: LeaseGeneration,
        status: SessionStatus,
        lease: Option<Lease>,
    ) -> Change {
        let Some(session) = self.get_mut(id).filter(|session| session.lease == Some(sent)) else {
            return Change::Nothing;
        };
        if lease.is_some_and(|lease| lease.generation > sent) {
            return Change::Fenced;
        }
        match status {
            SessionStatus::Suspended if session.phase.suspend() => Change::Suspended,
            SessionStatus::Active if session.phase.resume() => Change::Resumed,
            SessionStatus::Active | SessionStatus::Suspended | SessionStatus::Ended | SessionStatus::Unknown => {
                Change::Nothing
            }
        }
    }

    /// Sets the time of the next heartbeat after one that has failed.
    pub(super) fn missed(&mut self, id: &SessionId, now: Time, random: &mut Random, timers: &mut Timers) {
        if let Some(session) = self.get_mut(id).filter(|session| session.phase != Phase::Ending)
            && let Some(end) = session.end.at()
        {
            session.beat.set(next_beat(now, end, random), timers);
        }
    }

    /// Returns the session whose lease is to be renewed, because the deadline of this number has passed.
    pub(super) fn beat(&mut self, number: u64, timers: &mut Timers) -> Option<(SessionId, LeaseGeneration)> {
        let session = self.open.get_mut(&number)?;
        session.beat.clear(timers);
        Some((session.id.clone(), session.lease?))
    }

    /// Stops the heartbeats of a session that the application terminates. Returns its lease.
    pub(super) fn terminate(&mut self, id: &SessionId, timers: &mut Timers) -> Option<LeaseGeneration> {
        let session = self.get_mut(id)?;
        if session.phase.terminate() {
            session.beat.clear(timers);
        }
        session.lease
    }

    /// Returns the session whose lifetime or lease is over, because the deadline of this number has passed.
    pub(super) fn lapsed(&self, number: u64) -> Option<(SessionId, EndReason)> {
        let session = self.open.get(&number)?;
        let why = if session.lease.is_some() { EndReason::LeaseLapsed } else { EndReason::Expired };
        Some((session.id.clone(), why))
    }

    /// Forgets a session that has ended. Returns whether it was known.
    pub(super) fn forget(&mut self, id: &SessionId, timers: &mut Timers) -> bool {
        let session = self.numbers.remove(id).and_then(|number| self.open.remove(&number));
        session.is_some_and(|mut session| {
            session.beat.clear(timers);
            session.end.clear(timers);
            true
        })
    }

    fn get_mut(&mut self, id: &SessionId) -> Option<&mut Session> {
        self.open.get_mut(self.numbers.get(id)?)
    }
}

/// Returns when the lease that ends at `end` is renewed next: after a third of the time that remains, more or less a
/// tenth of it.
fn next_beat(now: Time, end: Time, random: &mut Random) -> Time {
    let third = Duration::from_micros(end.since(now) / 3).clamp(SHORTEST_BEAT, LONGEST_BEAT);
    let spread = third / 5;
    now.plus(third.saturating_sub(spread / 2)).plus_micros(random.below(crate::time::micros(spread)))
}
