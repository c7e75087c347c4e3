//! Requests of operators for the state, which the host has not answered (ours).

use alloc::boxed::Box;

use slotmap::SlotMap;

use crate::arcp::runtime::config::Limits;
use crate::arcp::runtime::event::Timer;
use crate::arcp::runtime::host::{ConnId, Refused, SessionKey, StatusId};
use crate::arcp::runtime::timers::{Deadline, Timers};
use crate::arcp::wire::error::Fault;
use crate::time::Time;

/// Who has asked.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) conn: ConnId,
    pub(super) session: SessionKey,
    pub(super) request_id: Box<str>,
}

/// The open requests, and since when the runtime has been running.
#[derive(Clone, Debug)]
pub(super) struct StatusRequests {
    open: SlotMap<StatusId, (Asker, Deadline)>,
    began: Time,
}

impl StatusRequests {
    pub(super) fn new(began: Time) -> StatusRequests {
        StatusRequests { open: SlotMap::default(), began }
    }

    /// Notes that the runtime has begun at a later time than it was made with, which a journal knows.
    pub(super) fn begin(&mut self, began: Time) {
        self.began = began;
    }

    pub(super) fn began(&self) -> Time {
        self.began
    }

    /// Adds a request, with a deadline for the host.
    pub(super) fn add(
        &mut self,
        asker: Asker,
        until: Time,
        limits: &Limits,
        timers: &mut Timers,
    ) -> Result<StatusId, Fault> {
        if self.open.len() >= limits.status_requests {
            return Err(Fault::limit("status_requests", limits.status_requests as u64));
        }
        let id = self.open.insert((asker, Deadline::new(Timer::Status)));
        if let Some((_, deadline)) = self.open.get_mut(id) {
            deadline.set(until, id, timers);
        }
        Ok(id)
    }

    /// Removes a request that is answered, or whose deadline has passed.
    pub(super) fn take(&mut self, id: StatusId, timers: &mut Timers) -> Result<Asker, Refused> {
        let (asker, mut deadline) = self.open.remove(id).ok_or(Refused::Stale)?;
        deadline.clear(id, timers);
        Ok(asker)
    }

    pub(super) fn held(&self) -> usize {
        self.open.values().map(|(asker, _)| asker.request_id.len() + 64).sum()
    }
}
