//! A session's event log, which is its send queue (§6.3, §6.5, §8.3).
//!
//! ```text
//!   freed | kept, written to this connection | kept, given to it | kept, not sent yet |
//!         base                            written              sent                 next
//! ```
//!
//! An appended entry gets the number `next`. Sending advances `sent` while the connection has credit, and the driver's
//! report advances `written`. An acknowledgement advances `base`. A resume sets `sent` and `written` back to the client's
//! `last_event_seq`. The numbers that a peer claims are checked against `high`, the highest number ever given to a
//! connection, which never goes back.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;

use bytes::Bytes;

use super::announcement::Announcement;
use crate::arcp::wire::envelope;
use crate::arcp::wire::ids::EnvelopeId;

/// The bytes that an entry holds besides its payload.
const ENTRY_BYTES: usize = 96;

/// One numbered frame of a session.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: EnvelopeId,
    pub(crate) kind: &'static str,
    /// The session, trace and job ids, as the text in the frame.
    pub(crate) head: Arc<str>,
    pub(crate) payload: Bytes,
    /// The payload with the value of a credential, until it was written once (§9.8.2).
    pub(crate) secret: Option<Bytes>,
    /// On the first entry of a job or a subscription: the answer that directly precedes it on every new connection.
    pub(crate) announcement: Option<Box<Announcement>>,
    /// The store that has to be durable before the frame is sent. A number beyond the last store stands for all stores at
    /// the time it is sent.
    pub(crate) after: u64,
}

impl Entry {
    fn held(&self) -> usize {
        let announced = self.announcement.as_ref().map_or(0, |announcement| announcement.held());
        self.payload.len() + self.secret.as_ref().map_or(0, Bytes::len) + announced + ENTRY_BYTES
    }

    /// An upper bound of the bytes of its frame.
    pub(crate) fn frame_len(&self) -> usize {
        frame_len(&self.head, self.secret.as_ref().unwrap_or(&self.payload).len())
    }

    /// The frame with its number, and the store it depends on.
    pub(super) fn frame(&self, seq: u64) -> (Bytes, u64) {
        let payload = self.secret.as_ref().unwrap_or(&self.payload);
        (envelope::frame(self.id, self.kind, &self.head, Some(seq), &[payload]), self.after)
    }
}

/// An upper bound of the bytes of a frame with a head and a payload of a length.
pub(crate) fn frame_len(head: &str, payload: usize) -> usize {
    // {"arcp":"1.1","id":"…26…","type":"session.list_jobs",…"event_seq":9007199254740991,"payload":…}
    payload + head.len() + 128
}

#[derive(Clone, Debug)]
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    /// The number of the first entry kept.
    base: u64,
    bytes: usize,
    unwritten_bytes: usize,
    sent: u64,
    written: u64,
    high: u64,
    /// The last number that the client has acknowledged, if it ever has.
    acked: Option<u64>,
    /// Whether a back-pressure event was emitted and the client has not caught up since.
    lagging: bool,
    /// Entries from before `base` that were read back from the journal: they are sent and not kept.
    past: VecDeque<Entry>,
    /// The number of the first of them.
    past_from: u64,
    past_bytes: usize,
}

impl Log {
    pub(crate) fn new() -> Log {
        Log {
            entries: VecDeque::new(),
            base: 1,
            bytes: 0,
            unwritten_bytes: 0,
            sent: 0,
            written: 0,
            high: 0,
            acked: None,
            lagging: false,
            past: VecDeque::new(),
            past_from: 0,
            past_bytes: 0,
        }
    }

    /// The number of the next entry.
    pub(crate) fn next(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    /// The number of the first entry that is kept.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    pub(crate) fn bytes_held(&self) -> usize {
        self.bytes + self.past_bytes
    }

    /// The last number that the client has acknowledged.
    pub(crate) fn acked(&self) -> Option<u64> {
        self.acked
    }

    /// The entries, and their bytes, that were not yet written to the current connection.
    pub(crate) fn unwritten(&self) -> (usize, usize) {
        // Both counts stay below the number of entries, which is a usize.
        let from = self.written.max(self.base - 1);
        (usize::try_from(self.next() - 1 - from).unwrap_or(usize::MAX), self.unwritten_bytes)
    }

    /// Appends an entry and returns its number. Beyond the limits the oldest entries are dropped. While a connection is
    /// up (`live`), entries that were not written to it stay even beyond the limits: the caller has checked
    /// [`Log::unwritten`] before.
    pub(crate) fn push(&mut self, entry: Entry, live: bool, max_events: usize, max_bytes: usize) -> u64 {
        let seq = self.next();
        self.bytes += entry.held();
        self.unwritten_bytes += entry.held();
        self.entries.push_back(entry);
        while self.entries.len() > max_events || self.bytes > max_bytes {
            if (live && self.base > self.written) || self.entries.len() == 1 {
                break;
            }
            self.drop_first();
        }
        seq
    }

    fn drop_first(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        self.bytes -= entry.held();
        if self.base > self.written {
            self.unwritten_bytes -= entry.held();
        }
        self.base += 1;
        self.sent = self.sent.max(self.base - 1);
        self.written = self.written.max(self.base - 1);
    }

    /// The next entry to send.
    pub(crate) fn peek(&mut self) -> Option<(u64, &mut Entry)> {
        let seq = self.sent + 1;
        while !self.past.is_empty() && self.past_from < seq {
            self.past_from += 1;
            if let Some(entry) = self.past.pop_front() {
                self.past_bytes -= entry.held();
            }
        }
        if seq < self.base {
            return self.past.front_mut().map(|entry| (seq, entry));
        }
        let index = usize::try_from(seq.checked_sub(self.base)?).ok()?;
        self.entries.get_mut(index).map(|entry| (seq, entry))
    }

    /// Returns the announcements of the entries after `seq` that are kept.
    pub(crate) fn announcements_after(&mut self, seq: u64) -> impl Iterator<Item = &mut Announcement> {
        let known = usize::try_from((seq + 1).saturating_sub(self.base)).unwrap_or(usize::MAX);
        self.entries.iter_mut().skip(known).filter_map(|entry| entry.announcement.as_deref_mut())
    }

    /// Notes that the entry which [`Log::peek`] has returned was given to the connection.
    pub(crate) fn advance(&mut self) {
        self.sent += 1;
        self.high = self.high.max(self.sent);
    }

    /// The entries that have to be read back from the journal before others can be sent: their numbers are between the
    /// two. Meaningful when [`Log::peek`] has returned `None`.
    pub(crate) fn missing(&self) -> Option<(u64, u64)> {
        (self.sent + 1 < self.base).then_some((self.sent, self.base))
    }

    /// Adds the entries after `sent`, which were read back from the journal.
    pub(crate) fn fill(&mut self, entries: VecDeque<Entry>) {
        self.past_from = self.sent + 1;
        self.past_bytes = entries.iter().map(Entry::held).sum();
        self.past = entries;
    }

    /// Drops the entries that were read back.
    pub(crate) fn forget_past(&mut self) {
        self.past.clear();
        self.past_bytes = 0;
    }

    /// Restores an entry from a journal; returns `false` if it is known. Where numbers are missing, only the entries after
    /// them are kept.
    pub(crate) fn restore(&mut self, seq: u64, entry: Entry, max_events: usize, max_bytes: usize) -> bool {
        if seq < self.next() {
            return false;
        }
        if seq > self.next() {
            self.start_at(seq);
        }
        self.push(entry, false, max_events, max_bytes);
        self.sent = seq;
        self.wrote(seq);
        self.high = seq;
        true
    }

    /// Restores an acknowledgement from a journal: the client has processed the entries up to `seq`.
    pub(crate) fn restore_ack(&mut self, seq: u64) {
        if seq >= self.next() {
            self.start_at(seq.saturating_add(1));
            self.high = self.high.max(seq);
        }
        self.ack(seq, u64::MAX);
    }

    fn start_at(&mut self, seq: u64) {
        while !self.entries.is_empty() {
            self.drop_first();
        }
        self.base = seq;
        self.sent = seq.saturating_sub(1);
        self.written = self.sent;
    }

    /// Notes that the driver has written the entries up to `seq`.
    pub(crate) fn wrote(&mut self, seq: u64) {
        while self.written < seq {
            self.written += 1;
            let index = self.written.checked_sub(self.base).and_then(|index| usize::try_from(index).ok());
            let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) else {
                continue;
            };
            self.unwritten_bytes -= entry.held();
            if let Some(secret) = entry.secret.take() {
                self.bytes -= secret.len();
            }
        }
    }

    /// Notes that the client has processed the entries up to `seq`. A number that goes back, or beyond what was sent, is
    /// ignored. Once the lag is below half of `threshold`, back-pressure may be emitted again.
    pub(crate) fn ack(&mut self, seq: u64, threshold: u64) {
        if seq > self.high || self.acked.is_some_and(|acked| seq < acked) {
            return;
        }
        self.acked = Some(seq);
        while self.base <= seq && !self.entries.is_empty() {
            self.drop_first();
        }
        if self.lag().is_some_and(|lag| lag < threshold / 2) {
            self.lagging = false;
        }
    }

    /// The number of entries that the client has not acknowledged, if it ever acknowledges.
    pub(crate) fn lag(&self) -> Option<u64> {
        self.acked.map(|acked| (self.next() - 1).saturating_sub(acked))
    }

    /// Whether a back-pressure event is due: once when the lag passes `threshold`, and again only after it fell below half
    /// of that (§6.5).
    pub(crate) fn back_pressure(&mut self, threshold: u64) -> bool {
        let Some(lag) = self.lag() else { return false };
        let tell = !self.lagging && lag > threshold;
        self.lagging |= tell;
        tell
    }

    /// Whether a client that has everything up to `last` can continue: it was sent that much, and the log has the rest.
    pub(crate) fn resume(&self, last: u64) -> Result<(), ResumeError> {
        if last > self.high {
            Err(ResumeError::BeyondSent)
        } else if last + 1 < self.base {
            Err(ResumeError::Freed)
        } else {
            Ok(())
        }
    }

    /// Starts on a new connection, which is sent everything after `last`.
    pub(crate) fn rewind(&mut self, last: u64) {
        self.forget_past();
        self.sent = last;
        self.written = last;
        let written = usize::try_from((last + 1).saturating_sub(self.base)).unwrap_or(usize::MAX);
        self.unwritten_bytes = self.entries.iter().skip(written).map(Entry::held).sum();
    }
}

/// Why a session cannot be resumed from a number (§6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResumeError {
    BeyondSent,
    Freed,
}
