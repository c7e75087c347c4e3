//! The jobs that a session watches (§7.6).

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::Session;
use crate::arcp::runtime::host::JobKey;
use crate::arcp::runtime::sessions::announcement::Announcement;
use crate::arcp::runtime::sessions::watches::Role;
use crate::arcp::wire::feature::Feature;
use crate::arcp::wire::job::Accepted;
use crate::time::Time;

impl Session {
    /// Watches a job from now on.
    pub(crate) fn watch(&mut self, job: JobKey, accepted: &Accepted, role: Role) {
        let head = self.job_head(accepted).into();
        self.watches.add(job, role, head);
    }

    /// Stops watching a job.
    pub(crate) fn unwatch(&mut self, job: JobKey) {
        self.watches.remove(job);
        self.blocked.remove(&job);
    }

    pub(crate) fn role(&self, job: JobKey) -> Option<Role> {
        self.watches.role(job)
    }

    pub(crate) fn set_role(&mut self, job: JobKey, role: Role) {
        self.watches.set_role(job, role);
    }

    /// The watched jobs with their roles.
    pub(crate) fn watched(&self) -> impl Iterator<Item = (JobKey, Role)> {
        self.watches.iter()
    }

    pub(crate) fn watched_len(&self) -> usize {
        self.watches.len()
    }

    /// Returns the watched jobs whose events are sent live.
    pub(crate) fn watched_live(&self) -> impl Iterator<Item = JobKey> {
        self.watches.live()
    }

    /// Returns whether the events of a job are sent live.
    pub(crate) fn is_shown_live(&self, job: JobKey) -> bool {
        self.watches.is_live(job)
    }

    /// Keeps an answer that precedes the job's next event on every new connection, if the client has asked for that.
    pub(crate) fn announce(&mut self, job: JobKey, announcement: Option<Box<Announcement>>) {
        self.watches.announce(job, announcement.filter(|_| self.features.has(Feature::AcceptedReplay)));
    }

    pub(crate) fn take_announcement(&mut self, job: JobKey) -> Option<Box<Announcement>> {
        self.watches.take_announcement(job)
    }

    /// The head of frames about a watched job.
    pub(crate) fn watch_head(&self, job: JobKey) -> Option<Arc<str>> {
        self.watches.head(job)
    }

    /// Replays a job's history from position `at`. Returns whether the job is watched.
    pub(crate) fn replay_from(&mut self, job: JobKey, at: u64, after: u64, not_before: Time) -> bool {
        self.watches.replay_from(job, at, after, not_before)
    }

    /// Whether so many events wait for its connection that no more of a history is taken.
    pub(crate) fn is_behind(&self, window: usize) -> bool {
        self.conn.is_some() && self.log.unwritten().0 >= window
    }

    /// Returns the first job whose history can be sent now, and its next position, or `None` while many events wait.
    pub(crate) fn next_replay(&mut self, now: Time, window: usize) -> Option<(JobKey, u64)> {
        if self.is_behind(window) {
            return None;
        }
        self.watches.next_replay(now)
    }

    /// Leaves the histories to a later turn. Returns whether they were not left to one before.
    pub(crate) fn pause_histories(&mut self) -> bool {
        self.watches.pause()
    }

    /// Goes on with the histories.
    pub(crate) fn go_on_with_histories(&mut self) {
        self.watches.go_on();
    }

    /// Notes that the history of a job was sent up to a position.
    pub(crate) fn advance_replay(&mut self, job: JobKey, at: u64) {
        self.watches.advance(job, at);
    }

    /// Notes that the journal is asked for the next events of a history. Returns the number after which they count.
    pub(crate) fn ask_history(&mut self, job: JobKey) -> Option<u64> {
        self.watches.ask(job)
    }

    /// Notes that the journal has answered. Returns the next position, and the number after which events count.
    pub(crate) fn history_answered(&mut self, job: JobKey) -> Option<(u64, u64)> {
        self.watches.answered(job)
    }

    /// Notes that the history of a job was sent to its end.
    pub(crate) fn caught_up(&mut self, job: JobKey) {
        self.watches.caught_up(job);
    }

    /// Notes that a `job.subscribed` was sent. The events of its subscription follow at this time.
    pub(crate) fn start_replays(&mut self, at: Time) {
        self.watches.start_at(at);
    }
}
