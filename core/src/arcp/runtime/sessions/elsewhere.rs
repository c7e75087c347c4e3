//! The jobs of other runtimes of the host that a session watches, and their frames that were not taken into its log yet (ours).
//!
//! ```text
//!  job.subscribed of another runtime -> watched -> its frames arrive -> the log takes them as it has room -> the terminal
//! ```

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use super::announcement::Announcement;
use crate::arcp::runtime::host::ConnId;
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::job::About;
use crate::trace::TraceId;

/// The bytes that a frame holds besides its payload.
const ARRIVAL_BYTES: usize = 96;
/// The bytes that a watched job holds.
const WATCHED_BYTES: usize = 320;

/// A watched job.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) trace_id: TraceId,
    pub(crate) head: Arc<str>,
    /// The number of the runtime that has it; `None` if that is not known any more, as after a restart.
    from: Option<u32>,
    /// The answer that precedes its next event.
    announcement: Option<Box<Announcement>>,
}

/// A frame that has arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) from: u32,
    pub(crate) about: About,
    pub(crate) kind: Arrived,
}

/// What has arrived.
#[derive(Clone, Debug)]
pub(crate) enum Arrived {
    /// A numbered frame: its type and payload.
    Frame(&'static str, Bytes),
    /// The beginning of a subscription: the answer's request and payload, and the connection that waits for it, if one does.
    Subscribed(Option<ConnId>, Box<str>, Bytes),
    /// The end of the subscription.
    Dropped,
}

impl Arrival {
    /// The bytes of its payload.
    pub(crate) fn payload_len(&self) -> usize {
        match &self.kind {
            Arrived::Frame(_, payload) | Arrived::Subscribed(_, _, payload) => payload.len(),
            Arrived::Dropped => 0,
        }
    }
}

/// What a session has to do with other runtimes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Elsewhere {
    watched: BTreeMap<JobUlid, Watched>,
    arrived: VecDeque<Arrival>,
    bytes: usize,
}

impl Elsewhere {
    /// Watches a job of a runtime from now on.
    pub(crate) fn watch(&mut self, about: About, head: Arc<str>, from: Option<u32>) {
        self.take_announcement(about.job);
        let watched = Watched { trace_id: about.trace_id, head, from, announcement: None };
        self.watched.insert(about.job, watched);
    }

    /// Keeps an answer that precedes the next event of a watched job.
    pub(crate) fn announce(&mut self, job: JobUlid, announcement: Box<Announcement>) {
        if let Some(watched) = self.watched.get_mut(&job) {
            self.bytes += announcement.held();
            self.bytes -= watched.announcement.replace(announcement).map_or(0, |before| before.held());
        }
    }

    /// Returns the answer that precedes the next event of a watched job.
    pub(crate) fn announcement(&mut self, job: JobUlid) -> Option<&mut Announcement> {
        self.watched.get_mut(&job)?.announcement.as_deref_mut()
    }

    /// Removes the answer that precedes the next event of a watched job.
    pub(crate) fn take_announcement(&mut self, job: JobUlid) -> Option<Box<Announcement>> {
        let announcement = self.watched.get_mut(&job)?.announcement.take()?;
        self.bytes -= announcement.held();
        Some(announcement)
    }

    /// Gives the answer to a subscribe, which has arrived and waits, to the connection on which the client asks again. Returns
    /// whether there is one.
    pub(crate) fn move_answer(&mut self, job: JobUlid, request_id: &str, conn: ConnId) -> bool {
        for arrival in self.arrived.iter_mut().filter(|arrival| arrival.about.job == job) {
            if let Arrived::Subscribed(to, asked, _) = &mut arrival.kind
                && **asked == *request_id
            {
                *to = Some(conn);
                return true;
            }
        }
        false
    }

    /// Stops watching a job. Returns whether it was watched.
    pub(crate) fn unwatch(&mut self, job: JobUlid) -> bool {
        self.take_announcement(job);
        self.watched.remove(&job).is_some()
    }

    /// Whether a job is watched, or the beginning of a subscription to it has arrived.
    pub(crate) fn expects(&self, job: JobUlid) -> bool {
        let begins = |arrival: &Arrival| arrival.about.job == job && matches!(arrival.kind, Arrived::Subscribed(..));
        self.watched.contains_key(&job) || self.arrived.iter().any(begins)
    }

    /// Returns a watched job.
    pub(crate) fn watched(&self, job: JobUlid) -> Option<&Watched> {
        self.watched.get(&job)
    }

    /// Returns the newest of the watched jobs.
    pub(crate) fn newest(&self) -> Option<(About, Arc<str>)> {
        let (job, watched) = self.watched.last_key_value()?;
        Some((About { job: *job, trace_id: watched.trace_id }, Arc::clone(&watched.head)))
    }

    /// Returns the watched jobs, in the order of their ids.
    pub(crate) fn jobs(&self) -> Vec<(JobUlid, TraceId)> {
        self.watched.iter().map(|(job, watched)| (*job, watched.trace_id)).collect()
    }

    /// Returns the watched jobs of a runtime, or all whose runtime is not known.
    pub(crate) fn jobs_of(&self, from: Option<u32>) -> Vec<JobUlid> {
        self.watched.iter().filter(|(_, watched)| watched.from == from).map(|(job, _)| *job).collect()
    }

    /// The number of the watched jobs.
    pub(crate) fn len(&self) -> usize {
        self.watched.len()
    }

    /// Adds a frame that has arrived.
    pub(crate) fn arrive(&mut self, arrival: Arrival) {
        self.bytes += arrival.payload_len() + ARRIVAL_BYTES;
        self.arrived.push_back(arrival);
    }

    /// Returns the first frame that has arrived, which the log has not taken.
    pub(crate) fn first(&self) -> Option<&Arrival> {
        self.arrived.front()
    }

    /// Removes the first frame that has arrived.
    pub(crate) fn take(&mut self) -> Option<Arrival> {
        let arrival = self.arrived.pop_front()?;
        self.bytes -= arrival.payload_len() + ARRIVAL_BYTES;
        Some(arrival)
    }

    pub(crate) fn held(&self) -> usize {
        self.bytes + self.watched.len() * WATCHED_BYTES
    }
}
