//! The jobs that a session watches, and the progress of their replays (§7.6).

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::announcement::Announcement;
use crate::arcp::runtime::host::JobKey;
use crate::time::Time;

/// Why a session watches a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It submitted the job: it may cancel it, and its event numbers are the job's.
    Owner,
    /// It repeated an idempotent submit of another session.
    Attached,
    /// It subscribed.
    Subscriber,
}

impl Role {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Attached => "attached",
            Role::Subscriber => "subscriber",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Role> {
        [Role::Owner, Role::Attached, Role::Subscriber].into_iter().find(|role| role.as_str() == text)
    }
}

/// The position in a job's history from which a session is sent its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    /// The next position.
    at: u64,
    /// No event is sent before this time, in a dialect that delays them. It is `Time::MAX` until `job.subscribed` was sent.
    not_before: Time,
    /// Only events from the journal whose number in the owner's session is greater than this are sent.
    after: u64,
    /// Whether the journal was asked for the next events.
    asked: bool,
}

#[derive(Clone, Debug)]
struct Watch {
    role: Role,
    head: Arc<str>,
    /// `None` once its events are sent live.
    cursor: Option<Cursor>,
    /// The answer that precedes the job's next event.
    announcement: Option<Box<Announcement>>,
}

/// The watched jobs of one session.
#[derive(Clone, Debug, Default)]
pub(super) struct Watches {
    jobs: BTreeMap<JobKey, Watch>,
    /// The jobs whose history can be sent now.
    ready: BTreeSet<JobKey>,
    /// The jobs whose history can be sent from a time on.
    later: BTreeSet<(Time, JobKey)>,
    /// Whether the histories go on in a later turn.
    paused: bool,
    /// How many of them are not its own.
    others: usize,
}

impl Watches {
    /// Watches a job from now on.
    pub(super) fn add(&mut self, job: JobKey, role: Role, head: Arc<str>) {
        self.caught_up(job);
        let watch = Watch { role, head, cursor: None, announcement: None };
        let before = self.jobs.insert(job, watch);
        self.count(before.map(|watch| watch.role), Some(role));
    }

    /// A job is watched in another role than before.
    fn count(&mut self, before: Option<Role>, after: Option<Role>) {
        let of_others = |role: Option<Role>| usize::from(role.is_some_and(|role| role != Role::Owner));
        self.others = self.others + of_others(after) - of_others(before);
    }

    /// The jobs that are not its own.
    pub(super) fn others(&self) -> usize {
        self.others
    }

    pub(super) fn remove(&mut self, job: JobKey) {
        self.caught_up(job);
        let before = self.jobs.remove(&job);
        self.count(before.map(|watch| watch.role), None);
    }

    pub(super) fn role(&self, job: JobKey) -> Option<Role> {
        self.jobs.get(&job).map(|watch| watch.role)
    }

    pub(super) fn set_role(&mut self, job: JobKey, role: Role) {
        if let Some(watch) = self.jobs.get_mut(&job) {
            let before = core::mem::replace(&mut watch.role, role);
            self.count(Some(before), Some(role));
        }
    }

    pub(super) fn head(&self, job: JobKey) -> Option<Arc<str>> {
        self.jobs.get(&job).map(|watch| Arc::clone(&watch.head))
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// The watched jobs with their roles.
    pub(super) fn iter(&self) -> impl Iterator<Item = (JobKey, Role)> {
        self.jobs.iter().map(|(job, watch)| (*job, watch.role))
    }

    /// Returns the jobs whose events are sent live.
    pub(super) fn live(&self) -> impl Iterator<Item = JobKey> {
        self.jobs.iter().filter(|(_, watch)| watch.cursor.is_none()).map(|(job, _)| *job)
    }

    /// Returns whether the events of a job are sent live.
    pub(super) fn is_live(&self, job: JobKey) -> bool {
        self.jobs.get(&job).is_some_and(|watch| watch.cursor.is_none())
    }

    pub(super) fn announce(&mut self, job: JobKey, announcement: Option<Box<Announcement>>) {
        if let Some(watch) = self.jobs.get_mut(&job) {
            watch.announcement = announcement;
        }
    }

    pub(super) fn take_announcement(&mut self, job: JobKey) -> Option<Box<Announcement>> {
        self.jobs.get_mut(&job)?.announcement.take()
    }

    /// Replays a job's history from position `at`, but not before a time. Returns whether the job is watched.
    pub(super) fn replay_from(&mut self, job: JobKey, at: u64, after: u64, not_before: Time) -> bool {
        self.caught_up(job);
        let Some(watch) = self.jobs.get_mut(&job) else { return false };
        watch.cursor = Some(Cursor { at, not_before, after, asked: false });
        self.later.insert((not_before, job));
        true
    }

    /// Notes that the history was sent to its end.
    pub(super) fn caught_up(&mut self, job: JobKey) {
        if let Some(cursor) = self.jobs.get_mut(&job).and_then(|watch| watch.cursor.take()) {
            self.ready.remove(&job);
            self.later.remove(&(cursor.not_before, job));
        }
    }

    /// Returns whether a part of some job's history is still to be sent, and the journal was not asked for it.
    pub(super) fn are_replaying(&self) -> bool {
        !self.paused && (!self.ready.is_empty() || !self.later.is_empty())
    }

    /// Returns the first job whose history can be sent now, and its next position.
    pub(super) fn next_replay(&mut self, now: Time) -> Option<(JobKey, u64)> {
        if self.paused {
            return None;
        }
        while let Some((_, job)) = self.later.first().filter(|(at, _)| *at <= now).copied() {
            self.later.pop_first();
            self.ready.insert(job);
        }
        let job = self.ready.first().copied()?;
        Some((job, self.cursor(job)?.at))
    }

    /// Leaves the histories to a later turn. Returns whether they were not left to one before.
    pub(super) fn pause(&mut self) -> bool {
        !core::mem::replace(&mut self.paused, true)
    }

    /// Goes on with the histories.
    pub(super) fn go_on(&mut self) {
        self.paused = false;
    }

    fn cursor(&mut self, job: JobKey) -> Option<&mut Cursor> {
        self.jobs.get_mut(&job)?.cursor.as_mut()
    }

    /// Notes that the history was sent up to a position.
    pub(super) fn advance(&mut self, job: JobKey, at: u64) {
        if let Some(cursor) = self.cursor(job) {
            cursor.at = at;
        }
    }

    /// Notes that the journal is asked for the next events. Returns the number after which they count.
    pub(super) fn ask(&mut self, job: JobKey) -> Option<u64> {
        let cursor = self.cursor(job)?;
        cursor.asked = true;
        let after = cursor.after;
        self.ready.remove(&job);
        Some(after)
    }

    /// Notes that the journal has answered. Returns the next position, and the number after which events count.
    pub(super) fn answered(&mut self, job: JobKey) -> Option<(u64, u64)> {
        let cursor = self.cursor(job)?;
        let was_asked = core::mem::take(&mut cursor.asked);
        let place = (cursor.at, cursor.after);
        if was_asked {
            self.ready.insert(job);
        }
        Some(place)
    }

    /// Notes that a `job.subscribed` was sent. The events of its subscription follow at this time.
    pub(super) fn start_at(&mut self, at: Time) {
        let waiting = self.later.iter().rev().take_while(|(not_before, _)| *not_before == Time::MAX);
        let waiting: Vec<JobKey> = waiting.map(|(_, job)| *job).collect();
        for job in waiting {
            self.start(job, at);
        }
    }

    /// Lets the events of all subscriptions start. The connection was lost, and each `job.subscribed` that was not sent
    /// with it.
    pub(super) fn start_all(&mut self) {
        let waiting: Vec<JobKey> = self.later.iter().map(|(_, job)| *job).collect();
        for job in waiting {
            self.start(job, Time(0));
        }
    }

    fn start(&mut self, job: JobKey, at: Time) {
        if let Some(cursor) = self.cursor(job) {
            let before = core::mem::replace(&mut cursor.not_before, at);
            self.later.remove(&(before, job));
            self.later.insert((at, job));
        }
    }
}
