//! The event log of a session, which is its send queue (§6.3, §6.5, §8.3).

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::sync::Arc;

use bytes::Bytes;

use super::Session;
use crate::arcp::runtime::config::Limits;
use crate::arcp::runtime::host::{ConnId, JobKey};
use crate::arcp::runtime::sessions::announcement::Announcement;
use crate::arcp::runtime::sessions::log::{Entry, ResumeError};
use crate::arcp::wire::feature::Feature;

/// The next frame of a session's connection.
pub(crate) enum Numbered {
    /// The answer that precedes the next event, and the head of both.
    Announcement(Box<Announcement>, Arc<str>),
    /// An event, and the store it depends on.
    Event(Bytes, u64, u64),
    /// A frame waits for credit.
    NoCredit,
    /// The next events are only in the journal.
    Missing,
    /// Events of a subscribed job's history may be appended.
    Replay,
    /// No frame waits.
    Nothing,
}

impl Session {
    /// Appends an entry to the log.
    pub(crate) fn number(&mut self, entry: Entry, limits: &Limits) -> u64 {
        self.log.push(entry, self.conn.is_some(), limits.log_events, limits.log_bytes)
    }

    /// The last number that was given.
    pub(crate) fn last_seq(&self) -> u64 {
        self.log.next() - 1
    }

    /// The number of the first event in memory.
    pub(crate) fn first_seq(&self) -> u64 {
        self.log.base()
    }

    /// The number of the last event that was given to its connection.
    pub(crate) fn sent_seq(&self) -> u64 {
        self.log.sent()
    }

    /// Whether a client that has all events up to `last` can go on from there (§6.3).
    pub(crate) fn can_resume(&self, last: u64) -> Result<(), ResumeError> {
        self.log.resume(last)
    }

    /// Whether the answer to a subscribe goes before an event that the client is sent on this connection: the client has lost
    /// its last connection, and asks again.
    pub(crate) fn announces_again(&mut self, request_id: &str) -> bool {
        let Some(resumed) = self.resumed.filter(|_| self.has(Feature::AcceptedReplay)) else { return false };
        let epoch = self.epoch;
        self.log.announcements_after(resumed).any(|announcement| announcement.is_asked_again(request_id, epoch))
    }

    /// The number of the events that the client has not received when it resumed.
    pub(crate) fn resumed_events(&self) -> u64 {
        self.resumed.map_or(0, |last| self.last_seq().saturating_sub(last))
    }

    /// Takes the next frame of its connection, if `credit` allows its bytes. `hold` holds back the announcements of
    /// delegated jobs. An announcement that was already sent on this connection, or that the client has not asked for, is
    /// passed over.
    pub(crate) fn next_numbered(&mut self, credit: impl Fn(usize) -> bool, hold: bool) -> Numbered {
        let (epoch, fetching, replaying) = (self.epoch, self.fetching, self.watches.are_replaying());
        let announces = self.has(Feature::AcceptedReplay);
        let Some((seq, entry)) = self.log.peek() else {
            return match self.log.missing() {
                Some(_) if fetching => Numbered::Nothing,
                Some(_) => Numbered::Missing,
                None if replaying => Numbered::Replay,
                None => Numbered::Nothing,
            };
        };
        if let Some(announcement) = entry.announcement.as_deref().filter(|a| announces && a.epoch != epoch) {
            if hold && announcement.request_id.is_none() {
                return Numbered::Nothing;
            }
            return Numbered::Announcement(announcement.clone().into(), Arc::clone(&entry.head));
        }
        if !credit(entry.frame_len()) {
            return Numbered::NoCredit;
        }
        let (frame, after) = entry.frame(seq);
        self.log.advance();
        Numbered::Event(frame, seq, after)
    }

    /// Notes that the announcement of the next event was sent on this connection.
    pub(crate) fn announced(&mut self) {
        let epoch = self.epoch;
        if let Some(announcement) = self.log.peek().and_then(|(_, entry)| entry.announcement.as_mut()) {
            announcement.epoch = epoch;
        }
    }

    /// Notes that the driver has written the events up to `seq`.
    pub(crate) fn written(&mut self, seq: u64) {
        self.log.wrote(seq);
    }

    /// Notes that the client has processed the events up to `seq` (§6.5). A number that goes back, or beyond what was
    /// sent, is ignored.
    pub(crate) fn acknowledge(&mut self, seq: u64, limits: &Limits) {
        self.log.ack(seq, limits.back_pressure);
    }

    /// Returns the acknowledgement to record, if it is at least `stride` events beyond the last recorded one.
    pub(crate) fn record_ack(&mut self, stride: u64) -> Option<u64> {
        let acked = self.log.acked()?;
        if self.recorded_ack.is_some_and(|recorded| acked < recorded.saturating_add(stride)) {
            return None;
        }
        self.recorded_ack = Some(acked);
        Some(acked)
    }

    /// Restores a recorded acknowledgement.
    pub(crate) fn restore_ack(&mut self, seq: u64) {
        self.log.restore_ack(seq);
        self.recorded_ack = Some(seq);
    }

    /// Restores a recorded entry; returns whether its number is new.
    pub(crate) fn restore_entry(&mut self, seq: u64, entry: Entry, limits: &Limits) -> bool {
        self.log.restore(seq, entry, limits.log_events, limits.log_bytes)
    }

    /// Returns the number of unacknowledged events if a back-pressure event is due (§6.5).
    pub(crate) fn back_pressure(&mut self, limits: &Limits) -> Option<u64> {
        if self.log.back_pressure(limits.back_pressure) { Some(self.log.lag().unwrap_or(0)) } else { None }
    }

    /// Returns the events to read back from the journal, whose numbers are between the two, and notes that they were
    /// asked for.
    pub(crate) fn fetch(&mut self) -> Option<(u64, u64)> {
        let missing = self.log.missing()?;
        self.fetching = true;
        Some(missing)
    }

    /// Handles the journal's answer to the connection of this epoch. Returns the connection, and the number after which
    /// events are missing, unless an acknowledgement has made them needless.
    pub(crate) fn fetched(&mut self, epoch: u32) -> Option<(ConnId, Option<u64>)> {
        let conn = self.conn.filter(|_| self.epoch == epoch)?;
        self.fetching = false;
        Some((conn, self.log.missing().map(|(after, _)| after)))
    }

    /// Adds events that were read back from the journal.
    pub(crate) fn fill(&mut self, past: VecDeque<Entry>) {
        self.log.fill(past);
    }

    /// Whether a number of events may be appended without dropping any that were not written.
    pub(crate) fn has_room(&self, events: usize, bytes: usize, limits: &Limits) -> bool {
        let (unwritten, unwritten_bytes) = self.log.unwritten();
        self.conn.is_none()
            || unwritten == 0
            || (unwritten + events <= self.emit_room(limits)
                && unwritten_bytes.saturating_add(bytes) <= limits.log_bytes)
    }

    /// Returns the number of unwritten events above which an agent waits. The rest of the log is reserved for the first
    /// and last event of every watched job.
    fn emit_room(&self, limits: &Limits) -> usize {
        limits.log_events.saturating_sub(2 * self.watches.len()).max(1)
    }

    /// Notes that a job's agent waits for space in the log.
    pub(crate) fn block(&mut self, job: JobKey) {
        self.blocked.insert(job);
    }

    /// Returns the jobs whose agents may go on. An eighth of the log must be free before they wake, so that they do not
    /// wake for every frame.
    pub(crate) fn unblock(&mut self, limits: &Limits) -> BTreeSet<JobKey> {
        if self.blocked.is_empty() {
            return BTreeSet::new();
        }
        let room = self.emit_room(limits);
        let (events, bytes) = self.log.unwritten();
        let ready = self.conn.is_none()
            || (events + (room / 8).max(1) <= room && bytes.saturating_add(limits.log_bytes / 8) <= limits.log_bytes);
        if ready { core::mem::take(&mut self.blocked) } else { BTreeSet::new() }
    }
}
