//! How long the lease of a job lasts (§9.5).

use core::time::Duration;

use super::Job;
use crate::arcp::runtime::host::JobKey;
use crate::arcp::runtime::timers::Timers;
use crate::clock::WallOffset;
use crate::time::Time;

impl Job {
    /// Notes when the lease of the job, which is accepted now, is over.
    pub(in crate::arcp::runtime) fn begin_lease(
        &mut self,
        id: JobKey,
        now: Time,
        offset: WallOffset,
        grace: Duration,
        timers: &mut Timers,
    ) {
        let Some(over) = self.accepted.expires_at.map(|at| offset.machine(at)) else { return };
        self.expiry.limit(over, over.plus(grace).max(now.plus_micros(1)), id, timers);
    }

    /// Notes that the wall clock was set. If the lease is over earlier now, the grace begins now at the earliest.
    pub(in crate::arcp::runtime::jobs) fn follow_wall(
        &mut self,
        id: JobKey,
        now: Time,
        offset: WallOffset,
        grace: Duration,
        timers: &mut Timers,
    ) {
        if self.expiry.over().is_some()
            && self.state.is_live()
            && let Some(over) = self.accepted.expires_at.map(|at| offset.machine(at).max(now))
        {
            self.expiry.limit(over, over.plus(grace), id, timers);
        }
    }

    /// Notes when the lease of a restored job is over. Returns false if the grace after that is over, too.
    pub(in crate::arcp::runtime) fn restore_lease(
        &mut self,
        id: JobKey,
        now: Time,
        offset: WallOffset,
        grace: Duration,
        timers: &mut Timers,
    ) -> bool {
        // The wall clock may have been set back while the runtime was down.
        let Some(over) = self.accepted.expires_at.map(|at| offset.machine(at).min(at)) else { return true };
        if over.plus(grace) <= now {
            return false;
        }
        self.expiry.limit(over, over.plus(grace), id, timers);
        true
    }

    /// Whether the lease is over.
    pub(crate) fn is_lease_over(&self, now: Time) -> bool {
        self.expiry.over().is_some_and(|over| now >= over)
    }

    /// Notes that an operation was refused because its lease had expired. It can then only end as expired (§9.5).
    /// Returns whether this is the first such refusal.
    pub(crate) fn expire_lease(&mut self) -> bool {
        self.expiry.refuse()
    }

    /// Whether an operation was refused because its lease has expired.
    pub(crate) fn is_expired(&self) -> bool {
        self.expiry.is_refused()
    }
}
