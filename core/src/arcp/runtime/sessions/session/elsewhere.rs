//! What a session has to do with other runtimes of the host (ours).

use alloc::boxed::Box;
use alloc::sync::Arc;

use bytes::Bytes;

use super::Session;
use crate::arcp::runtime::host::{ConnId, Guest};
use crate::arcp::runtime::sessions::announcement::Announcement;
use crate::arcp::runtime::sessions::elsewhere::{Arrival, Elsewhere};
use crate::arcp::wire::envelope;
use crate::arcp::wire::feature::Feature;
use crate::arcp::wire::ids::{EnvelopeId, JobUlid};
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

    /// Keeps the answer to a subscribe, which precedes the next event of the job on every new connection, if the client has
    /// asked for that.
    pub(crate) fn announce_elsewhere(&mut self, job: JobUlid, announcement: Box<Announcement>) {
        if self.features.has(Feature::AcceptedReplay)
            && let Some(elsewhere) = &mut self.elsewhere
        {
            elsewhere.announce(job, announcement);
        }
    }

    /// Removes the answer that precedes the next event of a job.
    pub(crate) fn take_announcement_elsewhere(&mut self, job: JobUlid) -> Option<Box<Announcement>> {
        self.elsewhere.as_mut()?.take_announcement(job)
    }

    /// Gives the answer to a subscribe that waits for room in the log to the connection on which the client asks again. Returns
    /// whether there is one.
    pub(crate) fn move_answer(&mut self, job: JobUlid, request_id: &str, conn: ConnId) -> bool {
        self.elsewhere.as_mut().is_some_and(|elsewhere| elsewhere.move_answer(job, request_id, conn))
    }

    /// Returns the id and the payload of the answer to a subscribe that the client sends again on a new connection, if no event
    /// has followed it. It counts as sent on this connection.
    pub(crate) fn answer_again(&mut self, job: JobUlid, request_id: &str) -> Option<(EnvelopeId, Bytes)> {
        let epoch = self.epoch;
        let announcement = self.elsewhere.as_mut()?.announcement(job)?;
        if !announcement.is_asked_again(request_id, epoch) {
            return None;
        }
        announcement.epoch = epoch;
        Some((announcement.id, announcement.subscription()?.clone()))
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
