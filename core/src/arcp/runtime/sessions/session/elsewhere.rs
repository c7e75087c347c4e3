//! What a session has to do with other runtimes of the host (ours).

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::Session;
use crate::arcp::runtime::host::Guest;
use crate::arcp::runtime::sessions::elsewhere::{Arrival, Elsewhere};
use crate::arcp::wire::envelope;
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::job::About;
use crate::trace::TraceId;

impl Session {
    /// Whether it is a session of another runtime.
    pub(crate) fn is_guest(&self) -> bool {
        self.guest
    }

    /// Returns what other runtimes have to know of it.
    pub(crate) fn guest(&self) -> Guest {
        Guest {
            session: self.id,
            principal: Arc::clone(&self.principal),
            features: self.features,
            dialect: self.dialect,
            stdio: self.stdio,
        }
    }

    /// Notes that other runtimes know it.
    pub(crate) fn goes_elsewhere(&mut self) {
        self.elsewhere.get_or_insert_default();
    }

    /// Returns what it has to do with other runtimes; `None` if these do not know it.
    pub(crate) fn elsewhere(&self) -> Option<&Elsewhere> {
        self.elsewhere.as_deref()
    }

    /// Watches a job of another runtime from now on. `from` is the number of that runtime, if it is known.
    pub(crate) fn watch_elsewhere(&mut self, about: About, from: Option<u32>) {
        let head = envelope::head(&self.id, Some(&about.trace_id), Some(&about.job)).into();
        let elsewhere: &mut Box<Elsewhere> = self.elsewhere.get_or_insert_default();
        elsewhere.watch(about, head, from);
    }

    /// Restores which jobs of other runtimes it watches.
    pub(crate) fn watch_only_elsewhere(&mut self, jobs: &[(JobUlid, TraceId)]) {
        self.elsewhere = None;
        for (job, trace_id) in jobs.iter().copied() {
            self.watch_elsewhere(About { job, trace_id }, None);
        }
    }

    /// Stops watching a job of another runtime. Returns whether it was watched.
    pub(crate) fn unwatch_elsewhere(&mut self, job: JobUlid) -> bool {
        self.elsewhere.as_mut().is_some_and(|elsewhere| elsewhere.unwatch(job))
    }

    /// Adds a frame of another runtime, which its log takes later.
    pub(crate) fn arrive(&mut self, arrival: Arrival) {
        self.elsewhere.get_or_insert_default().arrive(arrival);
    }

    /// Removes the first frame that has arrived. Returns it, and whether it was the last.
    pub(crate) fn take_arrival(&mut self) -> Option<(Arrival, bool)> {
        let elsewhere = self.elsewhere.as_mut()?;
        let arrival = elsewhere.take()?;
        Some((arrival, elsewhere.first().is_none()))
    }

    /// Watched jobs that are not its own, here and elsewhere.
    pub(crate) fn watched_of_others(&self) -> usize {
        self.watches.others() + self.elsewhere().map_or(0, Elsewhere::len)
    }
}
